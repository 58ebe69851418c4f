"""Pools drawn by many workers: on Ray Data, or as an array of jobs."""
