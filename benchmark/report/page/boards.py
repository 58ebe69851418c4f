"""A leaderboard in the payload: what its rows share, who leads, and the rows."""

from collections.abc import Sequence
from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import length, title
from benchmark.recording.record_models import TRACKS
from benchmark.report import tables
from benchmark.report.page import classes, rows
from benchmark.report.page.details import Details
from benchmark.report.page.encoding import Strings
from benchmark.statistics import stats

GLANCE = (
    "Track", "Highest mean", "All", "Does it win?", "Gain", "Images added", "Network calls",
    "Train s",
)  # fmt: skip


def encode(table: Table, strings: Strings, details: Details) -> dict[str, Any]:
    """The plain form of a table."""
    records = [record for row in table.rows for record in row.records]
    return {
        "id": table.key.short_hash,
        "title": title(table),
        "file": tables.file_stem(table),
        "facts": facts(table),
        "reference": table.reference.hash if table.reference else None,
        "convention": table.convention,
        "records": len(records),
        "glance": [glance(track_rows) for track_rows in _by_track(table)],
        "places": classes.places(records, table.convention),
        "rows": [rows.encode(row, strings, details) for row in table.rows],
    }


def facts(table: Table) -> list[list[str]]:
    """What all rows share, as pairs of name and value."""
    key, records = table.key, [record for row in table.rows for record in row.records]
    split = records[0].dataset.split
    seeds = sorted({record.seed for record in records})
    devices = sorted({record.cost.training.device for record in records})
    paired = table.design == "blocked"
    return [
        ["Data set", key.dataset],
        ["Protocol", str(key.protocol)],
        ["Split", f"{split.rule} ({key.split_rule})"],
        ["Recipe", f"{key.recipe}{length(table)} ({key.recipe_hash})"],
        ["Steps fixed by", key.steps_rule],
        ["Equal across methods", key.budget_rule or "images"],
        ["Backbone", key.backbone],
        ["Weights", key.selection],
        ["Seeds", ", ".join(map(str, seeds))],
        ["Compared", "within seeds (paired)" if paired else "between seeds (pooled variance)"],
        ["Shot groups", table.convention],
        ["Hardware", ", ".join(devices)],
        ["Runs", str(len(records))],
    ]


def _by_track(table: Table) -> list[list[Row]]:
    found = [[row for row in table.rows if row.track == track] for track in TRACKS]
    return [part for part in found if part]


def glance(part: Sequence[Row]) -> list[str]:
    """Who leads a track, in the order of ``GLANCE`` with the leader's hash behind.

    Args:
        part: all rows of one track, the highest mean first.
    """
    ranked = [row for row in part if row.ranks is not None]
    leader = ranked[0] if ranked else part[0]
    spent = leader.spent
    return [
        leader.track,
        leader.label,
        text.estimate(leader.accuracy),
        verdict(ranked),
        gain(leader),
        f"{leader.added:,}",
        f"{spent.calls:,.0f}" if spent.known else "not stated",
        text.number(leader.train_seconds, 1),
        leader.hash,
    ]


def verdict(ranked: Sequence[Row]) -> str:
    """Whether the row with the highest mean can be called the best of its track."""
    first = sum(row.may_be_first for row in ranked)
    if not ranked:
        return f"not ranked: fewer than {stats.MIN_SEEDS} seeds"
    if len(ranked) == 1:
        return "the only ranked row"
    if first == 1:
        return f"yes, alone among {len(ranked)}"
    return f"not alone: {first} of {len(ranked)} may be first"


def gain(row: Row) -> str:
    """The difference to the reference in words."""
    if row.difference is None:
        return "reference, or none to compare with"
    said = "significant" if row.differs else "not significant"
    return f"{text.difference(row.difference)}, {said}"
