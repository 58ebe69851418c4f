"""Blocks of a plan: every row once, whole batches, and the way to a worker and back."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import BenchError, DataError
from benchmark.generation.frames import Materials, Setup
from benchmark.generation.guides import GuideSet
from benchmark.generation.plan import PlanRow, PoolSpec, build_plan, pool_spec
from benchmark.generation.sources import Guides
from tests.fixtures.generation import CLASSES, PROMPTS, Stub, stub_spec

blocks = pytest.importorskip(
    "benchmark.generation.scale.blocks", exc_type=ImportError, reason="needs pyarrow"
)
worker = pytest.importorskip("benchmark.generation.scale.worker")


def _guided() -> PoolSpec:
    return pool_spec(
        Stub(), dataset="toy", classes=CLASSES, prompts=PROMPTS, pool_seed=3,
        guides=Guides(pairing="intra", strengths=(0.3, 0.6)),
        guide_rows=GuideSet((0, 1, 2), ("a", "b", "c")),
    )  # fmt: skip


def _setup(spec: PoolSpec) -> Setup:
    return Setup(spec, Path("pool"), Stub(), Materials())


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.integers(1, 30), st.booleans())
def test_every_row_is_in_one_block_of_one_mode(
    counts: Sequence[int], size: int, guided: bool
) -> None:
    setup = _setup(_guided() if guided else stub_spec(Stub()))
    rows = build_plan(setup.spec, counts)
    found = blocks.cut(setup, rows, size)
    assert sorted(row.image_id for block in found for row in block.rows) == sorted(
        row.image_id for row in rows
    )
    for block in found:
        assert 1 <= len(block.rows) <= size
        assert {setup.mode_number(row) for row in block.rows} == {block.key.mode}


def test_without_modes_blocks_follow_the_plan() -> None:
    setup = _setup(stub_spec(Stub()))
    rows = build_plan(setup.spec, [10, 4, 7])
    assert [row for block in blocks.cut(setup, rows, 4) for row in block.rows] == rows


@given(st.integers(1, 10**6), st.integers(1, 100), st.integers(1, 100))
def test_a_block_holds_whole_batches(rows: int, workers: int, batch: int) -> None:
    size = blocks.block_size(rows, workers, batch)
    assert size % batch == 0
    assert size < 256 + batch
    assert size == batch or workers * size <= rows + workers * batch


@pytest.mark.parametrize("guided", [False, True])
def test_rows_come_out_of_a_table_as_they_went_in(guided: bool) -> None:
    setup = _setup(_guided() if guided else stub_spec(Stub()))
    cut = blocks.cut(setup, build_plan(setup.spec, [3, 3, 3]), 4)
    back = [blocks.from_table(table) for table in blocks.tables(cut)]
    assert [number for number, _ in back] == list(range(len(cut)))
    assert [block.rows for _, block in back] == [block.rows for block in cut]
    assert all(isinstance(row, PlanRow) for _, block in back for row in block.rows)


def test_an_error_keeps_its_kind_and_words() -> None:
    error = DataError("Expected x", where="there", todo="do y")
    (back,) = blocks.outcomes(blocks.outcome_table(worker.Outcome(3, 5, error, 2)))
    assert (back.number, back.images, back.deaths) == (3, 5, 2)
    assert type(back.error) is DataError
    assert (str(back.error), back.error.exit_code) == (str(error), 3)


def test_an_unknown_kind_of_error_is_still_an_error() -> None:
    class OddError(BenchError):
        pass

    (back,) = blocks.outcomes(blocks.outcome_table(worker.Outcome(0, 0, OddError("Expected x"))))
    assert type(back.error) is BenchError
    assert str(back.error) == "Expected x"
