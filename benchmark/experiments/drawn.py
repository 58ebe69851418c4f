"""Images that a generator draws for an experiment: its pool, its guides, its fit."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.dataset import LongTailedData
from benchmark.errors import BenchError, UsageError
from benchmark.experiments.experiment import Experiment
from benchmark.generation.cost import GenerationCost
from benchmark.generation.diffusers_config import DiffusersConfig
from benchmark.generation.engines import HERE, Engine
from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.fitting.request import FitRequest, Fitted
from benchmark.generation.frames import Materials
from benchmark.generation.generator import Mode
from benchmark.generation.guides import guide_set
from benchmark.generation.known_words import untaught
from benchmark.generation.limits import Meter
from benchmark.generation.plan import PoolSpec, pool_spec
from benchmark.generation.pool import Pool
from benchmark.generation.prompts import clashes
from benchmark.generation.sources import Drawn
from benchmark.system.console import say

Load = Callable[[], LongTailedData]


@dataclass(frozen=True)
class Drawing:
    """A pool and what it takes to draw it.

    Attributes:
        pool: of the experiment.
        guides: uint8 (n, h, w, 3) real training images to start from; None for text-to-image.
        fit: the fit whose adapters are drawn with; None without one.
    """

    pool: Pool
    guides: Any = None
    fit: FitRequest | None = None


def check_drawn(experiment: Experiment, source: Drawn) -> None:
    """Refuse absent weights and impossible settings.

    Raises:
        BenchError: what is wrong and what to do.
    """
    strengths = source.guides.strengths if source.guides else (None,)
    for strength in strengths:
        experiment.settings.generator.check(Mode(strength=strength))
    if source.fit is not None:
        _fit_base(experiment)


def drawing(experiment: Experiment, load: Load) -> Drawing:
    """The pool that an experiment draws from, created if it is not there; nothing is drawn yet.

    Args:
        experiment: whose request is drawn.
        load: loads the data; called where guides or a fit need the real training rows.
    """
    source = _drawn(experiment)
    data = load() if source.guides or source.fit else None
    fit = _fit_request(experiment, source.fit, data) if source.fit and data else None
    guided = source.guides is not None and data is not None
    images: Any = np.asarray(data.train.images) if guided and data else None
    spec = pool_spec(
        experiment.settings.generator,
        dataset=experiment.card.name,
        classes=experiment.card.classes,
        prompts=source.prompts,
        pool_seed=experiment.pool_seed,
        guides=source.guides,
        guide_rows=guide_set(images, data.train.labels) if guided and data else None,
        fit=fit.key if fit else None,
        names=_names(fit, experiment),
    )
    return Drawing(Pool.open(spec), images, fit)


def _drawn(experiment: Experiment) -> Drawn:
    request = experiment.request
    if request is None or not isinstance(request.source, Drawn):
        raise UsageError(
            f"'{experiment.label}' generates no images",
            where="method",
            todo="choose a method with a supply: python -m benchmark ls methods",
        )
    return request.source


def _names(fit: FitRequest | None, experiment: Experiment) -> tuple[str, ...]:
    """Class names of a fit's own, such as new tokens."""
    own = fit.prompt_names if fit else ()
    return () if own == experiment.card.classes else own


def _adapters(fitted: Fitted | None) -> tuple[Path, ...]:
    if fitted is None:
        return ()
    files = [fitted.adapter(label) for label in range(len(fitted.prompt_names))]
    return (files[0],) if len(set(files)) == 1 else tuple(files)


def _fit_base(experiment: Experiment) -> DiffusersConfig:
    base = experiment.settings.generator.config
    if not isinstance(base, DiffusersConfig):
        raise UsageError(
            "Expected a diffusers pipeline to fit, but got another kind of generator",
            where="generator",
            todo="choose one: python -m benchmark ls generators",
        )
    return base


def _fit_request(experiment: Experiment, config: FitConfig, data: LongTailedData) -> FitRequest:
    return FitRequest(
        config=config,
        base=_fit_base(experiment),
        device=experiment.settings.plumbing.device,
        images=np.asarray(data.train.images),
        labels=data.train.labels,
        classes=experiment.card.classes,
        seed=experiment.pool_seed,
    )


def _fitted(request: FitRequest, progress: bool) -> Fitted:
    # imported here: it brings torch and diffusers
    from benchmark.generation.fitting.run import ensure_fit

    return ensure_fit(request, progress=progress)


def fill_pool(
    experiment: Experiment, load: Load, engine: Engine = HERE
) -> tuple[Pool, GenerationCost]:
    """Draw what the experiment's budget is missing; a fit's cost is inherited by its pools.

    Args:
        experiment: whose request is drawn.
        load: loads the data, where guides or a fit need it.
        engine: draws here, or by many workers; a fit is done here, before they begin.
    """
    engine.check()
    ready, progress = drawing(experiment, load), experiment.settings.plumbing.progress
    say_clashes(ready.pool.spec)
    say_untaught(experiment)
    fitted = _fitted(ready.fit, progress) if ready.fit else None
    generator = experiment.settings.generator
    cost = ready.pool.ensure(
        experiment.allocation.add,
        generator,
        Materials(ready.guides, _adapters(fitted)),
        _meter(experiment, fitted),
        progress,
        engine,
    )
    generator.close()
    return ready.pool, with_fit(cost, fitted)


def say_clashes(spec: PoolSpec) -> None:
    """Classes that share a prompt get the same kind of picture under different labels."""
    for text, labels in clashes(spec.prompts, spec.classes).items():
        names = ", ".join(f"{spec.classes[label]} ({label})" for label in labels)
        say("note", f"classes share the prompt '{text}': {names}")


def say_untaught(experiment: Experiment) -> None:
    """Images of classes that a small generator never heard of mean nothing."""
    config, classes = experiment.settings.generator.config, experiment.card.classes
    if not isinstance(config, DiffusersConfig):
        return
    try:
        folder = config.folder
    except BenchError:
        # a pool that is full needs no weights
        return
    if strange := untaught(folder, classes):
        some = ", ".join(strange[:3]) + (", ..." if len(strange) > 3 else "")
        say("note", f"generator '{config.name}' was taught no word of {len(strange)} of "
            f"{len(classes)} class names ({some}): its images of them mean nothing. Take another "
            "(generator=sd15_fast, ...) or train one (generate fit).")  # fmt: skip


def _meter(experiment: Experiment, fitted: Fitted | None) -> Meter:
    """What may be spent, with what fitting took already booked."""
    if fitted is None:
        return Meter(experiment.budget)
    cost = fitted.cost
    return Meter(
        experiment.budget,
        calls=cost.network_calls,
        seconds=cost.device_seconds,
        flops=cost.flops,
    )


def with_fit(cost: GenerationCost, fitted: Fitted | None) -> GenerationCost:
    """The cost of a pool's images with that of the fit they were drawn with."""
    if fitted is None:
        return cost
    return replace(
        cost,
        fit_steps=fitted.cost.optimizer_steps,
        fit_network_calls=fitted.cost.network_calls,
        fit_seconds=fitted.cost.device_seconds,
        fit_flops=fitted.cost.flops,
    )
