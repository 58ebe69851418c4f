"""Whether what the suite has written is still what it wrote: every kind of file; no torch."""
