"""The kit for segmentation: nested ellipsoids, masks and Dice."""
