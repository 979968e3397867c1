"""The main job on drawn data, for everybody to see: `limner demo`."""
