"""What runs will take: reckoned from finished ones, or from counted operations."""
