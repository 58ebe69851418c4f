"""``check regression``: golden runs, rebuilt leaderboards, re-training; how the reference moves."""
