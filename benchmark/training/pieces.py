"""Which rows of a batch each process takes, and in how many pieces."""

import math
from itertools import pairwise


def own_rows(rows: int, rank: int, size: int) -> tuple[slice, float]:
    """The rows of one process and their share of the batch.

    A process for which the batch has no row takes all of them with the share 0, so that it still
    takes part in every exchange.

    Args:
        rows: of the batch.
        rank: of the process.
        size: processes in all.
    """
    start, stop = rank * rows // size, (rank + 1) * rows // size
    return (slice(start, stop), (stop - start) / rows) if stop > start else (slice(0, rows), 0.0)


def rows_at_once(batch_size: int, size: int, pieces: int) -> int:
    """Most rows that pass through the network at once.

    Args:
        batch_size: rows of a whole batch.
        size: processes that share it.
        pieces: in how many pieces each takes its part.
    """
    return math.ceil(math.ceil(batch_size / size) / pieces)


def cuts(rows: int, limit: int) -> list[slice]:
    """``rows`` in as few pieces of at most ``limit`` rows as there can be, of equal size."""
    number = math.ceil(rows / limit)
    ends = [place * rows // number for place in range(number + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]
