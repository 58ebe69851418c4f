"""Named sets of experiments: what they stand for, how far they have come, what they show."""
