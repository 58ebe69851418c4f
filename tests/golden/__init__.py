"""Losses of every component on a fixed tiny run, kept to notice unintended changes."""
