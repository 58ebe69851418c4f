"""Predictions with or without probabilities, and every metric that follows; no torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.errors import DataError, IntegrityError
from benchmark.recording.record_models import Block, close
from benchmark.statistics import metrics
from benchmark.statistics.metrics import Group, GroupAccuracy, PerClass, Predictions, Share
from benchmark.system.arrays import BadArrays, npz_bytes, read_npz
from benchmark.system.files import write_bytes


@dataclass(frozen=True, eq=False)
class Hard:
    """Predicted classes without probabilities: nothing is known of calibration.

    Attributes:
        labels: uint16 (n,), the true classes.
        predicted: uint16 (n,).
    """

    labels: NDArray[np.uint16]
    predicted: NDArray[np.uint16]


Judged = Predictions | Hard


class Calibration(Block):
    """How honest the probabilities are; see ``benchmark.statistics.metrics``."""

    nll: float = Field(ge=0)
    brier: float = Field(ge=0, le=2)
    ece: Share


class Scores(Block):
    """Every metric; ``calibration`` is None where only classes were given."""

    accuracy: Share
    macro: Share
    worst: Share
    harmonic: Share
    groups: dict[str, GroupAccuracy]
    per_class: PerClass
    calibration: Calibration | None


def score(judged: Judged, n_classes: int, conventions: Mapping[str, Sequence[Group]]) -> Scores:
    """All metrics of predictions, those of calibration where there are probabilities.

    Raises:
        DataError: a label is not in [0, n_classes).
    """
    counts = metrics.count(judged, n_classes)  # type: ignore[arg-type]
    calibration = None
    if isinstance(judged, Predictions):
        calibration = Calibration(
            nll=metrics.nll(judged), brier=metrics.brier(judged), ece=metrics.ece(judged)
        )
    return Scores(
        accuracy=metrics.accuracy(counts),
        macro=metrics.macro(counts),
        worst=metrics.worst(counts),
        harmonic=metrics.harmonic(counts),
        groups={name: metrics.group_accuracy(counts, each) for name, each in conventions.items()},
        per_class=counts,
        calibration=calibration,
    )


def differences(stated: Scores, again: Scores) -> list[str]:
    """One line for each metric that is not the same to 1e-9."""
    old, new = _flat(stated.model_dump()), _flat(again.model_dump())
    names = list(dict.fromkeys([*old, *new]))
    return [
        f"{name}: stated {old.get(name)}, recomputed {new.get(name)}"
        for name in names
        if not close(old.get(name), new.get(name))
    ]


def _flat(value: Any, path: str = "") -> dict[str, float | None]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found: dict[str, float | None] = {}
    for key, item in pairs:
        name = f"{path}.{key}" if path else str(key)
        nested = isinstance(item, dict | list | tuple)
        found |= _flat(item, name) if nested else {name: item}
    return found


def save_judged(path: Path, judged: Judged) -> None:
    """Write predictions; equal ones give equal bytes.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    if isinstance(judged, Predictions):
        metrics.save_predictions(path, judged)
    else:
        write_bytes(path, npz_bytes({"labels": judged.labels, "predicted": judged.predicted}))


def load_judged(path: Path) -> Judged:
    """Read predictions that an evaluation wrote.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is damaged, or holds something else.
    """
    if not path.is_file():
        raise DataError("Expected a file of predictions, but got none", where=path)
    try:
        arrays = read_npz(path)
    except BadArrays as error:
        raise IntegrityError(
            f"Expected a readable .npz file, but got {error}",
            where=path,
            todo="restore it, or evaluate again",
        ) from error
    if set(arrays) != {"labels", "predicted"}:
        return metrics.load_predictions(path)
    labels, predicted = arrays["labels"], arrays["predicted"]
    if any(each.dtype != np.uint16 or each.shape != (len(labels),) for each in arrays.values()):
        raise IntegrityError(
            "Expected labels and predicted of uint16 (n,), but got others",
            where=path,
            todo="restore it, or evaluate again",
        )
    return Hard(labels, predicted)
