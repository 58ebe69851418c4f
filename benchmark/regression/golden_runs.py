"""Golden runs: a few short experiments from their words to the record, with all that they make.

The words stand in ``tests/golden/runs.yaml``; a run has an empty cache of its own, so that its
images are drawn and its stages trained anew.
"""

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from benchmark.config import PositiveInt, parse
from benchmark.errors import BenchError
from benchmark.paths import CACHE_VARIABLE
from benchmark.regression.golden import GOLDEN, golden, key, one_thread, unlike, unlike_losses
from benchmark.system.hardware import version
from benchmark.tiny import Watch

WORDS, RUNS = GOLDEN / "runs.yaml", GOLDEN / "runs.json"
COMMAND = "python -m tests.golden.runs"
TEST_ROWS = 20
# of shares under other rounding: a step of .05 of the rate costs more than this
SHARES = 0.02
# of the mean of an image, in levels of 255
LEVELS = 1.0
_PLUMBING = ("share_stages=false", "progress=false", "threads=1")
_VOLATILE = ("created", "environment", "command")
_ROUNDED = ("predictions", "final_weights_sha256", "metrics")
_TIMES = ("seconds", "device_seconds", "load_seconds", "pool_device_seconds", "fit_seconds")


@dataclass(frozen=True, kw_only=True)
class GoldenRun:
    """A short experiment.

    Attributes:
        words: of the command line.
        images: digits of each class, the first ones of the digits, that are put into class
            folders and prepared as a data set of one's own; empty for another data set.
    """

    words: tuple[str, ...]
    images: tuple[PositiveInt, ...] = ()


def read_words() -> dict[str, GoldenRun]:
    """The golden runs by name.

    Raises:
        DataError: there are none: the package was installed without its tests.
    """
    text = WORDS.read_text(encoding="utf-8") if WORDS.exists() else golden(WORDS)
    found = yaml.safe_load(text)
    return {name: parse(GoldenRun, run, f"{WORDS.name}: {name}") for name, run in found.items()}


def run_key() -> str:
    """What the rounding of a whole run depends on: also what draws images and reads them."""
    libraries = (f"{name} {version(name)}" for name in ("diffusers", "numpy", "timm"))
    return ", ".join([key(), *libraries])


def golden_file() -> dict[str, Any]:
    """The key and the golden results by name."""
    found: dict[str, Any] = golden(RUNS)
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, which is also where the cache is inside the block."""
    before = os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory() as folder:
        os.environ[CACHE_VARIABLE] = str(Path(folder) / "cache")
        try:
            yield Path(folder)
        finally:
            os.environ.pop(CACHE_VARIABLE)
            if before is not None:
                os.environ[CACHE_VARIABLE] = before


def golden_run(run: GoldenRun) -> dict[str, Any]:
    """Run an experiment in one thread.

    Returns:
        ``losses`` of all steps, ``record`` without what changes from run to run, and ``images``
        (names, hash of all pixels, mean of each) where some were drawn, else None.
    """
    from benchmark import api
    from benchmark.experiments.compose import quiet_libraries, settings
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.runner import run_experiment

    quiet_libraries()
    with scratch() as folder, one_thread(), redirect_stderr(io.StringIO()):
        if run.images:
            data = [word for word in run.words if word.startswith("dataset")]
            api.prepare(*data, "progress=false", source=str(_class_folders(run, folder / "source")))
        chosen = settings([*run.words, *_PLUMBING, f"out={folder / 'runs'}"])
        watch = Watch(chosen.stack.components)
        record = run_experiment(resolve(replace(chosen, stack=watch)))
        return {
            "losses": watch.trace,
            "record": lasting(record.model_dump(mode="json", by_alias=True)),
            "images": _drawn(folder / "cache" / "pools"),
        }


def _class_folders(run: GoldenRun, folder: Path) -> Path:
    """Digits as PNG files below train/ and test/."""
    from benchmark.data.sets.digits import NAMES, read_digits

    images, labels = read_digits()
    for label, count in enumerate(run.images):
        own = np.flatnonzero(labels == label)
        for part, rows in (("train", own[:count]), ("test", own[count : count + TEST_ROWS])):
            target = folder / part / NAMES[label]
            target.mkdir(parents=True)
            for row in rows:
                Image.fromarray(images[row]).save(target / f"{row:04d}.png")
    return folder


def lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's values without times, machine and versions."""
    kept = {name: value for name, value in record.items() if name not in _VOLATILE}
    kept["stages"] = [_untimed(stage) for stage in record["stages"]]
    generation = record["cost"]["generation"]
    # what training took is time and memory; its images follow from the stages
    kept["cost"] = {"generation": _untimed(generation) if generation else None}
    return kept


def _untimed(block: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in (*_TIMES, "device")}


def _drawn(pools: Path) -> dict[str, Any] | None:
    files = sorted(path for path in pools.rglob("*.png") if path.parent.parent != pools)
    if not files:
        return None
    names = [path.relative_to(pools).as_posix() for path in files]
    pixels = [np.asarray(Image.open(path, formats=["PNG"])) for path in files]
    content = hashlib.sha256(b"".join(image.tobytes() for image in pixels)).hexdigest()
    means = [round(float(image.mean()), 3) for image in pixels]
    return {"names": names, "sha256": content, "means": means}


def check_run(name: str, run: GoldenRun, expected: Mapping[str, Any]) -> list[str]:
    """One line for each difference of a golden run.

    Args:
        name: of the run.
        run: what to run.
        expected: the content of the file of golden runs.
    """
    if name not in expected["runs"]:
        return [f"{name}: has no golden result; run: {COMMAND}"]
    try:
        found = golden_run(run)
    except BenchError as error:
        return [f"{name}: {error}"]
    lines = unlike_run(found, expected["runs"][name], run_key() == expected["key"])
    return [f"{name}: {line}" for line in lines]


def unlike_run(found: Mapping[str, Any], expected: Mapping[str, Any], exact: bool) -> list[str]:
    """Differences of two golden runs, one line each.

    Args:
        found: what ``golden_run`` gives.
        expected: the golden one.
        exact: to the last bit; else losses as in ``unlike_losses``, shares to 0.02, means of images
            to one level, and no hashes of weights, predictions and pixels.
    """
    said = unlike_losses(found["losses"], expected["losses"], exact)
    lines = [said] if said else []
    now, before = dict(found["record"]), dict(expected["record"])
    images, drawn = found["images"], expected["images"]
    if not exact:
        lines += _unlike_metrics(now["metrics"], before["metrics"])
        lines += _unlike_means(images, drawn)
        for name in _ROUNDED:
            now.pop(name), before.pop(name)
        images, drawn = (each and {"names": each["names"]} for each in (images, drawn))
    return [*lines, *unlike(now, before, "record"), *unlike(images, drawn, "images")]


def _unlike_metrics(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    lines = []
    for name in ("accuracy", "macro", "ece"):
        if not abs(found[name] - expected[name]) <= SHARES:
            lines.append(f"{name} was {expected[name]:.4f}, but is {found[name]:.4f}")
    return [*lines, *unlike(found["per_class"]["n"], expected["per_class"]["n"], "metrics.n")]


def _unlike_means(found: Mapping[str, Any] | None, expected: Mapping[str, Any] | None) -> list[str]:
    pairs = zip(found["means"], expected["means"], strict=False) if found and expected else ()
    worst = max((abs(now - before) for now, before in pairs), default=0.0)
    return [f"the mean of an image moved by {worst:.2f} levels"] if not worst <= LEVELS else []
