"""A pool's quality report: what it was measured by, scores by shot group, copies it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.groups import Group
from benchmark.errors import DataError
from benchmark.generation.quality import scores
from benchmark.generation.quality.compare import SetScores, compare, present
from benchmark.generation.quality.duplicates import Duplicates, find_duplicates
from benchmark.generation.quality.features import Classifier, Extractor
from benchmark.generation.quality.leaks import RATE, Match, Threshold, calibrate, find_leaks
from benchmark.generation.quality.matching import Index
from benchmark.generation.quality.text import table
from benchmark.generation.quality.training import train_extractor
from benchmark.seeds import numpy_generator
from benchmark.system.files import write_json, write_text

JSON_NAME, TEXT_NAME = "quality.json", "quality.txt"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images with their classes.

    Attributes:
        images: uint8 (n, h, h, 3).
        labels: int64 (n,).
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"Expected one label an image, but got {len(self.images)} images and "
                f"{len(self.labels)} labels",
                where="quality check",
            )


@dataclass(frozen=True)
class ByClass:
    """A score of single classes.

    Attributes:
        all: over all images.
        groups: mean over the classes of each shot group that have a value; None without any.
        classes: by class, in label order; None where there are too few images.
    """

    all: float | None
    groups: dict[Group, float | None]
    classes: tuple[float | None, ...]


@dataclass(frozen=True)
class QualityReport:
    """Everything measured about a pool.

    Attributes:
        extractor: name of what measured it; only scores of one hash are comparable.
        extractor_hash: hex digits.
        seed: of every draw.
        images: in the pool.
        minimum: images a side below which a set has no score.
        agreement: share of images whose class the classifier names; None without a classifier.
        diversity: mean cosine distance of two images of a class.
        real_diversity: the same of the real images.
        sets: scores against real images, for "all" and each shot group.
        duplicates: what the pool holds more than once.
        threshold: from which score two images show the same picture.
        test_copies: pool images that show a test image.
        train_copies: pool images that show a training image.
    """

    extractor: str
    extractor_hash: str
    seed: int
    images: int
    minimum: int
    agreement: ByClass | None
    diversity: ByClass
    real_diversity: ByClass
    sets: dict[str, SetScores]
    duplicates: Duplicates
    threshold: Threshold
    test_copies: tuple[Match, ...]
    train_copies: tuple[Match, ...]


def check(
    pool: Labelled,
    train: Labelled,
    test: NDArray[np.uint8],
    *,
    n_classes: int,
    groups: Sequence[Group] | None = None,
    real: Labelled | None = None,
    extractor: Extractor | None = None,
    seed: int = 0,
    rate: float = RATE,
) -> QualityReport:
    """Measure a pool.

    Args:
        pool: the images to be judged.
        train: real training rows; copies of them are reported, and they calibrate the threshold.
        test: uint8 (m, h, h, 3), searched for copies and used for nothing else.
        n_classes: of the data set.
        groups: shot group of each class; None for scores over all classes only.
        real: real images that the scores compare with, best ones that the extractor was not
            trained on; None for ``train``.
        extractor: None trains one on ``train``.
        seed: of every draw.
        rate: share of unrelated images that may be taken for copies.

    Raises:
        DataError: an empty pool, images of another size, or too few training rows.
        UsageError: a rate out of range.
    """
    _check_labels(pool, n_classes)
    reference, measure = real or train, extractor or train_extractor(*_parts(train), n_classes)
    found, known = measure(pool.images), measure(reference.images)
    test_index = Index(test)
    threshold = calibrate(train.images, test_index, rate=rate)
    own = _diversity(found, pool.labels, n_classes, groups, seed)
    return QualityReport(
        extractor=measure.name,
        extractor_hash=measure.hash,
        seed=seed,
        images=len(pool.images),
        minimum=scores.MIN_ROWS,
        agreement=_agreement(measure, found, pool.labels, n_classes, groups),
        diversity=own,
        real_diversity=_diversity(known, reference.labels, n_classes, groups, seed),
        sets=compare((known, reference.labels), (found, pool.labels), groups, seed),
        duplicates=find_duplicates(pool.images, threshold),
        threshold=threshold,
        test_copies=tuple(find_leaks(pool.images, test_index, threshold)),
        train_copies=tuple(find_leaks(pool.images, train.images, threshold)),
    )


def _parts(rows: Labelled) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    return rows.images, rows.labels


def _check_labels(pool: Labelled, n_classes: int) -> None:
    if not len(pool.labels):
        raise DataError(
            "Expected a pool of at least one image, but got none",
            where="quality check",
            todo="draw the pool first: python -m benchmark generate ...",
        )
    if pool.labels.min() < 0 or pool.labels.max() >= n_classes:
        raise DataError(
            f"Expected labels in [0, {n_classes}), but got {pool.labels.min()} to "
            f"{pool.labels.max()}",
            where="quality check",
        )


def _agreement(
    measure: Extractor,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    groups: Sequence[Group] | None,
) -> ByClass | None:
    if not isinstance(measure, Classifier) or not measure.knows_classes:
        return None
    right = scores.agreement(measure.logits(features), labels)
    return _by_class(float(right.mean()), scores.class_means(right, labels, n_classes), groups)


def _diversity(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    groups: Sequence[Group] | None,
    seed: int,
) -> ByClass:
    rng = numpy_generator(seed, "quality", "pairs")
    classes = scores.diversity(features, labels, n_classes, rng)
    return _by_class(_mean(classes), classes, groups)


def _by_class(
    whole: float | None, classes: Sequence[float | None], groups: Sequence[Group] | None
) -> ByClass:
    pairs = list(zip(classes, groups or (), strict=groups is not None))
    own = {
        name: _mean([value for value, group in pairs if group == name]) for name in present(groups)
    }
    return ByClass(whole, own, tuple(classes))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def write(report: QualityReport, folder: Path) -> str:
    """Write ``quality.json`` and ``quality.txt``, whole or not at all, and return the text.

    Raises:
        StorageError: the folder cannot be written.
    """
    write_json(folder / JSON_NAME, as_json(report))
    text = table(report)
    write_text(folder / TEXT_NAME, text)
    return text


def as_json(report: QualityReport) -> Mapping[str, Any]:
    """The report as plain values."""
    return asdict(report)
