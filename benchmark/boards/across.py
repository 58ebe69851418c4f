"""Methods over several tables: mean rank and mean gain, to be shown and never to decide anything.

Tables are few and often share images, so no test is made. A method counts where every table has it
with at least three seeds; of the others it is said what they lack.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.boards.leaderboard import Row, Table
from benchmark.recording.record_models import TRACKS, Track
from benchmark.statistics import stats

_DECIMALS = 10


@dataclass(frozen=True)
class Overall:
    """One method over all tables.

    Attributes:
        label: as its rows are labelled.
        track: where its added images come from; ranks hold within a track.
        rank: mean rank by accuracy among the methods of this track in all tables; ties share.
        gain: mean gain in "All" over the reference row of each table, a share; None if some table
            has no reference.
        gains: the gain in each table, in the order of the tables.
        n: tables.
    """

    label: str
    track: Track
    rank: float
    gain: float | None
    gains: tuple[float | None, ...]
    n: int


@dataclass(frozen=True)
class Absent:
    """A method that not all tables have: ``lacks`` says what, one text for each such table."""

    label: str
    track: Track
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class Across:
    """The outcome over several tables.

    Attributes:
        tables: a short name of each.
        data_sets: how many different data sets they are about.
        methods: those in all tables, by track, mean rank and label.
        absent: the others, by track and label.
    """

    tables: tuple[str, ...]
    data_sets: int
    methods: tuple[Overall, ...]
    absent: tuple[Absent, ...]


Rows = Mapping[tuple[Track, str], Sequence[Row]]


def across(tables: Sequence[Table]) -> Across:
    """Mean rank and mean gain of the methods that all tables share; at least one table."""
    by_table = [_by_method(table) for table in tables]
    methods = sorted({key for rows in by_table for key in rows}, key=_place)
    lacks = {
        key: tuple(
            filter(None, (_lack(rows, key, name) for rows, name in _named(by_table, tables)))
        )
        for key in methods
    }
    shared = [key for key in methods if not lacks[key]]
    return Across(
        tables=tuple(map(table_name, tables)),
        data_sets=len({table.key.dataset for table in tables}),
        methods=_overall(tables, by_table, shared),
        absent=tuple(Absent(k[1], k[0], lacks[k]) for k in methods if lacks[k]),
    )


def table_name(table: Table) -> str:
    """Data set, recipe, backbone, and what is equal across methods where it is not the images."""
    key = table.key
    parts = (key.dataset, key.images, key.recipe, key.backbone, key.budget_rule)
    return ", ".join(part for part in parts if part)


def _by_method(table: Table) -> Rows:
    found: dict[tuple[Track, str], list[Row]] = {}
    for row in table.rows:
        found.setdefault((row.track, row.label), []).append(row)
    return found


def _place(key: tuple[Track, str]) -> tuple[int, str]:
    return TRACKS.index(key[0]), key[1]


def _named(by_table: Sequence[Rows], tables: Sequence[Table]) -> list[tuple[Rows, str]]:
    return [(rows, table_name(table)) for rows, table in zip(by_table, tables, strict=True)]


def _lack(rows: Rows, key: tuple[Track, str], name: str) -> str:
    """What a table lacks of a method; "" if nothing."""
    found = rows.get(key, ())
    if not found:
        return f"not in {name}"
    if len(found) > 1:
        return f"{len(found)} rows of this label in {name}"
    n = found[0].accuracy.n
    few = n < stats.MIN_SEEDS
    return f"{n} of {stats.MIN_SEEDS} seeds in {name}" if few else ""


def _overall(
    tables: Sequence[Table], by_table: Sequence[Rows], shared: Sequence[tuple[Track, str]]
) -> tuple[Overall, ...]:
    ranks = [_ranks(rows, shared) for rows in by_table]
    found = []
    for key in shared:
        gains = tuple(
            _gain(rows[key][0], table) for rows, table in zip(by_table, tables, strict=True)
        )
        known = [gain for gain in gains if gain is not None]
        mean = stats.mean(known) if len(known) == len(gains) else None
        rank = round(stats.mean([each[key] for each in ranks]), _DECIMALS)
        found.append(Overall(key[1], key[0], rank, mean, gains, len(tables)))
    found.sort(key=lambda each: (TRACKS.index(each.track), each.rank, each.label))
    return tuple(found)


def _ranks(rows: Rows, shared: Sequence[tuple[Track, str]]) -> dict[tuple[Track, str], float]:
    """Ranks within tracks among the shared methods, 1 for the highest accuracy."""
    found: dict[tuple[Track, str], float] = {}
    for track in TRACKS:
        keys = [key for key in shared if key[0] == track]
        means = [-round(rows[key][0].accuracy.mean, _DECIMALS) for key in keys]
        found |= dict(zip(keys, stats.ranks(means).tolist(), strict=True))
    return found


def _gain(row: Row, table: Table) -> float | None:
    """Over the reference, which has three seeds itself; paired where the design is blocked."""
    base = table.reference
    if base is None or base.accuracy.n < stats.MIN_SEEDS:
        return None
    if row.hash == base.hash:
        return 0.0
    return row.difference.mean if row.difference else None
