"""Fuzzing of every reader of foreign bytes: targets, a mutator, a runner. See docs/testing.md."""
