"""Fitting a generator to the real training images of a long-tailed set."""
