"""What submitit refuses, in our words."""

from collections.abc import Iterator
from contextlib import contextmanager

from benchmark.errors import UsageError, one_line


@contextmanager
def refused(cluster: str) -> Iterator[None]:
    """Errors of submitit's executor and its parameters as one line.

    Raises:
        UsageError: there is no SLURM here, or an option is unknown.
    """
    try:
        yield
    except (RuntimeError, NameError, ValueError, AssertionError) as error:
        raise UsageError(
            f"Expected a cluster that takes these jobs, but submitit says: {one_line(error)}",
            where=f"cluster={cluster}",
            todo="submit where sbatch and srun are, or use cluster=local",
        ) from error
