"""The page across data sets: which tables a mean is taken over, and what it shows of the others."""

import random
from pathlib import Path
from typing import Any

import pytest

from benchmark.boards.leaderboard import Table, build
from benchmark.recording.record_models import Record
from benchmark.report import across
from benchmark.report.across import render, sharing
from tests.fixtures.boards import GENERATED, runs

PARTS: dict[str, Any] = {
    "method__stack": ({"name": "x", "version": 1, "origin": "o", "settings": {}},) * 2
}


def rows(data: str, *methods: tuple[str, int], seeds: int = 4) -> list[Record]:
    """A data set with plain rows of the given accuracies; the first is the reference."""
    (first, base), *others = methods
    found = runs(first, base, seeds, dataset__name=data, experiment__hash=f"{data}-{first}")
    for label, level in others:
        own = {"dataset__name": data, "experiment__hash": f"{data}-{label}", **PARTS}
        found += runs(label, level, seeds, **own)
    return found


def tables(*parts: list[Record]) -> list[Table]:
    return build([record for part in parts for record in part])


TWO = (
    rows("one", ("plain", 60), ("a", 70), ("b", 80)),
    rows("two", ("plain", 50), ("a", 80), ("b", 70)),
)


def line(page: str, label: str) -> list[str]:
    """The cells of the first row of a method."""
    found = next(text for text in page.splitlines() if text.startswith(f"| {label} |"))
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_means_over_two_tables() -> None:
    page = render(tables(*TWO))
    assert "about 2 data sets" in page
    assert line(page, "plain")[1:] == ["real", "3.00", "+0.00", "2"]
    assert line(page, "a")[2] == line(page, "b")[2] == "1.50"
    # ten and thirty points, give or take what the seeds wobble
    assert float(line(page, "a")[3]) == pytest.approx(20, abs=0.6)


def test_gains_stand_beside_each_other_with_their_intervals() -> None:
    _, gains = render(tables(*TWO)).split("## Gains, table by table")
    cells = line(gains, "b")
    assert cells[:2] == ["b", "real"] and len(cells) == 4
    assert all(cell.startswith("+") and " ± " in cell for cell in cells[2:])
    assert line(gains, "plain")[2:] == ["reference", "reference"]
    assert "(tables/one-p1-short-iterations-small-" in gains


def test_a_table_that_shares_too_little_is_left_out_of_the_mean() -> None:
    far = rows("far", ("plain", 60), ("c", 70))
    chosen = sharing(tables(*TWO, far))
    assert [table.key.dataset for table in chosen] == ["one", "two"]


def test_rows_of_fewer_than_three_seeds_are_shown_grey_and_enter_no_mean() -> None:
    brief = rows("brief", ("plain", 50), ("a", 80), seeds=2)
    page = render(tables(TWO[0], brief))
    assert "There is no mean yet" in page and "## Mean rank" not in page
    assert line(page, "a")[2].startswith("*+") and line(page, "a")[3].startswith("+")


def test_nothing_shared_says_so_and_shows_no_table() -> None:
    page = render(tables(TWO[0]))
    assert "There is no mean yet" in page and "|" not in page
    assert render([]).startswith("# Across data sets")


def test_tracks_are_ranked_apart() -> None:
    drawn = [
        record
        for data in ("one", "two")
        for record in runs(
            "drawn", 95, dataset__name=data, experiment__hash=f"{data}-drawn", **GENERATED
        )
    ]
    page = render(tables(*TWO, drawn))
    assert line(page, "drawn")[1:3] == ["synthetic", "1.00"]
    assert line(page, "plain")[2] == "3.00"


def test_order_of_records_does_not_matter() -> None:
    records = [record for part in TWO for record in part]
    shuffled = random.Random(5).sample(records, len(records))
    assert render(build(shuffled)) == render(build(records))


def test_the_page_stands_beside_the_tables() -> None:
    (path,) = across.pages(Path("boards"), tables(*TWO))
    assert path == Path("boards/across.md")


def test_labels_are_inert() -> None:
    label = "a|b <img src=x>"
    page = render(tables(rows("one", (label, 60), ("a", 70)), rows("two", (label, 60), ("a", 70))))
    assert "<img" not in page and "a\\|b" in page
