"""Losses of each step are those of the commit that last meant to change them."""

import json

import pytest

from benchmark.identity import PROTOCOL
from tests.golden.traces import COMMAND, FILE, advice, key, names, trace, unversioned, version

GOLDEN = json.loads(FILE.read_text(encoding="utf-8"))
NAMES = names()
# steps that are alike, and how far the others come apart, where rounding grows faster: measured
# between AVX512 and AVX2
SENSITIVE = {"class_balanced": (9, 1e-2), "paco": (7, 5e-2)}


def test_every_component_has_a_golden_trace() -> None:
    assert sorted(GOLDEN["traces"]) == NAMES, f"run: {COMMAND}"
    assert sorted(GOLDEN["versions"]) == NAMES, f"run: {COMMAND}"


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_the_golden_ones(name: str) -> None:
    found, expected = trace(name), GOLDEN["traces"][name]
    if key() == GOLDEN["key"]:
        assert found == expected, advice(name)
    else:
        # another torch or machine rounds differently, and a step builds on those before it
        alike, apart = SENSITIVE.get(name, (10, 1e-2))
        assert found[:alike] == pytest.approx(expected[:alike], rel=1e-4), advice(name)
        assert found == pytest.approx(expected, rel=apart), advice(name)


def test_versions_are_those_of_the_traces() -> None:
    assert GOLDEN["versions"] == {name: version(name) for name in NAMES}, f"run: {COMMAND}"
    assert GOLDEN["protocol"] == PROTOCOL, f"run: {COMMAND}"


def _file(
    losses: float, version: int = 1, protocol: int = 1, key: str = "here"
) -> dict[str, object]:
    return {
        "key": key, "protocol": protocol, "versions": {"one": version, "two": 1},
        "traces": {"one": [losses], "two": [1.0]},
    }  # fmt: skip


def test_a_changed_trace_needs_a_raised_version_or_protocol() -> None:
    old = _file(0.5, version=2)
    assert unversioned(old, _file(0.5, version=2)) == []
    assert unversioned(old, _file(0.6, version=2)) == ["one"]
    assert unversioned(old, _file(0.6, version=1)) == ["one"]
    assert unversioned(old, _file(0.6, version=3)) == []
    assert unversioned(old, _file(0.6, version=2, protocol=2)) == []
    assert unversioned(old, _file(0.6, version=2, key="elsewhere")) == []


def test_the_message_says_to_raise_the_version_and_which_command_to_run() -> None:
    assert "raise `version`" in advice("one") and COMMAND in advice("one")


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
