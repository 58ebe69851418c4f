"""Metrics against hand tables, independent libraries and properties."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (  # type: ignore[import-untyped]
    accuracy_score,
    balanced_accuracy_score,
    log_loss,
)
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
)

from benchmark.errors import DataError, IntegrityError
from benchmark.statistics import metrics
from benchmark.statistics.metrics import PerClass, Predictions, predictions_from_logits

CONVENTION = {"lt20": ("many", "medium", "few", "few")}
HAND = PerClass(n=(10, 10, 10, 10), correct=(9, 6, 3, 2))


def random_case(seed: int, n: int = 300, k: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(scale=3, size=(n, k)), rng.permutation(np.arange(n) % k)


def test_hand_table() -> None:
    assert metrics.accuracy(HAND) == 0.5
    assert metrics.macro(HAND) == 0.5
    assert metrics.worst(HAND) == 0.2
    assert metrics.harmonic(HAND) == pytest.approx(4 / (1 / 0.9 + 1 / 0.6 + 1 / 0.3 + 1 / 0.2))
    groups = metrics.group_accuracy(HAND, CONVENTION["lt20"])
    assert (groups.many, groups.medium, groups.few) == (0.9, 0.6, 0.25)


def test_empty_group_is_none() -> None:
    groups = metrics.group_accuracy(HAND, ("many", "many", "few", "few"))
    assert groups.medium is None and groups.many == 0.75


def test_group_accuracy_is_a_mean_of_classes_not_of_rows() -> None:
    counts = PerClass(n=(90, 10), correct=(90, 0))
    assert metrics.group_accuracy(counts, ("few", "few")).few == 0.5
    assert metrics.accuracy(counts) == 0.9


def test_class_without_test_rows_is_left_out() -> None:
    counts = PerClass(n=(10, 0), correct=(5, 0))
    assert metrics.class_accuracies(counts) == [0.5, None]
    assert metrics.macro(counts) == metrics.worst(counts) == 0.5
    assert metrics.group_accuracy(counts, ("many", "few")).few is None


def test_harmonic_is_zero_if_a_class_is_never_right() -> None:
    assert metrics.harmonic(PerClass(n=(1, 1), correct=(1, 0))) == 0


def test_two_row_hand_calibration() -> None:
    logits = np.log([[0.8, 0.2], [0.6, 0.4]])
    found = predictions_from_logits(logits, np.array([0, 1]))
    assert metrics.nll(found) == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert metrics.brier(found) == pytest.approx((0.08 + 0.72) / 2, abs=1e-6)
    # Both rows are alone in their bin: |1 - 0.8| and |0 - 0.6|, half a weight each.
    assert metrics.ece(found) == pytest.approx((0.2 + 0.6) / 2, abs=1e-6)


def test_argmax_takes_the_lowest_index_on_a_tie() -> None:
    assert predictions_from_logits(np.zeros((1, 5)), np.array([3])).predicted[0] == 0


def test_huge_logits_are_stable() -> None:
    found = predictions_from_logits(np.array([[3e4, -3e4], [0.0, 0.0]]), np.array([1, 0]))
    assert found.log_prob_true[0] == -6e4
    assert np.isfinite(metrics.nll(found)) and metrics.brier(found) <= 2


@pytest.mark.parametrize("seed", range(4))
def test_against_independent_libraries(seed: int) -> None:
    logits, labels = random_case(seed)
    found = metrics.compute(predictions_from_logits(logits, labels), 4, CONVENTION)
    probability = torch.softmax(torch.from_numpy(logits), 1)
    truth, guess = torch.from_numpy(labels), logits.argmax(1)
    calibration = multiclass_calibration_error(probability, truth, 4, n_bins=15)
    one_hot = np.eye(4)[labels]
    assert found.accuracy == pytest.approx(accuracy_score(labels, guess))
    assert found.macro == pytest.approx(balanced_accuracy_score(labels, guess))
    assert found.macro == pytest.approx(multiclass_accuracy(probability, truth, 4).item())
    assert found.nll == pytest.approx(log_loss(labels, probability.numpy()), rel=1e-6)
    assert found.ece == pytest.approx(calibration.item(), abs=1e-5)
    assert found.brier == pytest.approx(
        ((probability.numpy() - one_hot) ** 2).sum(1).mean(), abs=1e-6
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 6))
def test_ranges_and_order(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores = predictions_from_logits(rng.normal(scale=5, size=(n, k)), rng.integers(0, k, n))
    found = metrics.compute(scores, k, {"c": ("many",) * k})
    assert 0 <= found.worst <= found.harmonic + 1e-12 <= found.macro + 2e-12 <= 1 + 2e-12
    assert 0 <= found.ece <= 1 and 0 <= found.brier <= 2 and found.nll >= 0
    assert found.groups["c"].many == pytest.approx(found.macro)
    assert sum(found.per_class.n) == n


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_does_not_matter(seed: int) -> None:
    logits, labels = random_case(seed, n=50)
    order = np.random.default_rng(seed).permutation(50)
    first = metrics.compute(predictions_from_logits(logits, labels), 4, CONVENTION)
    again = metrics.compute(predictions_from_logits(logits[order], labels[order]), 4, CONVENTION)
    assert first.per_class == again.per_class and first.groups == again.groups
    assert first.ece == pytest.approx(again.ece, abs=1e-12)


def test_nan_logits_name_the_row() -> None:
    logits = np.zeros((3, 2))
    logits[1, 0] = np.nan
    with pytest.raises(DataError, match=r"Expected finite logits, but got NaN.* test row 1"):
        predictions_from_logits(logits, np.zeros(3, dtype=int))


@pytest.mark.parametrize("labels", [[0, 2], [0, -1]])
def test_labels_outside_the_classes(labels: list[int]) -> None:
    with pytest.raises(DataError, match=r"Expected labels in \[0, 2\), but got"):
        predictions_from_logits(np.zeros((2, 2)), np.array(labels))


def test_empty_and_misshapen_input() -> None:
    for logits, labels in [(np.zeros((0, 2)), np.zeros(0)), (np.zeros((2, 2)), np.zeros(3))]:
        with pytest.raises(DataError, match="Expected logits"):
            predictions_from_logits(logits, labels.astype(int))


def test_predictions_round_trip_with_equal_bytes(tmp_path: Path) -> None:
    scores = predictions_from_logits(*random_case(1))
    for name in ("a.npz", "b.npz"):
        metrics.save_predictions(tmp_path / name, scores)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = metrics.load_predictions(tmp_path / "a.npz")
    for name in ("labels", "predicted", "confidence", "log_prob_true", "sum_sq_prob"):
        assert np.array_equal(getattr(scores, name), getattr(again, name))
    assert metrics.compute(again, 4, CONVENTION) == metrics.compute(scores, 4, CONVENTION)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_flipped_or_cut_file_never_passes_silently(data: st.DataObject) -> None:
    scores = predictions_from_logits(*random_case(2, n=12))
    good = metrics._archive(scores)
    cut = data.draw(st.booleans())
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] if cut else good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :]
    path = Path(data.draw(st.just("unused")))
    try:
        again = _load_bytes(bad, path)
    except IntegrityError:
        return
    # A flip in a field that the zip format repeats or ignores leaves the content intact.
    assert np.array_equal(again.labels, scores.labels)
    assert np.array_equal(again.log_prob_true, scores.log_prob_true)


def _load_bytes(content: bytes, path: Path) -> Predictions:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / path
        file.write_bytes(content)
        return metrics.load_predictions(file)


def test_missing_predictions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a file of predictions, but got none"):
        metrics.load_predictions(tmp_path / "none.npz")


def _archive_of(path: Path, **arrays: np.ndarray) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, values, allow_pickle=True)
            archive.writestr(f"{name}.npy", member.getvalue())


def test_pickled_objects_wrong_types_and_values_are_refused(tmp_path: Path) -> None:
    good = {
        "labels": np.zeros(2, np.uint16), "predicted": np.zeros(2, np.uint16),
        "confidence": np.ones(2, np.float32), "log_prob_true": np.zeros(2, np.float32),
        "sum_sq_prob": np.ones(2, np.float32),
    }  # fmt: skip
    bad = [
        {"labels": np.array([{}, {}], dtype=object)},
        {"labels": np.zeros(2, np.int64)},
        {"labels": np.zeros(3, np.uint16)},
        {"confidence": np.full(2, 2, np.float32)},
        {"confidence": np.full(2, np.nan, np.float32)},
        {"log_prob_true": np.ones(2, np.float32)},
        {"extra": np.zeros(2)},
    ]
    for change in bad:
        _archive_of(tmp_path / "p.npz", **(good | change))
        with pytest.raises(IntegrityError, match="Expected"):
            metrics.load_predictions(tmp_path / "p.npz")
    _archive_of(tmp_path / "p.npz", **good)
    assert metrics.load_predictions(tmp_path / "p.npz").labels.shape == (2,)
