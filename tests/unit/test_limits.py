"""Limits: the arithmetic of a plan, refusals with their share, and metering."""

import pytest

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.generation.budget import Budget, allocate
from benchmark.generation.cost import predicted_calls
from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.fitting.cost import predicted_network_calls
from benchmark.generation.limits import (
    Meter,
    Predicted,
    Prices,
    check_limits,
    largest_amount,
    predict,
)

CIFAR100_IF100 = [int(500 * 0.01 ** (k / 99)) for k in range(100)]
U500 = Budget(kind="uniform", amount=500)
ADD = allocate(U500, CIFAR100_IF100).add
UNIFORM = Budget(kind="uniform", amount=60)
COUNTS = (50, 20, 5)


def nfe(scheduler: str, steps: int, guidance: float, strength: float | None = None) -> int:
    """Network calls of the 39,153 images of CIFAR-100-LT IF 100 at U_500."""
    calls = predicted_calls(scheduler, steps, guidance, strength)
    return predict(ADD, Prices((calls,)), U500).calls


@pytest.mark.parametrize(
    ("scheduler", "steps", "guidance", "strength", "expected"),
    [
        ("DPMSolverMultistep", 50, 7.5, None, 3_915_300),
        ("PNDM", 50, 7.5, None, 3_993_606),
        ("DPMSolverMultistep", 10, 7.5, None, 783_060),
        ("LCM", 4, 1.0, None, 156_612),
        ("DPMSolverMultistep", 50, 7.5, 0.5, 1_957_650),
    ],
)
def test_worked_figures_of_drawing(
    scheduler: str, steps: int, guidance: float, strength: float | None, expected: int
) -> None:
    assert nfe(scheduler, steps, guidance, strength) == expected


def test_worked_figure_of_a_filter_that_keeps_31_percent() -> None:
    budget = Budget(kind="uniform", amount=500, acceptance=0.31)
    got = predict(ADD, Prices((100,)), budget)
    assert (got.images, got.calls) == (126_300, 12_630_000)


@pytest.mark.parametrize(
    ("scope", "steps", "batch_size", "expected"),
    [("per_class", 1000, 4, 1_200_000), ("joint", 35_000, 8, 840_000)],
)
def test_worked_figures_of_fitting(scope: str, steps: int, batch_size: int, expected: int) -> None:
    fit = FitConfig(
        kind="lora", scope=scope, template="a photo of a {class}", steps=steps,  # type: ignore[arg-type]
        batch_size=batch_size, lr=1e-4, rank=4, text_encoder=False,
    )  # fmt: skip
    calls = predicted_network_calls(fit, 100)
    got = predict(ADD, Prices((100,), calls), U500)
    assert (calls, got.fit_calls, got.calls) == (expected, expected, 3_915_300 + expected)
    # dearer than a fill of ten steps
    assert calls > predict(ADD, Prices((20,)), U500).calls


def test_strengths_take_turns_over_the_slots() -> None:
    got = predict((3, 0, 2), Prices((10, 4)), UNIFORM)
    assert got.calls == (10 + 4 + 10) + 0 + (10 + 4)


def test_no_image_takes_nothing_not_even_a_fit() -> None:
    assert predict((0, 0), Prices((10,), 500), UNIFORM) == Predicted(seconds=0.0, flops=0.0)


def test_images_from_elsewhere_take_no_calls() -> None:
    got = predict((3, 1), Prices(), UNIFORM)
    assert (got.images, got.calls, got.seconds) == (4, 0, 0.0)


def test_seconds_and_flops_where_rates_are_known() -> None:
    budget = Budget(kind="add", amount=1, seconds_image=0.1, seconds_fit=2.0, acceptance=0.5)
    got = predict((2, 1), Prices((10,), 30, flops_call=5.0, flops_image=7.0), budget)
    assert got.seconds == pytest.approx(3 * 0.1 / 0.5 + 2, abs=1e-12)
    assert got.flops == (30 + 60) * 5 + 6 * 7
    assert predict((2, 1), Prices((10,)), UNIFORM).seconds is None


LIMITED = {
    "limit_images": (100, Predicted(images=101), "100 candidate images, but the plan takes 101"),
    "limit_calls": (50_000, Predicted(calls=62_640), "50,000 network calls, but the plan takes "),
    "limit_seconds": (3600, Predicted(seconds=3600.5), "3,600 device-seconds, but the plan takes "),
    "limit_flops": (1e15, Predicted(flops=2e15), r"1e\+15 FLOP, but the plan takes 2e\+15"),
}


@pytest.mark.parametrize("name", LIMITED)
def test_a_plan_over_a_limit_is_refused(name: str) -> None:
    most, plan, words = LIMITED[name]
    with pytest.raises(UsageError, match=words) as caught:
        check_limits(parse(Budget, {"kind": "none", name: most}, "budget"), plan)
    assert caught.value.where == f"budget.{name}"
    assert f"raise budget.{name}" in str(caught.value)


def test_the_share_is_named_and_what_fitting_takes() -> None:
    budget = Budget(kind="add", amount=1, limit_calls=50_000)
    with pytest.raises(UsageError, match=r"takes 62,640 \(25 % more\)"):
        check_limits(budget, Predicted(calls=62_640))
    with pytest.raises(UsageError, match=r"takes 50,001, 1,200 of them for fitting \(less than 1"):
        check_limits(budget, Predicted(calls=50_001, fit_calls=1_200))


def test_what_is_spent_to_the_last_call_is_no_excess() -> None:
    check_limits(Budget(kind="add", amount=1, limit_calls=50), Predicted(calls=50))
    check_limits(Budget(kind="add", amount=1, limit_seconds=5), Predicted(seconds=None))


def price(budget: Budget) -> Predicted:
    """Ten calls an image on three classes."""
    return predict(allocate(budget, COUNTS).add, Prices((10,), 40), budget)


@pytest.mark.parametrize("kind", ["uniform", "add", "tail"])
def test_the_largest_amount_is_the_last_that_fits(kind: str) -> None:
    budget = Budget(kind=kind, amount=300, limit_calls=1000)  # type: ignore[arg-type]
    best = largest_amount(budget, price)
    assert price(Budget(kind=kind, amount=best)).calls <= 1000  # type: ignore[arg-type]
    assert price(Budget(kind=kind, amount=best + 1)).calls > 1000  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"budget={kind} budget.amount={best} fits"):
        check_limits(budget, price(budget), price)


def test_no_amount_is_named_where_fitting_alone_exceeds() -> None:
    budget = Budget(kind="uniform", amount=300, limit_calls=20)
    assert largest_amount(budget, price) == 0
    with pytest.raises(
        UsageError, match=r"add fewer images, or raise budget\.limit_calls"
    ) as caught:
        check_limits(budget, price(budget), price)
    assert "fits" not in str(caught.value)


def test_a_meter_refuses_the_batch_that_would_pass_the_limit() -> None:
    meter = Meter(Budget(kind="none", limit_calls=100, limit_images=9))
    meter.spend(calls=40)
    meter.spend(images=4, calls=40)
    words = "at most 100 network calls, but 80 of them are spent and the next batch takes 40"
    with pytest.raises(UsageError, match=words) as caught:
        meter.spend(images=4, calls=40)
    assert "what was drawn is kept" in str(caught.value)
    assert (meter.images, meter.calls) == (4, 80)
    meter.spend(images=2, calls=20)
    with pytest.raises(UsageError, match="at most 9 candidate images, but 6 of them are spent"):
        meter.spend(images=4)


def test_a_meter_books_seconds_and_flops() -> None:
    meter = Meter(Budget(kind="none", limit_seconds=1.0, limit_flops=1e9))
    meter.spend(seconds=0.75, flops=1e9)
    with pytest.raises(UsageError, match=r"at most 1 device-seconds, but 0\.75 of them"):
        meter.spend(seconds=0.5)
    with pytest.raises(UsageError, match=r"at most 1e\+09 FLOP, but 1e\+09 of them"):
        meter.spend(flops=1.0)
    Meter(Budget(kind="none")).spend(images=10**9, calls=10**12, seconds=1e9, flops=1e30)


def test_seconds_that_decide_the_counts_do_not_stop_the_drawing() -> None:
    level = Budget(kind="level", limit_seconds=1.0, seconds_image=0.1, limit_calls=10)
    meter = Meter(level)
    meter.spend(calls=10, seconds=1.1)
    with pytest.raises(UsageError, match="at most 10 network calls"):
        meter.spend(calls=1)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"limit_calls": 0}, "greater than 0"),
        ({"limit_images": -1}, "greater than 0"),
        ({"limit_seconds": float("inf")}, "finite number"),
        ({"limit_flops": float("nan")}, "finite number"),
        ({"acceptance": 0}, "greater than 0"),
        ({"acceptance": 1.5}, "less than or equal to 1"),
        ({"seconds_image": 0}, "greater than 0"),
        ({"seconds_fit": -1}, "greater than or equal to 0"),
        ({"limit_call": 3}, "did you mean limit_calls"),
    ],
)
def test_impossible_limits_are_refused(values: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(Budget, {"kind": "none", **values}, "budget")
