"""What unfinished runs will take, reckoned from finished ones; imports no torch.

Training is reckoned per optimiser step of one recipe and backbone, generation per network call of
one generator, disk space per image. What was never run before has no estimate, and says so. Of the
images of a pool only those are taken off that finished runs of the same plan asked for.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from statistics import median
from typing import Any

from benchmark.experiments.expansion import Facts
from benchmark.paths import pool_dir

BYTES_PER_PIXEL = 2.0  # of a generated PNG, where none is at hand to weigh
_WEIGHED = 200
# fewer are mostly warm-up, and say nothing of a step or a call
_MIN_STEPS, _MIN_CALLS = 20, 500


@dataclass
class Rates:
    """What finished runs took.

    Attributes:
        runs: how many were read; very short ones teach no rate.
        devices: that they ran on.
        of_experiment: seconds of training and evaluation, by experiment hash.
        of_step: seconds of an optimiser step, by recipe and backbone.
        of_call: seconds of a network call, by generator.
        of_image: bytes of an image on disk, by generator.
    """

    runs: int = 0
    devices: set[str] = field(default_factory=set)
    of_experiment: dict[str, list[float]] = field(default_factory=dict)
    of_step: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    of_call: dict[str, list[float]] = field(default_factory=dict)
    of_image: dict[str, float] = field(default_factory=dict)

    def add(self, record: dict[str, Any]) -> None:
        """Learn from a finished run's record as plain values."""
        cost, training = record["cost"], record["cost"]["training"]
        seconds = training["seconds"] + training["eval_seconds"]
        self.runs += 1
        self.devices.add(training["device"])
        self.of_experiment.setdefault(record["experiment"]["hash"], []).append(seconds)
        if (steps := record["recipe"]["steps_total"]) >= _MIN_STEPS:
            key = record["recipe"]["name"], record["backbone"]["name"]
            self.of_step.setdefault(key, []).append(seconds / steps)
        drawn = cost["generation"]
        if drawn and drawn.get("network_calls_measured") and drawn["device_seconds"]:
            calls = drawn["network_calls_measured"] + drawn.get("fit_network_calls", 0)
            took = drawn["device_seconds"] + drawn.get("fit_seconds", 0.0)
            name = str(record["experiment"]["config"].get("generator", {}).get("name", ""))
            if calls >= _MIN_CALLS:
                self.of_call.setdefault(name, []).append(took / calls)
            if name not in self.of_image and (weight := _weight(drawn["pool_key"])):
                self.of_image[name] = weight

    def training(self, facts: Facts) -> float | None:
        """Seconds to train and score one run; None where nothing like it was ever run."""
        if own := self.of_experiment.get(facts.hash):
            return median(own)
        like = self.of_step.get((facts.recipe, facts.backbone))
        return facts.steps * median(like) if like else None

    def drawing(self, generator: str, calls: int) -> float | None:
        """Seconds of so many network calls; None where the generator was never used."""
        if not calls:
            return 0.0
        like = self.of_call.get(generator)
        return calls * median(like) if like else None


def _weight(pool_key: str) -> float | None:
    """Mean bytes of a pool's images, over the first few."""
    found = []
    for path in (pool_dir() / pool_key).glob("*/*.png") if pool_key else ():
        found.append(path.stat().st_size)
        if len(found) == _WEIGHED:
            break
    return sum(found) / len(found) if found else None


def read_rates(paths: Iterable[Path]) -> Rates:
    """Rates of the records at these paths; what cannot be read teaches nothing."""
    rates = Rates()
    for path in paths:
        try:
            rates.add(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return rates


@dataclass(frozen=True)
class Estimate:
    """What the unfinished runs of a plan will take.

    Attributes:
        seconds: of one device, training and generation; of the runs that can be estimated.
        images: to draw, images that several runs share counted once.
        size: gigabytes of them.
        unknown: runs that nothing finished tells about.
    """

    seconds: float
    images: int
    size: float
    unknown: int


@dataclass(frozen=True)
class Draw:
    """Images of one pool that are still to be drawn, and what that takes.

    Attributes:
        facts: of an experiment that asks for them.
        images: how many.
        calls: network calls of the images and of fitting.
        fit_calls: of fitting the generator before.
    """

    facts: Facts
    images: int
    calls: int
    fit_calls: int

    @property
    def size(self) -> float:
        """Bytes of the images on disk, where none of them was ever weighed."""
        return self.images * BYTES_PER_PIXEL * self.facts.image_size**2


def estimate(
    missing: Sequence[tuple[Facts, int]], done: Sequence[tuple[Facts, int]], rates: Rates
) -> Estimate:
    """What missing runs, as pairs of facts and seed, will take beside those already done."""
    times = [rates.training(facts) for facts, _ in missing]
    seconds = [time for time in times if time is not None]
    images, size, unknown = 0, 0.0, len(times) - len(seconds)
    for draw in to_draw(missing, done):
        images += draw.images
        weighed = rates.of_image.get(draw.facts.generator)
        size += draw.size if weighed is None else draw.images * weighed
        time = rates.drawing(draw.facts.generator, draw.calls)
        unknown += time is None
        seconds.append(time or 0.0)
    return Estimate(math.fsum(seconds), images, size / 1e9, unknown)


def to_draw(missing: Sequence[tuple[Facts, int]], done: Sequence[tuple[Facts, int]]) -> list[Draw]:
    """What each pool lacks: of every class the most that a run asks for, less what is there."""
    drawn: dict[object, tuple[int, ...]] = {}
    for facts, seed in done:
        drawn[_pool(facts, seed)] = _most(drawn.get(_pool(facts, seed), ()), facts.add)
    wanted: dict[object, tuple[int, ...]] = {}
    asking: dict[object, Facts] = {}
    for facts, seed in missing:
        if facts.images:
            key = _pool(facts, seed)
            wanted[key] = _most(wanted.get(key, drawn.get(key, ())), facts.add)
            asking[key] = facts
    return [
        _draw(asking[key], sum(most) - sum(drawn.get(key, ())), fitted=key in drawn)
        for key, most in wanted.items()
        if sum(most) > sum(drawn.get(key, ()))
    ]


def _pool(facts: Facts, seed: int) -> object:
    return facts.pool, seed if facts.pool_a_seed else None


def _most(first: Sequence[int], second: Sequence[int]) -> tuple[int, ...]:
    """By class the larger of two counts; smaller budgets are prefixes of larger ones."""
    return tuple(max(pair) for pair in zip_longest(first, second, fillvalue=0))


def _draw(facts: Facts, images: int, fitted: bool) -> Draw:
    fit = 0 if fitted else facts.fit_calls
    return Draw(facts, images, math.ceil(facts.calls * images / facts.images) + fit, fit)
