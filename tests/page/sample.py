"""A small page with every kind of thing on it, and texts that try to break out of it."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark.boards.leaderboard import Row, Table, build, rows_of
from benchmark.generation.cost import GenerationCost
from benchmark.recording.record_models import Record
from benchmark.report.page.build import render
from benchmark.report.page.views import (
    CellView,
    CurveView,
    GridView,
    MissingView,
    PointView,
    PublishedView,
    Sheet,
)
from benchmark.statistics.stats import Difference
from tests.fixtures.records import make_record

HOSTILE = "<img src=x onerror=alert(1)>"
HOSTILE_COMMAND = "python -m benchmark run 'a=</script><script>alert(1)</script><!--' seed="
COST = GenerationCost(
    candidates=40, accepted=40, network_calls_predicted=800, network_calls_measured=800,
    device_seconds=3.0, flops=2e9, device="card", pool_key="p",
)  # fmt: skip
ADDED: dict[str, Any] = {
    "budget__label": "uniform(10)", "budget__add": (10,) * 4, "cost__generation": COST,
    "dataset__counts_train": (110, 30, 18, 12), "dataset__n_train": 170,
}  # fmt: skip
CORRECT = {
    "plain": (90, 50, 30, 20), "better": (90, 80, 70, 60), "close": (91, 80, 70, 61),
    "drawn": (95, 90, 85, 80), "dear": (92, 84, 80, 70), "fetched": (95, 88, 80, 70),
    "bound": (99, 98, 97, 96), "single": (97, 90, 90, 90), HOSTILE: (60, 40, 30, 20),
}  # fmt: skip


def part(name: str, **settings: Any) -> dict[str, Any]:
    return {"name": name, "version": 1, "origin": "built-in", "settings": settings}


def runs(label: str, seeds: int = 4, **changes: Any) -> list[Record]:
    """Runs of one experiment that wobble a little with the seed."""
    stack = [part(name, alpha=0.5) for name in label.split(" + ")]
    if label not in ("plain",):
        stack.append(part("extra"))
    fixed = {"experiment__label": label, "experiment__hash": f"{sum(map(ord, label)):012x}"}
    return [
        make_record(
            tuple(value + (seed * 7 + place) % 3 - 1 for place, value in enumerate(CORRECT[label])),
            seed,
            **{
                "method__stack": tuple(stack),
                "cost__training__seconds": 10.0 + len(label) + seed,
                **fixed,
                **changes,
            },
        )
        for seed in range(seeds)
    ]


def records() -> list[Record]:
    dear = replace(COST, network_calls_predicted=9000, network_calls_measured=8000)
    hostile = [
        record.model_copy(update={"command": f"{HOSTILE_COMMAND}{record.seed}"})
        for record in runs(HOSTILE, method__knowledge=(HOSTILE,))
    ]
    return [
        *runs("plain"),
        *runs("better"),
        *runs("close", seeds=5),
        *runs("drawn", method__track="synthetic", **ADDED),
        *runs("dear", method__track="synthetic", **{**ADDED, "cost__generation": dear}),
        *runs("fetched", method__track="web", **ADDED),
        *runs("bound", method__track="oracle", **{**ADDED, "cost__generation": None}),
        *runs("single", seeds=1),
        *hostile,
        *runs(
            "plain",
            seeds=2,
            recipe__name="long",
            recipe__config={"lr": 0.2},
            experiment__hash="f" * 12,
        ),
    ]


def tables() -> list[Table]:
    return build(records())


def grids() -> list[GridView]:
    rows = {row.label: row for row in rows_of(records()[:17])}
    cells = (
        CellView("none", "base", rows["plain"]),
        CellView("none", "other", rows["better"], Difference(0.2, 0.05, 4, 4, 0.001), True),
        CellView("some", "base", rows["drawn"]),
    )
    matrix = GridView(
        name="both", title="Supplies x losses", command="python -m benchmark run grid=both",
        dataset="shapes", rows=("none", "some"), columns=("base", "other"), plain="base",
        cells=cells,
        missing=(MissingView("some / other", 3, "python -m benchmark run method=x seed=0,1,2"),),
        notes=("Balancing first is enough.",),
    )  # fmt: skip
    return [matrix, figure(rows), listing(rows)]


def figure(rows: dict[str, Row]) -> GridView:
    points = tuple(
        PointView(x, label, rows[label])
        for x, label in ((100.0, "plain"), (200.0, "better"), (400.0, "drawn"))
    )
    return GridView(
        name="curve", title="Accuracy against images", command="python -m benchmark run grid=curve",
        dataset="shapes", rows=("plain", "better", "drawn", "close"), columns=("",), plain="",
        cells=tuple(CellView(label, "", rows[label]) for label in rows if label != "dear"),
        curves=(CurveView("more", "training images", points),),
    )  # fmt: skip


def listing(rows: dict[str, Row]) -> GridView:
    return GridView(
        name="list", title="Every row", command="python -m benchmark run grid=list",
        dataset="shapes", rows=("plain", HOSTILE), columns=("",), plain="",
        cells=(CellView("plain", "", rows["plain"]), CellView(HOSTILE, "", rows["close"])),
    )  # fmt: skip


def picture() -> Sheet:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 10, 10)).save(buffer, "PNG")
    return Sheet(buffer.getvalue(), (8, 6), f"Red {HOSTILE}", "Eight by six")


def published() -> PublishedView:
    return PublishedView(
        f"Table 1 {HOSTILE}", ("Method", "Network", "All"), (("A", HOSTILE, "12.30"),),
        frozenset({2}), ("Two conventions.",),
    )  # fmt: skip


def page() -> str:
    return render(tables(), grids(), [published()], [picture()])


def save(folder: Path, content: str | None = None) -> str:
    """Write a page and return its address."""
    path = folder / "index.html"
    path.write_text(content or page(), encoding="utf-8")
    return path.as_uri()
