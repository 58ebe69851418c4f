"""Comparisons as plain values for JSON: shares stay shares, with six decimals."""

import math
from dataclasses import asdict
from typing import Any

from benchmark.boards.comparison import Comparison
from benchmark.boards.leaderboard import Row
from benchmark.report.compare_text import costs, making

SCHEMA = "comparison/1"
_DIGITS = 6


def plain(found: Comparison) -> dict[str, Any]:
    """All of one comparison; bounds that do not exist are None."""
    value = {
        "schema": SCHEMA,
        "table": asdict(found.key),
        "design": found.design,
        "margin": found.margin,
        "pooled_rows": found.pooled_rows,
        "rows": {name: _row(row) for name, row in (("A", found.first), ("B", found.second))},
        "metrics": {each.metric: asdict(each) for each in found.outcomes},
        "chosen": found.chosen.metric,
        "outlook": asdict(found.outlook),
        "classes": [asdict(gain) for gain in found.gains],
        "costs": {name: {"A": a, "B": b, "difference": a - b} for name, a, b, _ in costs(found)},
        "pools": {
            name: None if pools is None else asdict(pools)
            for name, pools in zip("AB", found.pools, strict=True)
        },
    }
    return dict(_rounded(value))


def _row(row: Row) -> dict[str, Any]:
    return {
        "method": row.label,
        "experiment": row.hash,
        "track": row.track,
        "budget": row.first.budget.label,
        "seeds": [record.seed for record in row.records],
        "command": making(row),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS) + 0.0 if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
