"""The loop and what it stands on: optimisers, stages, processes that share a batch, features."""
