"""Properties that hold for all inputs, by hypothesis: what no list of examples shows."""
