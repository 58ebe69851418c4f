"""Data sets: facts, long-tailed splits, and packed stores of uint8 images."""
