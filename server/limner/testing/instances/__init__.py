"""The kit for instances: ellipsoids that touch and overlap, and panoptic quality."""
