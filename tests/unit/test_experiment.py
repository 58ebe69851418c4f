"""Resolving: budgets, labels, hashes and folders of experiments, without data."""

from typing import Any

import pytest

from benchmark.compose import settings
from benchmark.errors import UsageError
from benchmark.experiment import Experiment, resolve


def _resolved(*overrides: str) -> Experiment:
    return resolve(settings(overrides))


def test_tail_fills_the_classes_below_the_data_sets_own_many_threshold() -> None:
    found = _resolved("method=t2i", "budget=tail", "budget.amount=15")
    real, add = found.task.counts_real, found.allocation.add
    assert [extra for count, extra in zip(real, add, strict=True) if count > 20] == [0, 0]
    assert all(
        count + extra == max(count, 15)
        for count, extra in zip(real, add, strict=True)
        if count <= 20
    )


def test_plumbing_does_not_move_the_hash() -> None:
    assert _resolved("out=elsewhere", "threads=2", "device=cpu").hash == _resolved().hash


def test_the_seed_stands_beside_the_hash() -> None:
    first, second = _resolved("seed=0"), _resolved("seed=1")
    assert first.hash == second.hash
    assert first.folder != second.folder


@pytest.mark.parametrize(
    "words",
    [
        ("method=ce",),
        ("method.domain_mixup.alpha=0.3",),
        ("recipe.batch_size=32",),
        ("generator.steps=9",),
        ("pool_seed=3",),
        ("budget=uniform", "budget.amount=30"),
        ("score_on=heldout",),
    ],
)
def test_science_moves_the_hash(words: tuple[str, ...]) -> None:
    assert _resolved(*words).hash != _resolved().hash


def test_a_method_without_images_does_not_depend_on_the_generator() -> None:
    assert _resolved("method=ce", "generator.steps=9").hash == _resolved("method=ce").hash


def test_auto_is_the_budget_it_stands_for() -> None:
    assert _resolved("method=t2i", "budget=uniform").hash == _resolved("method=t2i").hash


def test_labels_name_the_preset_changed_settings_and_an_own_budget() -> None:
    assert _resolved("method=[t2i,domain_mixup,retrain_head]").label == "synaug"
    assert _resolved("method=t2i", "method.t2i.modifiers=none").label == "t2i (modifiers=none)"
    assert _resolved("method=t2i", "budget=add", "budget.amount=7").label == "t2i @ add(7)"


def test_other_rows_than_the_test_set_show_in_the_data_sets_name() -> None:
    assert _resolved("score_on=heldout").dataset_name == "digitslt@heldout"


def test_a_budget_without_a_supply_is_refused() -> None:
    with pytest.raises(UsageError, match="no component supplies any"):
        _resolved("method=ce", "budget=add")


def test_tracks_follow_the_origin_of_the_images() -> None:
    tracks: dict[str, Any] = {
        name: _resolved(f"method={name}").track for name in ("ce", "t2i", "heldout_real")
    }
    assert tracks == {"ce": "real", "t2i": "synthetic", "heldout_real": "oracle"}
