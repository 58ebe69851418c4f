"""Files, locks, processes, terminals and the text of others; knows nothing of experiments."""
