"""What a command line would run, without running it: its hash, its folder, its size.

Composing takes a tenth of a second, and a grid asks for hundreds, so facts are kept in the cache
under all that decides them: the words, the configurations, the suite's source, prepared data.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.errors import BenchError
from benchmark.files import content_hash, write_json
from benchmark.paths import PACKAGE, cache_root, config_dir

SOURCES = ("benchmark", "baselines", "synaug")


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
        images: images to draw for one seed.
        calls: network calls to draw them, fitting counted.
        steps: optimiser steps of all stages.
        pool: what runs that draw the same images share, "" where none are drawn.
    """

    hash: str
    dataset: str
    label: str
    folder: str
    recipe: str
    backbone: str
    generator: str
    image_size: int
    images: int
    calls: int
    steps: int
    pool: str


class Expansions:
    """Facts of command lines, remembered on disk; use as a context manager, which saves them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._path = (folder or cache_root()) / "expansions.json"
        self._key = _state()
        self._known = _read(self._path, self._key)
        self._changed = False

    def __enter__(self) -> "Expansions":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._changed:
            write_json(self._path, {"key": self._key, "facts": self._known})

    def facts(self, words: Sequence[str]) -> Facts:
        """The facts of a command line, at seed 0.

        Raises:
            BenchError: it cannot be run; says why.
        """
        key = json.dumps(list(words))
        if key not in self._known:
            self._known[key] = asdict(_expand(words))
            self._changed = True
        return Facts(**self._known[key])  # type: ignore[arg-type]

    def knows(self, words: Sequence[str]) -> bool:
        """Whether the facts are at hand without composing."""
        return json.dumps(list(words)) in self._known


def _read(path: Path, key: str) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return dict(found["facts"]) if found["key"] == key else {}
    except (OSError, ValueError, KeyError, TypeError):
        # a cache: whatever is wrong with it, it is made again
        return {}


def _state() -> str:
    """A hash of all that the facts follow from besides the words."""
    root = config_dir()
    texts = [_stamp(path) for path in sorted(root.rglob("*.yaml")) if "grid" not in path.parts]
    code = (path for name in SOURCES for path in sorted((PACKAGE.parent / name).rglob("*.py")))
    data = sorted(path for path in (cache_root() / "data").glob("*/*"))
    return content_hash([*texts, *map(_stamp, code), *map(_stamp, data), *_plugins()])


def _stamp(path: Path) -> list[object]:
    found = path.stat()
    return [str(path), found.st_size, found.st_mtime_ns]


def _plugins() -> list[str]:
    """What is registered beside the suite's own, with its origin."""
    from benchmark.registry import BACKBONES, BUILT_IN, COMPONENTS, DATASETS, GENERATORS

    entries = (
        entry
        for registry in (COMPONENTS, DATASETS, GENERATORS, BACKBONES)
        for entry in registry.entries.values()
        if entry.origin != BUILT_IN
    )
    return sorted(f"{entry.name} {entry.target} {entry.origin}" for entry in entries)


def _expand(words: Sequence[str]) -> Facts:
    from benchmark import compose, experiment
    from benchmark.component import Stage
    from benchmark.generation.sources import Drawn
    from benchmark.job import base_steps

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
        images=sum(found.allocation.add) if drawn else 0,
        calls=found.predicted.calls if drawn else 0,
        steps=round(base_steps(recipe, rows) * (1 if found.fixed_rows else shares)),
        pool=content_hash([pool, source]) if drawn else "",
    )


@dataclass(frozen=True)
class Refused:
    """Why a command line cannot be run."""

    error: BenchError


def expand_all(
    lines: Sequence[tuple[str, ...]], known: Expansions
) -> dict[tuple[str, ...], Facts | Refused]:
    """The facts of many command lines; one that cannot be run gets its refusal."""
    if all(known.knows(line) for line in lines):
        return {line: known.facts(line) for line in lines}
    from benchmark import compose
    from benchmark.progress import Tracker

    found: dict[tuple[str, ...], Facts | Refused] = {}
    with compose.hydra_session(), Tracker("checking", len(lines), "experiments") as tracker:
        for line in lines:
            try:
                found[line] = known.facts(line)
            except BenchError as error:
                found[line] = Refused(error)
            tracker.advance()
    return found
