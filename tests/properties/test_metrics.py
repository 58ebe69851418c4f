"""Metrics against direct NumPy and torchmetrics, for any predictions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_accuracy

from benchmark.statistics import metrics
from benchmark.statistics.metrics import Predictions
from tests.properties.amount import examples

GROUPS = ("many", "medium", "few")


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Logits (n, k), labels (n,) and the group of each class."""
    n, k = draw(st.integers(1, 40)), draw(st.integers(2, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.normal(size=(n, k)) * draw(st.sampled_from([0.01, 1, 30, 1e4, 1e300]))
    labels = rng.integers(0, draw(st.integers(1, k)), n)
    return logits, labels, tuple(draw(st.lists(st.sampled_from(GROUPS), min_size=k, max_size=k)))


def _compute(found: Predictions, groups: tuple[str, ...]) -> metrics.Metrics:
    return metrics.compute(found, len(groups), {"c": groups})  # type: ignore[dict-item]


@examples(60)
@given(scored())
def test_counts_and_means_by_hand(case: tuple[np.ndarray, np.ndarray, tuple[str, ...]]) -> None:
    logits, labels, groups = case
    found = _compute(metrics.predictions_from_logits(logits, labels), groups)
    right = logits.argmax(1) == labels
    by_class = {label: right[labels == label].mean() for label in np.unique(labels)}
    assert found.accuracy == pytest.approx(right.mean())
    assert found.macro == pytest.approx(np.mean(list(by_class.values())))
    assert found.worst == pytest.approx(min(by_class.values()))
    for name in GROUPS:
        own = [value for label, value in by_class.items() if groups[label] == name]
        got = getattr(found.groups["c"], name)
        assert (got is None) == (not own) and (not own or got == pytest.approx(np.mean(own)))


@examples(30)
@given(scored())
def test_macro_accuracy_is_torchmetrics(
    case: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
) -> None:
    logits, labels, groups = case
    found = _compute(metrics.predictions_from_logits(logits, labels), groups)
    arguments = torch.from_numpy(logits.argmax(1)), torch.from_numpy(labels)
    seen = np.unique(labels)
    by_class = multiclass_accuracy(*arguments, num_classes=len(groups), average="none")
    assert found.macro == pytest.approx(by_class.numpy()[seen].mean(), abs=1e-6)
    micro = multiclass_accuracy(*arguments, num_classes=len(groups), average="micro")
    assert found.accuracy == pytest.approx(float(micro), abs=1e-6)


@examples(60)
@given(scored())
def test_calibration_by_hand_and_within_its_bounds(
    case: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
) -> None:
    logits, labels, groups = case
    kept = metrics.predictions_from_logits(logits, labels)
    found = _compute(kept, groups)
    right, sure = kept.labels == kept.predicted, kept.confidence.astype(np.float64)
    gap, edges = 0.0, np.linspace(0, 1, metrics.ECE_BINS + 1)
    for low, high in pairwise(edges):
        inside = (sure > low) & (sure <= high) | ((low == 0) & (sure == 0))
        if inside.any():
            gap += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert found.ece == pytest.approx(gap, abs=1e-9) and 0 <= found.ece <= 1
    assert np.isfinite(found.nll) and found.nll >= 0 and 0 <= found.brier <= 2


@examples(40)
@given(scored(), st.randoms(use_true_random=False))
def test_names_of_classes_do_not_matter(
    case: tuple[np.ndarray, np.ndarray, tuple[str, ...]],
    rng,  # type: ignore[no-untyped-def]
) -> None:
    logits, labels, groups = case
    order = list(range(len(groups)))
    rng.shuffle(order)
    place = np.argsort(order)
    first = _compute(metrics.predictions_from_logits(logits, labels), groups)
    moved = metrics.predictions_from_logits(logits[:, order], place[labels])
    second = _compute(moved, tuple(groups[label] for label in order))
    for name in ("accuracy", "macro", "worst", "harmonic", "nll", "brier"):
        assert getattr(second, name) == pytest.approx(getattr(first, name), rel=1e-6, abs=1e-9)
    for name in GROUPS:
        assert getattr(second.groups["c"], name) == pytest.approx(getattr(first.groups["c"], name))
