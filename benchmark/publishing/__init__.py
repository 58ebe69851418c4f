"""Results that leave this machine: kept networks, exports, evaluations, submissions."""
