"""A method's added images looked at: quality, near-duplicates, leaks, and a sheet of steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import UsageError
from benchmark.experiments.compose import quiet_libraries, settings
from benchmark.experiments.drawn import fill_pool
from benchmark.experiments.experiment import Experiment, resolve
from benchmark.experiments.supply import Supplied, check_supply, supply
from benchmark.generation.budget import Allocation
from benchmark.generation.quality import pictures, report
from benchmark.generation.quality.features import Extractor, timm_features
from benchmark.generation.quality.matching import Index, nearest
from benchmark.generation.sources import Collected, Drawn
from benchmark.paths import cache_root

_NEIGHBOURS = 24
_STEPS_CLASSES = 10


@dataclass(frozen=True)
class Inspected:
    """What ``inspect`` found.

    Attributes:
        report: scores, copies, and what measured them.
        text: the same for a terminal.
        folder: where both are, beside the pictures.
    """

    report: report.QualityReport
    text: str
    folder: Path


def inspect(overrides: Sequence[str], extractor: str | None = None) -> Inspected:
    """Measure the images that an experiment adds; they are drawn first where they are missing.

    Args:
        overrides: words as on the command line.
        extractor: "NAME:FILE", a timm model and its weights on this machine; None trains a small
            network on the real training rows.

    Raises:
        UsageError: the method adds no generated or collected images.
        DataError: too few real training rows, or absent weights.
    """
    quiet_libraries()
    experiment = resolve(settings(overrides))
    _refuse_nothing(experiment)
    check_supply(experiment)
    data = experiment.settings.dataset.load(experiment.seed)
    added = supply(experiment, data)
    assert added is not None
    real = data.heldout if len(data.heldout.labels) else None
    test = np.asarray(data.test.images)
    found = report.check(
        report.Labelled(np.asarray(added.part.images), added.part.labels),
        _labelled(data.train),
        test,
        n_classes=experiment.card.n_classes,
        groups=next(iter(experiment.card.groups.values())),
        real=_labelled(real) if real else None,
        extractor=_extractor(extractor),
        seed=experiment.seed,
    )
    folder = _folder(experiment, added)
    text = report.write(found, folder)
    _write_neighbours(folder / "neighbours.png", experiment, added, test, _labelled(data.train))
    return Inspected(found, text, folder)


def _refuse_nothing(experiment: Experiment) -> None:
    request = experiment.request
    if request is None or not isinstance(request.source, Drawn | Collected):
        raise UsageError(
            f"'{experiment.label}' adds no generated or collected images",
            where="method",
            todo="choose a method with a supply: python -m benchmark ls methods",
        )


def _labelled(table: Any) -> report.Labelled:
    return report.Labelled(np.asarray(table.images), np.asarray(table.labels))


def _extractor(text: str | None) -> Extractor | None:
    if text is None:
        return None
    name, colon, path = text.partition(":")
    if not colon:
        raise UsageError(
            f"Expected NAME:FILE, a timm model and its weights, but got '{text}'",
            where="extractor",
            todo="e.g. extractor=resnet50.a1_in1k:model.safetensors",
        )
    return timm_features(name, Path(path).expanduser())


def _folder(experiment: Experiment, added: Supplied) -> Path:
    facts = added.pool or {}
    return cache_root() / "quality" / f"{facts.get('key', '')}-{facts.get('ids_hash', '')}"


def _write_neighbours(
    path: Path,
    experiment: Experiment,
    added: Supplied,
    test: NDArray[np.uint8],
    train: report.Labelled,
) -> None:
    """The added images nearest to a test image, beside it and the nearest training image."""
    images = np.asarray(added.part.images)
    to_test, to_train = nearest(images, Index(test)), nearest(images, Index(train.images))
    rows = np.argsort(-to_test.score, kind="stable")[:_NEIGHBOURS]
    classes = experiment.card.classes
    shown = [
        pictures.Neighbours(
            title=classes[int(added.part.labels[row])],
            candidate=images[row],
            test=test[to_test.reference[row]],
            test_score=float(to_test.score[row]),
            train=train.images[to_train.reference[row]],
            train_score=float(to_train.score[row]),
        )
        for row in rows
    ]
    pictures.write_neighbours(path, shown)


def steps_sheet(overrides: Sequence[str], steps: Sequence[int], out: Path | None = None) -> Path:
    """One image of each class at several numbers of steps, all from the same noise.

    The top half of the paper's Fig. 4. Images come from pools, so nothing is drawn twice.

    Args:
        overrides: words as on the command line.
        steps: numbers of sampling steps.
        out: a PNG file; None is ``steps.png`` beside the last pool's contact sheet.

    Raises:
        UsageError: the method draws no images, or the scheduler refuses a number of steps.
    """
    quiet_libraries()
    experiments = {n: _first_images([*overrides, f"generator.steps={n}"]) for n in steps}
    for experiment in experiments.values():
        check_supply(experiment)
    rows, folder = {}, Path()
    for n, experiment in experiments.items():
        pool, _ = fill_pool(experiment, _loader(experiment))
        drawn = pool.subset(experiment.allocation.add)
        rows[n], folder = [_picture(pool.image_path(row)) for row in drawn], pool.folder
    first = next(iter(experiments.values()))
    path = out or folder / "steps.png"
    pictures.write_steps(path, rows, _titles(first))
    return path


def _first_images(words: Sequence[str]) -> Experiment:
    """The experiment with one image of each of the first classes in place of its budget."""
    experiment = resolve(settings(words))
    _refuse_nothing(experiment)
    n = experiment.card.n_classes
    add = tuple(int(label < _STEPS_CLASSES) for label in range(n))
    return replace(experiment, allocation=Allocation((0,) * n, add))


def _titles(experiment: Experiment) -> list[str]:
    pairs = zip(experiment.card.classes, experiment.allocation.add, strict=True)
    return [name for name, wanted in pairs if wanted]


def _loader(experiment: Experiment) -> Callable[[], Any]:
    return lambda: experiment.settings.dataset.load(experiment.seed)


def _picture(path: Path) -> NDArray[np.uint8]:
    with Image.open(path, formats=["PNG"]) as image:
        return np.array(image.convert("RGB"))
