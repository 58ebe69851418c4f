"""A leaderboard as JSON: all that the other formats show, and what lies behind each row.

Shares are in [0, 1] with six decimals. The schema is "leaderboard/1"; ``columns.COLUMNS`` says what
each key of a row is.
"""

from collections.abc import Sequence
from typing import Any

from benchmark.boards import tail
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import imbalance, title
from benchmark.boards.spending import Spent
from benchmark.recording.record_models import Record
from benchmark.report.columns import COLUMNS
from benchmark.report.markdown import RANK_TESTS, REFERENCE_TESTS, REPORT_COMMAND
from benchmark.statistics import effects, stats
from benchmark.statistics.metrics import GROUPS
from benchmark.statistics.stats import Difference
from benchmark.system.files import layout_json

SCHEMA = "leaderboard/1"
_SHARE, _SECONDS, _COUNT = 6, 3, 3


def render(table: Table) -> str:
    """The whole file of one table."""
    return layout_json(payload(table)) + "\n"


def payload(table: Table) -> dict[str, Any]:
    """Everything about a table as plain values, in a fixed order of keys."""
    key = table.key
    return {
        "schema": SCHEMA,
        "title": title(table),
        "rebuilt_by": REPORT_COMMAND,
        "key": dict(vars(key)),
        "imbalance": imbalance(table.rows[0].first),
        "design": table.design,
        "tests": {
            "ranks": f"{RANK_TESTS[table.design]}, Holm's correction",
            "reference": REFERENCE_TESTS[table.design],
        },
        "convention": table.convention,
        "level": stats.LEVEL,
        "alpha": stats.ALPHA,
        "min_seeds": stats.MIN_SEEDS,
        "reference": table.reference.hash if table.reference else None,
        "setting": _setting(table),
        "tail": _tail(table.rows[0].first, table.convention),
        "columns": [dict(vars(column)) for column in COLUMNS],
        "rows": [row_payload(row, table) for row in table.rows],
    }


def _setting(table: Table) -> dict[str, Any]:
    records = [record for row in table.rows for record in row.records]
    return {
        "recipe": dict(records[0].recipe.config),
        "split": records[0].dataset.split.rule,
        "test_images": records[0].dataset.test_n,
        "steps_total": _span([record.recipe.steps_total for record in records]),
        "parameters": _span([record.backbone.parameters for record in records]),
        "seeds": sorted({record.seed for record in records}),
        "devices": sorted({record.cost.training.device for record in records}),
    }


def _span(values: Sequence[int]) -> list[int]:
    return [min(values), max(values)]


def _tail(record: Record, convention: str) -> dict[str, Any]:
    """Counts and shot groups along the tail; which class stands where may follow the seed."""
    order, data = tail.tail_order(record), record.dataset
    return {
        "counts": [data.counts_real[label] for label in order],
        "groups": [data.conventions[convention][label] for label in order],
    }


def row_payload(row: Row, table: Table) -> dict[str, Any]:
    """One row as plain values; its keys are the names of ``COLUMNS``."""
    first = row.first
    return {
        "method": row.label,
        "stack": [part.name for part in first.method.stack],
        "track": row.track,
        "budget": first.budget.label,
        "images_added": row.added,
        "knowledge": list(first.method.knowledge),
        "rank": _rank(row, table),
        "letters": row.letters,
        **_scores(row),
        "difference": _difference(row.difference, row.differs),
        "improvement": _improvement(row, table),
        "per_class": per_class(row),
        "costs": _costs(row),
        "pool": _pool(row),
        "search": _search(row),
        "verified": row.verified,
        "experiment": row.hash,
        "command": first.command,
        "runs": [_run(record) for record in row.records],
    }


def _scores(row: Row) -> dict[str, Any]:
    """Everything about the accuracy and calibration of one row by itself."""
    return {
        "seeds": list(row.values),
        "accuracies": [share(value) for value in row.values.values()],
        "accuracy": {
            "mean": share(row.accuracy.mean),
            "half_width": share(row.accuracy.half_width),
            "n": row.accuracy.n,
        },
        "groups": _groups(row),
        **{
            name: _mean(row, name) for name in ("macro", "worst", "harmonic", "nll", "brier", "ece")
        },
    }


def share(value: float | None) -> float | None:
    """A share with six decimals and no negative zero."""
    return None if value is None else round(value, _SHARE) + 0.0


def _rank(row: Row, table: Table) -> dict[str, int] | None:
    if row.ranks is None:
        return None
    return {"low": row.ranks[0], "high": row.ranks[1], "of": table.ranked[row.track]}


def _groups(row: Row) -> dict[str, Any]:
    return {name: _convention(row, name) for name in row.first.dataset.conventions}


def _convention(row: Row, name: str) -> dict[str, float | None]:
    found = [record.metrics.groups[name] for record in row.records]
    return {group: _mean_of([getattr(each, group) for each in found]) for group in GROUPS}


def _mean(row: Row, name: str) -> float | None:
    return _mean_of([getattr(record.metrics, name) for record in row.records])


def _mean_of(values: Sequence[float | None]) -> float | None:
    """Mean over the seeds that have such a value."""
    found = [value for value in values if value is not None]
    return share(stats.mean(found)) if found else None


def _difference(gap: Difference | None, differs: bool) -> dict[str, Any] | None:
    if gap is None:
        return None
    return {
        "mean": share(gap.mean), "half_width": share(gap.half_width), "wins": gap.wins,
        "pairs": gap.n, "p": gap.p, "differs": differs,
    }  # fmt: skip


def _improvement(row: Row, table: Table) -> dict[str, Any] | None:
    base = table.reference
    if base is None or row.hash == base.hash:
        return None
    found = effects.improvement(row.values, base.values, table.design)
    if found is None:
        return None
    return {
        "share": share(found.share),
        "interval": found.interval and list(map(share, found.interval)),
        "p": found.p,
        "pairs": found.n,
    }


def per_class(row: Row) -> list[float | None]:
    """Accuracy at each place along the tail, mean over seeds; None without test rows."""
    found = []
    for record in row.records:
        accuracies = tail.class_accuracies(record)
        found.append([accuracies[label] for label in tail.tail_order(record)])
    return [_mean_of(place) for place in zip(*found, strict=True)]


def _costs(row: Row) -> dict[str, Any]:
    paid: Spent = row.spent
    counts = {
        "candidates": paid.candidates, "accepted": paid.accepted, "network_calls": paid.calls,
        "fit_network_calls": paid.fit_calls,
        "network_calls_predicted": paid.calls if paid.predicted is None else paid.predicted,
        "web_images": paid.web_images,
    }  # fmt: skip
    return {
        "known": paid.known,
        **{name: round(value, _COUNT) for name, value in counts.items()},
        "device_seconds": round(paid.seconds, _SECONDS),
        "flops": float(f"{paid.flops:.10g}"),
        "devices": list(paid.devices),
        "train_seconds": round(row.train_seconds, _SECONDS),
    }


def _pool(row: Row) -> dict[str, Any] | None:
    pools = [record.pool for record in row.records if record.pool]
    if not pools:
        return None
    return {"one_pool": row.one_pool, "keys": sorted({pool.key for pool in pools})}


def _search(row: Row) -> dict[str, Any] | None:
    found = [record.search for record in row.records if record.search]
    if not found:
        return None
    return {
        "tried": [len(each.tried) for each in found],
        "allowed": found[0].allowed,
        "seconds": [round(each.seconds, _SECONDS) for each in found],
    }


def _run(record: Record) -> dict[str, Any]:
    return {
        "seed": record.seed,
        "command": record.command,
        "predictions": record.predictions.sha256,
        "weights": record.final_weights_sha256,
        "rows": record.dataset.split.rows_hash,
        "commit": record.environment.git_sha,
    }
