"""Speed, as ratios within one process; no test asserts on seconds."""
