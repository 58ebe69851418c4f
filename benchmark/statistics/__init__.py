"""Metrics of predictions and statistics over seeds, as pure functions of values."""
