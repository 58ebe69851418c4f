"""Losses of each step are those of the commit that last meant to change them."""

import json

import pytest

from benchmark.registry import BUILT_IN, COMPONENTS
from tests.golden.traces import FILE, key, trace

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = [name for name in COMPONENTS.names() if COMPONENTS.entry(name).origin == BUILT_IN]


def test_every_component_has_a_golden_trace() -> None:
    assert sorted(GOLDEN["traces"]) == NAMES, "run: python -m tests.golden.traces"


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_the_golden_ones(name: str) -> None:
    found, expected = trace(name), GOLDEN["traces"][name]
    if key() == GOLDEN["key"]:
        assert found == expected
    else:
        # another torch or machine rounds differently, and a step builds on those before it
        assert found[:10] == pytest.approx(expected[:10], rel=1e-4)
        assert found == pytest.approx(expected, rel=1e-2)


def test_components_that_touch_training_differ_from_plain_cross_entropy() -> None:
    plain = GOLDEN["traces"]["ce"]
    same = {name for name, losses in GOLDEN["traces"].items() if losses[: len(plain)] == plain}
    # supplies change rows only; second stages come after the base stage, and post-hoc methods
    # after training
    supplies = {
        "t2i", "heldout_real", "intra_translation", "inter_translation", "distribution_fitting",
        "webaug", "imported",
    }  # fmt: skip
    later = {
        "retrain_head", "crt", "lws", "mislas_stage2", "tau_norm", "logit_adjustment_posthoc",
        "weight_balancing",
    }  # fmt: skip
    assert same == {"ce"} | later | supplies
