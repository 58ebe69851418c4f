"""Resolving: budgets, labels, hashes and folders of experiments, without data."""

from typing import Any

import pytest

from benchmark.errors import UsageError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import Experiment, resolve


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
        ("protocol=iso_training",),
        ("protocol=iso_nfe", "budget.limit_calls=9000"),
        ("protocol=iso_seconds", "budget.limit_seconds=60", "budget.seconds_image=0.1"),
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


def test_a_limit_that_only_refuses_moves_neither_hash_nor_label() -> None:
    plain, limited = _resolved("method=t2i"), _resolved("method=t2i", "budget.limit_calls=5840")
    assert limited.hash == plain.hash and limited.label == plain.label == "t2i"
    assert limited.predicted.calls == 5840 and limited.budget.limit_calls == 5840
    with pytest.raises(
        UsageError,
        match=r"Expected at most 5,839 network calls, but the plan takes 5,840 \(less than 1 % "
        r"more\) \[budget.limit_calls\]; budget=uniform budget.amount=49 fits",
    ):
        _resolved("method=t2i", "budget.limit_calls=5839")


def test_a_limit_on_seconds_is_checked_where_their_rate_is_known() -> None:
    words = ("method=t2i", "budget.limit_seconds=30")
    assert _resolved(*words).predicted.seconds is None
    with pytest.raises(UsageError, match=r"30 device-seconds, but the plan takes 36\.5"):
        _resolved(*words, "budget.seconds_image=0.1")


def test_equal_calls_derive_the_counts_and_the_limit_moves_the_hash() -> None:
    words = ("method=synaug", "protocol=iso_nfe")
    found = _resolved(*words, "budget.limit_calls=5000")
    assert found.label == "synaug @ level(5000 calls)"
    assert found.allocation.keep == found.task.counts_real
    assert found.predicted.calls == 16 * (5000 // 16)
    cheap = _resolved(*words, "budget.limit_calls=5000", "generator.steps=2")
    assert cheap.predicted.calls == 5000 and sum(cheap.allocation.add) == 1250
    assert _resolved(*words, "budget.limit_calls=5001").hash != found.hash
    # what only refuses is not hashed here, either
    assert (
        _resolved(*words, "budget.limit_calls=5000", "budget.limit_images=999").hash == found.hash
    )


def test_equal_calls_need_a_method_that_makes_some() -> None:
    with pytest.raises(UsageError, match="under protocol iso_nfe, but got heldout_real"):
        _resolved("method=heldout_real", "protocol=iso_nfe", "budget.limit_calls=5000")


def test_under_equal_calls_a_method_without_images_is_the_reference() -> None:
    found = _resolved("method=ce", "protocol=iso_nfe", "budget.limit_calls=5000")
    assert (found.budget.kind, sum(found.allocation.add), found.predicted.calls) == ("none", 0, 0)
    assert found.budget.limit_calls == 5000


def test_equal_training_counts_epochs_on_the_plain_long_tailed_rows() -> None:
    plain, fixed = _resolved("method=t2i"), _resolved("method=t2i", "protocol=iso_training")
    assert plain.fixed_rows is None
    assert fixed.fixed_rows == sum(plain.task.counts_real)
    assert fixed.allocation == plain.allocation and fixed.label == "t2i"
    assert fixed.science == plain.science | {"budget_protocol": "iso_training"}
