"""Names for rows of one plot: labels, told apart where several rows share one."""

from collections.abc import Iterable

from benchmark.boards.leaderboard import Row
from benchmark.grid import grids


def names(rows: Iterable[Row]) -> dict[str, str]:
    """A name for each row, by its hash.

    Rows with one label are told apart by the words that made them, or else by their hash.
    """
    by_label: dict[str, list[Row]] = {}
    for row in rows:
        by_label.setdefault(row.label, []).append(row)
    return {key: name for label, own in by_label.items() for key, name in _named(label, own)}


def _named(label: str, rows: list[Row]) -> Iterable[tuple[str, str]]:
    if len(rows) == 1:
        return [(rows[0].hash, label)]
    words = [grids.canonical(row.first.experiment.overrides) for row in rows]
    shared = frozenset.intersection(*words)
    own = [", ".join(sorted(each - shared)) for each in words]
    told = own if len(set(own)) == len(own) else [row.hash for row in rows]
    return [
        (row.hash, f"{label} ({said})" if said else label)
        for row, said in zip(rows, told, strict=True)
    ]
