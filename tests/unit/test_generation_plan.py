"""Plans: prefixes hold, ids name what decides an image."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.plan import build_plan, planned_counts, read_plan, retry, write_plan
from benchmark.generation.prompts import PromptSpec
from tests.fixtures.generation import Stub, stub_spec

SPEC = stub_spec(Stub())


def test_a_smaller_uniform_plan_is_a_prefix() -> None:
    assert build_plan(SPEC, [4, 4, 4]) == build_plan(SPEC, [9, 9, 9])[:12]


def test_any_smaller_plan_is_a_subset() -> None:
    large = set(build_plan(SPEC, [9, 3, 5]))
    assert set(build_plan(SPEC, [2, 3, 0])) <= large


def test_rows_are_sorted_and_complete() -> None:
    rows = build_plan(SPEC, [1, 0, 2])
    assert [(row.slot, row.label) for row in rows] == [(0, 0), (0, 2), (1, 2)]
    assert planned_counts(rows, 3) == [1, 0, 2]
    assert {row.predicted_calls for row in rows} == {6}
    assert rows[1].class_name == "two"
    assert build_plan(SPEC, [0, 0, 0]) == []


def test_key_depends_on_what_images_look_like_only() -> None:
    assert replace(SPEC, calls=(99,)).key == SPEC.key
    renamed = replace(SPEC.prompts, modifier_set="other")
    assert replace(SPEC, prompts=renamed).key == SPEC.key
    others = [
        replace(SPEC, pool_seed=8),
        replace(SPEC, generator={"kind": "other"}),
        replace(SPEC, prompts=PromptSpec()),
        replace(SPEC, classes=("zero", "one", "three")),
    ]
    assert len({SPEC.key, *(other.key for other in others)}) == 5


def test_ids_are_unique_and_arms_share_their_noise() -> None:
    rows = build_plan(SPEC, [50, 50, 50])
    other = build_plan(replace(SPEC, generator={"steps": 3}), [50, 50, 50])
    assert len({row.image_id for row in rows + other}) == 300
    assert [row.seed for row in rows] == [row.seed for row in other]


def test_a_retry_changes_seed_and_id_but_not_the_prompt() -> None:
    row = build_plan(SPEC, [1, 0, 0])[0]
    again = retry(SPEC, row, 1)
    assert again.prompt == row.prompt
    assert (again.attempt, again.seed != row.seed, again.image_id != row.image_id) == (
        1,
        True,
        True,
    )


def test_file_round_trip(tmp_path: Path) -> None:
    rows = build_plan(SPEC, [3, 1, 2])
    write_plan(tmp_path / "plan.jsonl", rows)
    assert read_plan(tmp_path / "plan.jsonl") == rows


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_text('{"image_id": "x"\n')
    with pytest.raises(IntegrityError, match="no image is lost"):
        read_plan(path)


@pytest.mark.parametrize("counts", [[1, 2], [1, 2, -1]])
def test_counts_have_to_fit(counts: list[int]) -> None:
    with pytest.raises(UsageError, match="Expected 3 counts of at least 0"):
        build_plan(SPEC, counts)
