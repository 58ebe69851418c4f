"""Quality and leak checks of image pools: arrays in, values out."""
