"""The kit for classification: textures, class scores and balanced accuracy."""
