"""Many runs: through launchers of Hydra, or as numbered jobs."""
