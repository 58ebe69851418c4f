"""What a command line would run, without running it: its hash, its folder, its size.

Composing takes a tenth of a second, and a grid asks for hundreds, so facts are kept in the cache
under all that decides them: the words, the configurations, the suite's source, prepared data.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import BenchError, IntegrityError, StorageError
from benchmark.paths import PACKAGE, cache_root, config_dir, data_dir
from benchmark.registry import BACKBONES, COMPONENT_PACKAGES, COMPONENTS, DATASETS, GENERATORS
from benchmark.system.files import content_hash, read_sealed, write_sealed
from benchmark.training.fingerprint import source_hash


@dataclass(frozen=True)
class Facts:
    """An experiment before it is run.

    Attributes:
        hash: of the experiment.
        dataset: as printed.
        label: of the method.
        folder: of its runs, relative to the folder of all runs and without the seed.
        recipe: name of the recipe.
        backbone: name of the backbone.
        generator: name of the generator, "" where no network draws images.
        image_size: pixels a side of generated images; 0 without any.
        add: images to draw of each class for one seed; empty without any.
        calls: network calls to draw them.
        fit_calls: network calls of fitting the generator before.
        steps: optimiser steps of all stages.
        pool: what runs that draw the same images share, "" where none are drawn.
        pool_a_seed: whether each seed draws images of its own.
    """

    hash: str
    dataset: str
    label: str
    folder: str
    recipe: str
    backbone: str
    generator: str
    image_size: int
    add: tuple[int, ...]
    calls: int
    fit_calls: int
    steps: int
    pool: str
    pool_a_seed: bool

    @property
    def images(self) -> int:
        """Images to draw for one seed."""
        return sum(self.add)


@dataclass(frozen=True)
class Refused:
    """Why a command line cannot be run."""

    error: BenchError


class Expansions:
    """Facts of command lines, remembered on disk; use as a context manager, which saves them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or cache_root()) / "expansions.json"
        self._key = state()
        self._known = _read(self._path, self._key)
        self._changed = False

    def __enter__(self) -> "Expansions":
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._changed:
            return
        # another process may have found out more in the meantime
        known = _read(self._path, self._key) | self._known
        facts = {key: asdict(found) for key, found in known.items()}
        try:
            write_sealed(self._path, {"key": self._key, "facts": facts})
        except StorageError:
            # a cache: without it the next call takes longer
            return

    def facts(self, words: Sequence[str]) -> Facts:
        """The facts of a command line, at seed 0.

        Raises:
            BenchError: it cannot be run; says why.
        """
        key = json.dumps(list(words))
        if key not in self._known:
            self._known[key] = _expand(words)
            self._changed = True
        return self._known[key]

    def knows(self, words: Sequence[str]) -> bool:
        """Whether the facts are at hand without composing."""
        return json.dumps(list(words)) in self._known


def _read(path: Path, key: str) -> dict[str, Facts]:
    try:
        found = read_sealed(path) or {"key": "", "facts": {}}
        facts = found["facts"].items() if found["key"] == key else ()
        return {words: _parsed(values) for words, values in facts}
    except (OSError, IntegrityError, ValueError, KeyError, TypeError, AttributeError):
        # a cache: whatever is wrong with it, it is made again
        return {}


def _parsed(values: dict[str, Any]) -> Facts:
    return Facts(**values | {"add": tuple(values["add"])})


def state(*modules: str) -> str:
    """A hash of all that follows from words besides them: source, files, prepared data.

    Args:
        modules: further ones that the caller's answer hangs on.
    """
    entries = [
        entry
        for registry in (COMPONENTS, DATASETS, GENERATORS, BACKBONES)
        for entry in registry.entries.values()
    ]
    targets = sorted({entry.target.partition(":")[0] for entry in entries})
    known = sorted([entry.name, entry.target, entry.origin] for entry in entries)
    files = [
        *(path for path in config_dir().rglob("*.yaml") if not _of_no_run(path)),
        *(path for name in COMPONENT_PACKAGES for path in (PACKAGE.parent / name).rglob("*.yaml")),
        *data_dir().glob("*/*"),
    ]
    code = source_hash(__name__, *modules, *targets)
    return content_hash([code, known, *map(_stamp, sorted(files))])


def _of_no_run(path: Path) -> bool:
    """Whether no experiment hangs on a configuration: it names, runs or precedes them."""
    return path.parent.name in ("grid", "fit") or path.name == "machines.yaml"


def _stamp(path: Path) -> list[object]:
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns]


def _expand(words: Sequence[str]) -> Facts:
    from benchmark.component import Stage
    from benchmark.experiments import compose, experiment
    from benchmark.generation.sources import Drawn
    from benchmark.training.job import base_steps

    found = experiment.resolve(compose.settings(words))
    drawn = found.request is not None and isinstance(found.request.source, Drawn)
    recipe, generator = found.settings.recipe, found.settings.generator
    shares = sum(stage.share for stage in found.stack.stages([Stage("base")]))
    rows = found.fixed_rows or sum(found.task.counts_train)
    science = found.science
    pool = {key: science.get(key) for key in ("dataset", "generator", "pool_seed", "modifiers")}
    source = repr(found.request.source) if found.request else ""
    return Facts(
        hash=found.hash,
        dataset=found.dataset_name,
        label=found.label,
        folder=str(found.folder.parent.relative_to(found.settings.plumbing.out)),
        recipe=recipe.name,
        backbone=found.settings.backbone.name,
        generator=str(generator.config.name) if drawn else "",
        image_size=int(generator.config.size) if drawn else 0,
        add=tuple(found.allocation.add) if drawn else (),
        calls=found.predicted.calls - found.predicted.fit_calls if drawn else 0,
        fit_calls=found.predicted.fit_calls if drawn else 0,
        steps=round(base_steps(recipe, rows) * (1 if found.fixed_rows else shares)),
        pool=content_hash([pool, source]) if drawn else "",
        pool_a_seed=drawn and found.settings.pool_seed == "seed",
    )


def expand_all(
    lines: Sequence[tuple[str, ...]], known: Expansions
) -> dict[tuple[str, ...], Facts | Refused]:
    """The facts of many command lines; one that cannot be run gets its refusal."""
    if all(known.knows(line) for line in lines):
        return {line: known.facts(line) for line in lines}
    from benchmark.experiments import compose
    from benchmark.system.progress import Tracker

    found: dict[tuple[str, ...], Facts | Refused] = {}
    with compose.hydra_session(), Tracker("checking", len(lines), "experiments") as tracker:
        for line in lines:
            try:
                found[line] = known.facts(line)
            except BenchError as error:
                found[line] = Refused(error)
            tracker.advance()
    return found
