"""Blocks in hand-written pages are rebuilt from records and nothing else is touched."""

import pytest

from benchmark.errors import UsageError
from benchmark.recording.record_models import Record
from benchmark.report import blocks
from tests.fixtures.records import make_record

PAGE = "before\n<!-- chain of shapes: a; b -->\nold\n<!-- end -->\nafter\n"


def _records() -> list[Record]:
    found = []
    for number, label in enumerate(("a", "b")):
        for seed in range(3):
            correct = (90 + number, 60, 30 + seed, 20)
            changes = {"experiment__label": label, "experiment__hash": label * 12}
            found.append(make_record(correct, seed, **changes))
    return found


def test_a_block_is_rebuilt_and_the_rest_kept() -> None:
    page = blocks.render(PAGE, _records())
    assert page.startswith("before\n<!-- chain of shapes: a; b -->\n")
    assert page.endswith("<!-- end -->\nafter\n")
    assert "old" not in page
    assert "a → b" in page


def test_rows_of_another_data_set_are_not_mixed_in() -> None:
    other = make_record(dataset__name="other", experiment__label="a", experiment__hash="f" * 12)
    assert blocks.render(PAGE, [*_records(), other]) == blocks.render(PAGE, _records())


def test_rendering_twice_changes_nothing() -> None:
    once = blocks.render(PAGE, _records())
    assert blocks.render(once, _records()) == once


def test_an_edited_number_is_put_right() -> None:
    page = blocks.render(PAGE, _records())
    edited = page.replace("3 of 3", "2 of 3")
    assert edited != page
    assert blocks.render(edited, _records()) == page


def test_an_unknown_label_is_named() -> None:
    with pytest.raises(UsageError, match="zz"):
        blocks.render(PAGE.replace("a; b", "a; zz"), _records())


def test_supplies_stand_beside_their_cost() -> None:
    page = blocks.render(PAGE.replace("chain of", "supplies of"), _records())
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    assert [row[0].strip() for row in rows[2:]] == ["a", "b"]
    assert rows[2][5].strip() == "-"
    assert rows[3][5].strip().startswith("+")
