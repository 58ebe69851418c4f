"""Leaderboards as a pure function of records: which rows share a table, and how they rank.

A table holds the records of one key (``table_key``).
Tracks are ranked within and shown across. Rows with fewer than three seeds stay unranked.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

from benchmark.boards.spending import Spent, check_cost, spent
from benchmark.errors import IntegrityError, UsageError, unknown
from benchmark.recording.record_models import TRACKS, Design, Record, Track
from benchmark.recording.table_key import TableKey, key_of
from benchmark.statistics import stats
from benchmark.statistics.all_pairs import compare_all, letters, rank_ranges
from benchmark.statistics.metrics import GROUPS
from benchmark.statistics.stats import Difference, Estimate, Values

Verified = Literal["recomputed", "stated"]

# Sorting and equality must not hang on the last bits of a mean.
_SORT_DECIMALS = 10


@dataclass(frozen=True)
class Row:
    """One experiment: its records and what they come to.

    Attributes:
        records: finished runs, by seed.
        accuracy: mean of "All" over seeds, with its interval.
        groups: mean accuracy of Many, Medium, Few; None for an empty group.
        ece: mean expected calibration error.
        ranks: the range of ranks within the track; None for an unranked row.
        letters: rows of a track that share a letter are not told apart.
        difference: to the reference row; None for the reference itself or without one.
        differs: whether that difference is significant after correction.
        verified: "recomputed" if its metrics were recomputed from the predictions of all its runs;
            "stated" if the records alone say so.
    """

    records: tuple[Record, ...]
    accuracy: Estimate
    groups: tuple[float | None, float | None, float | None]
    ece: float
    ranks: tuple[int, int] | None = None
    letters: str = ""
    difference: Difference | None = None
    differs: bool = False
    verified: Verified = "stated"

    @property
    def first(self) -> Record:
        """The record with the lowest seed."""
        return self.records[0]

    @property
    def hash(self) -> str:
        """The experiment's hash."""
        return self.first.experiment.hash

    @property
    def label(self) -> str:
        """The method as printed."""
        return self.first.experiment.label

    @property
    def track(self) -> Track:
        """Where added images come from."""
        return self.first.method.track

    @property
    def added(self) -> int:
        """Images added to the training set."""
        return sum(self.first.budget.add)

    @property
    def values(self) -> Values:
        """Accuracy by seed."""
        return {record.seed: record.metrics.accuracy for record in self.records}

    @cached_property
    def spent(self) -> Spent:
        """What the added images took, as means over seeds."""
        return spent(self.records)

    @property
    def train_seconds(self) -> float:
        """Mean training time over seeds."""
        return stats.mean([record.cost.training.seconds for record in self.records])

    @property
    def may_be_first(self) -> bool:
        """Whether the range of ranks holds 1."""
        return self.ranks is not None and self.ranks[0] == 1

    @property
    def one_pool(self) -> bool:
        """Whether all seeds share one pool, so that the interval is conditional on it."""
        pool = self.first.pool
        return pool is not None and not pool.replicated_with_seed


@dataclass(frozen=True)
class Table:
    """Rows that may be compared, by track and then by descending accuracy.

    Attributes:
        key: what the rows share.
        convention: the shot-group convention of Many, Medium and Few.
        design: how rows are compared.
        reference: the row that differences are taken to; None if it is not in the table.
        rows: at least one.
    """

    key: TableKey
    convention: str
    design: Design
    reference: Row | None
    rows: tuple[Row, ...]

    @cached_property
    def ranked(self) -> Counter[Track]:
        """Rows that have a rank, by track."""
        return Counter(row.track for row in self.rows if row.ranks is not None)


def build(
    records: Iterable[Record],
    reference: str | None = None,
    recomputed: Collection[tuple[str, int]] = frozenset(),
) -> list[Table]:
    """All tables of a set of records, in the order of their keys.

    Args:
        records: in any order; an exact copy counts once.
        reference: label of the row differences are taken to; by default the row of the real track
            with the fewest components.
        recomputed: hash and seed of runs whose metrics were recomputed from their predictions.

    Raises:
        IntegrityError: two different records of one experiment and seed, records of one table
            with different designs or conventions, or one that does not say what its images took.
    """
    kept = sorted(distinct(records), key=lambda r: (key_of(r), r.experiment.hash, r.seed))
    for record in kept:
        check_cost(record)
    tables = [_table(key, list(part), reference) for key, part in groupby(kept, key_of)]
    return [_with_verification(table, recomputed) for table in tables] if recomputed else tables


def _with_verification(table: Table, recomputed: Collection[tuple[str, int]]) -> Table:
    rows = {
        row.hash: replace(row, verified="recomputed")
        if all((row.hash, record.seed) in recomputed for record in row.records)
        else row
        for row in table.rows
    }
    base = table.reference and rows[table.reference.hash]
    return replace(table, rows=tuple(rows.values()), reference=base)


def distinct(records: Iterable[Record]) -> list[Record]:
    """The records without exact copies.

    Raises:
        IntegrityError: two different records of one experiment and seed.
    """
    found: dict[tuple[str, int], Record] = {}
    for record in records:
        key = (record.experiment.hash, record.seed)
        if found.setdefault(key, record) != record:
            raise IntegrityError(
                f"Expected one record of experiment {key[0]} at seed {key[1]}, but got two that "
                "differ",
                where=record.experiment.label,
                todo="keep one of the two files",
            )
    return list(found.values())


def rows_of(records: Iterable[Record]) -> list[Row]:
    """One unranked row for each experiment, in the order of their hashes."""
    ordered = sorted(records, key=lambda record: (record.experiment.hash, record.seed))
    return [_row(list(p)) for _, p in groupby(ordered, lambda record: record.experiment.hash)]


def _row(records: list[Record]) -> Row:
    convention = next(iter(records[0].dataset.conventions))
    many, medium, few = (_mean_group(records, convention, group) for group in GROUPS)
    return Row(
        records=tuple(records),
        accuracy=stats.estimate([record.metrics.accuracy for record in records]),
        groups=(many, medium, few),
        ece=stats.mean([record.metrics.ece for record in records]),
    )


def _mean_group(records: Sequence[Record], convention: str, group: str) -> float | None:
    """Mean over the seeds that have such classes."""
    found = [getattr(record.metrics.groups[convention], group) for record in records]
    present = [value for value in found if value is not None]
    return stats.mean(present) if present else None


def _table(key: TableKey, records: list[Record], reference: str | None) -> Table:
    design = _shared(records, key, "design", lambda record: record.dataset.design)
    names = _shared(records, key, "conventions", lambda r: tuple(r.dataset.conventions))
    rows = rows_of(records)
    base = find_reference(rows, reference)
    pooled = stats.table_variance([row.values for row in rows])
    rows = _ranked(_with_differences(rows, base, design, pooled), design, pooled)
    ordered = sorted(rows, key=_place)
    return Table(key, names[0], design, base, tuple(ordered))


def _shared(
    records: Sequence[Record], key: TableKey, what: str, get: Callable[[Record], Any]
) -> Any:
    expected = get(records[0])
    for record in records:
        if get(record) != expected:
            raise IntegrityError(
                f"Expected one {what} in a table, but got {expected} and {get(record)}",
                where=f"{key.dataset}: {record.experiment.label}, seed {record.seed}",
                todo="run both with the same version of the data set's card",
            )
    return expected


def _place(row: Row) -> tuple[int, float, str, str]:
    return TRACKS.index(row.track), -round(row.accuracy.mean, _SORT_DECIMALS), row.label, row.hash


def find_reference(rows: Sequence[Row], label: str | None = None) -> Row | None:
    """The row to compare with: by label, else the simplest row of the real track.

    The simplest row has the fewest components, then the fewest settings, then the fewest added
    images, then the newest versions. None if there is no such row.
    """
    if label is None:
        able = [row for row in rows if row.track == "real"]
    else:
        able = [row for row in rows if row.label == label]
    return min(able, key=_complexity, default=None)


def _complexity(row: Row) -> tuple[int, int, int, str, tuple[int, ...], str]:
    stack = row.first.method.stack
    settings = sum(len(part.settings) for part in stack)
    newest = tuple(-part.version for part in stack)
    return len(stack), settings, row.added, row.label, newest, row.hash


def _with_differences(
    rows: list[Row], base: Row | None, design: Design, pooled: tuple[float, int]
) -> list[Row]:
    if base is None:
        return rows
    others = [row for row in rows if row is not base]
    adjusted = stats.against_reference([row.values for row in others], base.values, design)
    changed = {
        row.hash: replace(
            row, difference=_difference(row, base, design, pooled), differs=p < stats.ALPHA
        )
        for row, p in zip(others, adjusted, strict=True)
    }
    return [changed.get(row.hash, row) for row in rows]


def _difference(
    row: Row, base: Row, design: Design, pooled: tuple[float, int]
) -> Difference | None:
    if design == "blocked":
        return stats.paired(row.values, base.values)
    return stats.unpaired(row.values, base.values, pooled)


def _ranked(rows: list[Row], design: Design, pooled: tuple[float, int]) -> list[Row]:
    done: dict[str, Row] = {}
    for track in TRACKS:
        able = [row for row in rows if row.track == track and row.accuracy.n >= stats.MIN_SEEDS]
        able.sort(key=_place)
        higher = compare_all([row.values for row in able], design, pooled)
        shown = zip(able, rank_ranges(higher), letters(higher), strict=True)
        done |= {row.hash: replace(row, ranks=ranks, letters=text) for row, ranks, text in shown}
    return [done.get(row.hash, row) for row in rows]


def pick(rows: Sequence[Row], name: str) -> Row:
    """The row with a label or an experiment hash.

    Raises:
        UsageError: no row or several rows have that label.
    """
    found = [row for row in rows if name in (row.label, row.hash)]
    if not found:
        raise unknown("row", name, {row.label for row in rows} or {"(no records)"})
    if len(found) > 1:
        hashes = ", ".join(f"{row.hash} (budget {row.first.budget.label})" for row in found)
        raise UsageError(
            f"Expected one experiment labelled '{name}', but got {len(found)}",
            todo=f"name it by its hash: {hashes}",
        )
    return found[0]
