"""One module a kind of data set; each holds one class derived from ``Dataset``."""
