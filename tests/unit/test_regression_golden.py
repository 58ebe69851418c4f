"""How golden results are compared."""

import json
import math
from typing import Any

import pytest

from benchmark.errors import DataError
from benchmark.regression import golden, golden_runs
from benchmark.regression.golden import unlike, unlike_losses
from benchmark.regression.golden_runs import lasting, unlike_run
from tests.fixtures.records import make_record

LOSSES = [2.0, 1.5, 1.0] + [0.5] * 9


def changed(step: int, factor: float) -> list[float]:
    return [loss * factor if at == step else loss for at, loss in enumerate(LOSSES)]


@pytest.mark.parametrize(
    ("found", "exact", "near"),
    [
        (LOSSES, True, True),
        (changed(1, 1 + 1e-7), False, True),
        (changed(1, 1 + 2e-4), False, False),
        (changed(11, 1 + 2e-4), False, True),
        (changed(11, 1.02), False, False),
        (changed(0, math.nan), False, False),
        (LOSSES[:-1], False, False),
    ],
)
def test_losses_agree_to_the_bit_or_within_rounding(
    found: list[float], exact: bool, near: bool
) -> None:
    assert (unlike_losses(found, LOSSES, True) == "") is exact
    assert (unlike_losses(found, LOSSES, False) == "") is near


def test_a_difference_says_where_it_is() -> None:
    assert unlike_losses(changed(2, 2.0), LOSSES, True) == "the loss of step 2 was 1, but is 2"
    assert unlike_losses([], LOSSES, True) == "expected 12 steps, but got 0"
    nested = list(unlike({"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3]}}, "record"))
    assert nested == ["record.a.b: was [1, 3], but is [1, 2]", "record.c: was null, but is 1"]


def result(**changes: Any) -> dict[str, Any]:
    record = lasting(make_record().model_dump(mode="json", by_alias=True))
    images = {"names": ["a.png"], "sha256": "0", "means": [100.0]}
    return json.loads(json.dumps({"losses": LOSSES, "record": record, "images": images} | changes))


def test_a_record_keeps_what_lasts() -> None:
    kept = result()["record"]
    assert not {"created", "environment", "command"} & kept.keys()
    assert "seconds" not in kept["stages"][0] and kept["stages"][0]["steps"] == 50
    assert kept["cost"] == {"generation": None}
    assert kept["metrics"]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("path", "value", "exact", "near"),
    [
        (("record", "seed"), 5, 1, 1),
        (("record", "budget", "add"), [1, 0, 0, 0], 1, 1),
        (("record", "final_weights_sha256"), "2" * 64, 1, 0),
        (("record", "metrics", "accuracy"), 0.51, 1, 0),
        (("record", "metrics", "accuracy"), 0.55, 1, 1),
        (("record", "metrics", "ece"), math.nan, 1, 1),
        (("images", "sha256"), "1", 1, 0),
        (("images", "names"), ["b.png"], 1, 1),
        (("images", "means"), [100.5], 1, 0),
        (("images", "means"), [103.0], 1, 1),
        (("images",), None, 1, 1),
    ],
)
def test_under_another_key_only_what_hangs_on_bits_is_let_go(
    path: tuple[str, ...], value: Any, exact: int, near: int
) -> None:
    found = result()
    *parents, last = path
    block = found
    for name in parents:
        block = block[name]
    block[last] = value
    assert len(unlike_run(found, result(), True)) == exact
    assert len(unlike_run(found, result(), False)) == near


def test_equal_results_differ_nowhere() -> None:
    assert unlike_run(result(), result(), True) == unlike_run(result(), result(), False) == []


def test_without_golden_files_a_checkout_is_asked_for(tmp_path) -> None:
    with pytest.raises(DataError, match=r"Expected golden results.*run in a checkout"):
        golden.golden(tmp_path / "traces.json")


def test_a_result_that_was_never_written_is_a_difference() -> None:
    run = golden_runs.GoldenRun(words=())
    (line,) = golden_runs.check_run("new", run, {"key": "", "runs": {}})
    assert golden_runs.COMMAND in line
    assert golden.check_trace("new", {"key": "", "traces": {}}) == ["new: has no golden trace"]


def test_the_cache_of_a_golden_run_is_its_own(monkeypatch) -> None:
    from benchmark.paths import cache_root

    before = cache_root()
    with golden_runs.scratch() as folder:
        assert cache_root().parent == folder != before
    assert cache_root() == before
    monkeypatch.delenv("SYNAUG_BENCH_CACHE", raising=False)
    default = cache_root()
    with golden_runs.scratch():
        assert cache_root() != default
    assert cache_root() == default
