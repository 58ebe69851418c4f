"""Every number about accuracy and calibration, as pure functions of predictions.

Accuracies are shares in [0, 1]; percent appears in tables only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from benchmark.errors import DataError, IntegrityError
from benchmark.system.arrays import BadArrays, npz_bytes, read_npz
from benchmark.system.files import write_atomic

Share = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(0)]
Group = Literal["many", "medium", "few"]
GROUPS: tuple[Group, ...] = ("many", "medium", "few")
ECE_BINS = 15
_LOWEST = float(np.finfo(np.float32).min)
_DTYPES = {
    "labels": np.uint16,
    "predicted": np.uint16,
    "confidence": np.float32,
    "log_prob_true": np.float32,
    "sum_sq_prob": np.float32,
}


@dataclass(frozen=True, eq=False)
class Predictions:
    """What is kept of each test row: enough for every metric, without logits.

    Attributes:
        labels: uint16 (n,), the true classes.
        predicted: uint16 (n,), the classes with the largest logit, the lowest index on a tie.
        confidence: float32 (n,) in [0, 1], the probability of the predicted class.
        log_prob_true: float32 (n,), at most 0, the log-probability of the true class.
        sum_sq_prob: float32 (n,) in [0, 1], the sum of squared probabilities.
    """

    labels: NDArray[np.uint16]
    predicted: NDArray[np.uint16]
    confidence: NDArray[np.float32]
    log_prob_true: NDArray[np.float32]
    sum_sq_prob: NDArray[np.float32]


@dataclass(frozen=True)
class GroupAccuracy:
    """Mean per-class accuracy of each shot group; None for a group without classes."""

    many: Share | None
    medium: Share | None
    few: Share | None


@dataclass(frozen=True)
class PerClass:
    """Test rows and correct ones of each class, in label order."""

    n: tuple[Count, ...]
    correct: tuple[Count, ...]


@dataclass(frozen=True)
class Metrics:
    """The metrics block of a record.

    Attributes:
        accuracy: share of correct test rows ("All").
        macro: mean of the per-class accuracies.
        worst: the lowest per-class accuracy.
        harmonic: harmonic mean of the per-class accuracies; 0 if one of them is 0.
        nll: mean negative log-likelihood, in nats.
        brier: mean squared distance of the probabilities from the one-hot label, in [0, 2].
        ece: expected calibration error over 15 bins of equal width.
        groups: accuracy of the shot groups under each convention.
        per_class: the counts that all accuracies follow from.
    """

    accuracy: Share
    macro: Share
    worst: Share
    harmonic: Share
    nll: Annotated[float, Ge(0)]
    brier: Annotated[float, Ge(0), Le(2)]
    ece: Share
    groups: dict[str, GroupAccuracy]
    per_class: PerClass


def predictions_from_logits(logits: NDArray[Any], labels: NDArray[Any]) -> Predictions:
    """Reduce logits to predictions, in float64 inside.

    Args:
        logits: floats (n, classes).
        labels: integers (n,) in [0, classes).

    Raises:
        DataError: shapes or labels do not fit, or a logit is NaN or infinite.
    """
    scores = np.asarray(logits, dtype=np.float64)
    truth = np.asarray(labels).astype(np.int64)
    _check_logits(scores, truth)
    log_prob = _log_softmax(scores)
    probability = np.exp(log_prob)
    predicted = scores.argmax(axis=1)
    rows = np.arange(len(truth))
    return Predictions(
        labels=truth.astype(np.uint16),
        predicted=predicted.astype(np.uint16),
        confidence=probability[rows, predicted].astype(np.float32).clip(0, 1),
        log_prob_true=log_prob[rows, truth].astype(np.float32).clip(max=0),
        sum_sq_prob=np.square(probability).sum(axis=1).astype(np.float32).clip(0, 1),
    )


def _check_logits(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise DataError(
            f"Expected logits (n, classes) and labels (n,) with n of at least 1, but got shapes "
            f"{scores.shape} and {labels.shape}",
            where="predictions",
        )
    classes = scores.shape[1]
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise DataError(f"Expected labels in [0, {classes}), but got {wrong}", where="predictions")
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        raise DataError(
            f"Expected finite logits, but got NaN or infinity in test row {row}",
            where="predictions",
            todo="training diverged: lower the learning rate or use precision fp32",
        )


def _log_softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        shifted = scores - scores.max(axis=1, keepdims=True)
    normaliser = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    # finite where it is kept as float32, however far apart logits are
    result: NDArray[np.float64] = (shifted - normaliser).clip(min=_LOWEST)
    return result


def count(predictions: Predictions, n_classes: int) -> PerClass:
    """Test rows and correct ones of each class.

    Raises:
        DataError: a label is not in [0, n_classes).
    """
    highest = int(predictions.labels.max(initial=0))
    if highest >= n_classes:
        raise DataError(f"Expected labels in [0, {n_classes}), but got {highest}")
    correct = predictions.labels[predictions.labels == predictions.predicted]
    return PerClass(
        n=tuple(np.bincount(predictions.labels, minlength=n_classes).tolist()),
        correct=tuple(np.bincount(correct, minlength=n_classes).tolist()),
    )


def class_accuracies(counts: PerClass) -> list[float | None]:
    """Accuracy of each class; None for a class without test rows."""
    return [c / n if n else None for n, c in zip(counts.n, counts.correct, strict=True)]


def _tested(counts: PerClass) -> list[float]:
    return [value for value in class_accuracies(counts) if value is not None]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def accuracy(counts: PerClass) -> float:
    """Share of correct rows."""
    return sum(counts.correct) / sum(counts.n)


def macro(counts: PerClass) -> float:
    """Mean accuracy of the classes that have test rows."""
    return _mean(_tested(counts))


def worst(counts: PerClass) -> float:
    """The lowest accuracy of a class."""
    return min(_tested(counts))


def harmonic(counts: PerClass) -> float:
    """Harmonic mean of the class accuracies; 0 if one of them is 0."""
    values = _tested(counts)
    return 0.0 if min(values) == 0 else min(1.0, 1 / _mean([1 / value for value in values]))


def group_accuracy(counts: PerClass, groups: Sequence[Group]) -> GroupAccuracy:
    """Mean accuracy of the classes of each group.

    Args:
        counts: of K classes.
        groups: the group of each class, K names.
    """
    by_class = list(zip(class_accuracies(counts), groups, strict=True))
    found = {
        name: [value for value, group in by_class if group == name and value is not None]
        for name in GROUPS
    }
    return GroupAccuracy(**{name: _mean(part) if part else None for name, part in found.items()})


def nll(predictions: Predictions) -> float:
    """Mean negative log-likelihood of the true class, in nats."""
    return float(-predictions.log_prob_true.astype(np.float64).mean()) + 0.0


def brier(predictions: Predictions) -> float:
    """Mean of 1 - 2 p_true + sum of p squared, in [0, 2]."""
    true = np.exp(predictions.log_prob_true.astype(np.float64))
    rows = 1 - 2 * true + predictions.sum_sq_prob.astype(np.float64)
    return float(rows.clip(0, 2).mean())


def ece(predictions: Predictions, bins: int = ECE_BINS) -> float:
    """Expected calibration error: bins (low, high] of equal width, weighted by their rows."""
    confidence = predictions.confidence.astype(np.float64)
    correct = (predictions.labels == predictions.predicted).astype(np.float64)
    place = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence, side="left")
    gaps = np.bincount(place, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def compute(
    predictions: Predictions, n_classes: int, conventions: Mapping[str, Sequence[Group]]
) -> Metrics:
    """All metrics of one run.

    Args:
        predictions: of n test rows, n at least 1.
        n_classes: number of classes K.
        conventions: the group of each class, K names, under each convention.

    Raises:
        DataError: there are no rows, or a label is not in [0, n_classes).
    """
    if not len(predictions.labels):
        raise DataError("Expected at least 1 test row, but got 0", where="predictions")
    counts = count(predictions, n_classes)
    return Metrics(
        accuracy=accuracy(counts),
        macro=macro(counts),
        worst=worst(counts),
        harmonic=harmonic(counts),
        nll=nll(predictions),
        brier=brier(predictions),
        ece=ece(predictions),
        groups={name: group_accuracy(counts, groups) for name, groups in conventions.items()},
        per_class=counts,
    )


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as .npz, whole or not at all; equal predictions give equal bytes.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    write_atomic(path, lambda file: file.write(_archive(predictions)))


def _archive(predictions: Predictions) -> bytes:
    return npz_bytes(
        {
            name: np.ascontiguousarray(getattr(predictions, name), dtype=dtype)
            for name, dtype in _DTYPES.items()
        }
    )


def load_predictions(path: Path) -> Predictions:
    """Read predictions.

    Raises:
        DataError: there is no such file.
        IntegrityError: the file is truncated or altered, or does not hold predictions.
    """
    if not path.is_file():
        raise DataError("Expected a file of predictions, but got none", where=path)
    try:
        arrays = read_npz(path)
    except BadArrays as error:
        raise _corrupt(path, f"a readable .npz file, but got {error}") from error
    _check_arrays(path, arrays)
    return Predictions(**arrays)


def _corrupt(path: Path, expected: str) -> IntegrityError:
    return IntegrityError(f"Expected {expected}", where=path, todo="delete the run and repeat it")


def _check_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    names = [field.name for field in fields(Predictions)]
    if sorted(arrays) != sorted(names):
        raise _corrupt(path, f"the arrays {', '.join(names)}, but got {', '.join(sorted(arrays))}")
    for name, dtype in _DTYPES.items():
        got = arrays[name]
        if got.dtype != dtype or got.ndim != 1 or got.shape != arrays["labels"].shape:
            raise _corrupt(
                path, f"{name} of {np.dtype(dtype)} (n,), but got {got.dtype} {got.shape}"
            )
    for name in ("confidence", "sum_sq_prob"):
        if not ((arrays[name] >= 0) & (arrays[name] <= 1)).all():
            raise _corrupt(path, f"{name} in [0, 1], but got other values")
    logs = arrays["log_prob_true"]
    if not (np.isfinite(logs) & (logs <= 0)).all():
        raise _corrupt(path, "finite log_prob_true of at most 0, but got other values")
