"""Plans, result rows under torn writes, and blocks that share out a plan."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.errors import IntegrityError
from benchmark.generation.claims import blocks
from benchmark.generation.ledger import Ledger
from benchmark.generation.plan import (
    build_plan,
    image_identity,
    planned_counts,
    pool_spec,
    read_plan,
    write_plan,
)
from benchmark.generation.prompts import PromptSpec
from benchmark.generation.results import PoolRow, Session, Tail, read_rows
from benchmark.system.files import canonical_json
from tests.fixtures.generation import Stub
from tests.properties.amount import examples

NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
CLASSES = st.lists(NAME, min_size=1, max_size=4)
COUNTS = st.lists(st.integers(0, 9), min_size=4, max_size=4)
IDS = st.integers(0, 16**24 - 1).map("{:024x}".format)
ROWS = st.builds(
    PoolRow, image_id=IDS, label=st.integers(0, 99), slot=st.integers(0, 10**6),
    attempt=st.integers(0, 3), seed=st.integers(0, 2**32 - 1), status=st.sampled_from(["ok",
    "rejected"]),
    reason=NAME, sha256=NAME, calls=st.integers(0, 100), seconds=st.floats(0, 9), worker=NAME,
)  # fmt: skip


def _spec(classes: list[str], pool_seed: int = 0):  # type: ignore[no-untyped-def]
    prompts = PromptSpec(modifiers=("old", "new"), modifier_set="two", modifier_hash="x")
    return pool_spec(
        Stub(), dataset="toy", classes=tuple(classes), prompts=prompts, pool_seed=pool_seed
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the module's own."""
    return tmp_path_factory.mktemp("plans")


def _emptied(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


@examples(40)
@given(CLASSES, COUNTS, st.integers(0, 2**31 - 1))
def test_a_plan_is_read_as_it_was_written_and_names_every_image_once(
    folder: Path, classes: list[str], counts: list[int], pool_seed: int
) -> None:
    spec, counts = _spec(classes, pool_seed), counts[: len(classes)]
    rows = build_plan(spec, counts)
    write_plan(folder / "plan.jsonl", rows)
    assert read_plan(folder / "plan.jsonl") == rows
    assert planned_counts(rows, len(classes)) == counts
    assert len({row.image_id for row in rows}) == len({row.seed for row in rows}) == sum(counts)
    for row in rows:
        assert image_identity(spec, row)["prompt"] == row.prompt
    larger = build_plan(spec, [count + 2 for count in counts])
    assert set(rows) <= set(larger)


@examples(30)
@given(CLASSES, st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_another_pool_seed_shares_no_image(classes: list[str], one: int, other: int) -> None:
    first, second = (
        {row.image_id for row in build_plan(_spec(classes, seed), [3] * len(classes))}
        for seed in (one, other)
    )
    assert first == second if one == other else not first & second


@examples(40)
@given(st.lists(ROWS, max_size=12), st.data())
def test_rows_come_once_each_however_the_writes_are_torn(
    folder: Path, rows: list[PoolRow], data: st.DataObject
) -> None:
    folder = _emptied(folder / "torn")
    path, tail = folder / "part-a.jsonl", Tail(folder)
    text = "".join(canonical_json(row._asdict()) + "\n" for row in rows).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    found: list[PoolRow] = []
    with path.open("wb", buffering=0) as file:
        for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
            file.write(text[start:end])
            found += tail.new()
            assert found == rows[: len(found)]
    assert found == rows and tail.new() == [] and read_rows(folder) == rows


@examples(40)
@given(st.lists(st.lists(ROWS, max_size=5), min_size=1, max_size=4))
def test_rows_of_several_workers_come_by_worker(folder: Path, parts: list[list[PoolRow]]) -> None:
    folder = _emptied(folder / "workers")
    for number, rows in enumerate(parts):
        lines = [canonical_json(row._asdict()) + "\n" for row in rows]
        (folder / f"part-{number:02d}.jsonl").write_text("".join(lines) + '{"torn":')
    assert read_rows(folder) == [row for rows in parts for row in rows]


@examples(60)
@given(
    ROWS,
    st.sampled_from(PoolRow._fields),
    st.sampled_from([None, [], {}, "x", -1, 1.5, True, "delete"]),
)
def test_a_row_of_other_types_is_refused_with_its_line(
    folder: Path, row: PoolRow, name: str, odd: object
) -> None:
    value = row._asdict()
    kind = type(value[name])
    value[name] = odd
    if odd == "delete":
        del value[name]
    folder = _emptied(folder / "types")
    (folder / "part-a.jsonl").write_text(
        json.dumps(row._asdict()) + "\n" + json.dumps(value) + "\n"
    )
    try:
        found = read_rows(folder)
    except IntegrityError as error:
        assert "line 2" in str(error) and "\n" not in str(error)  # noqa: PT017
        return
    got = getattr(found[1], name)
    assert isinstance(got, kind) or (kind is float and isinstance(got, int))
    session = Session(worker="a", dtype="x", guidance_factor=1, knowledge=(), load=Stub().load())
    Ledger(_spec(["a"]), found, {"a": session}).cost(build_plan(_spec(["a"]), [2]))


@examples(15)
@given(CLASSES, COUNTS, st.integers(1, 3), st.randoms(use_true_random=False))
def test_blocks_share_out_a_plan_without_rest_or_overlap(
    classes: list[str],
    counts: list[int],
    modes: int,
    rng,  # type: ignore[no-untyped-def]
) -> None:
    rows = build_plan(_spec(classes), [20 * count for count in counts[: len(classes)]])
    by_row = {row: row.slot % modes for row in rows}
    missing = [row for row in rows if rng.random() < 0.7]
    found = blocks(missing, [by_row[row] for row in missing], len(classes))
    shared = [row for block in found for row in block.rows]
    assert sorted(shared) == sorted(missing)
    assert all(by_row[row] == block.key.mode for block in found for row in block.rows)
    # a row stands in the same block whatever else is missing
    everything = blocks(rows, by_row.values(), len(classes))
    place = {row: block.key for block in everything for row in block.rows}
    assert all(place[row] == block.key for block in found for row in block.rows)
    assert len({block.key for block in found}) == len(found)
