"""Added images: drawn into a pool, taken from a collection, or held-out real rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.console import say
from benchmark.data.batches import Part
from benchmark.data.dataset import LongTailedData
from benchmark.errors import DataError, UsageError
from benchmark.experiment import Experiment
from benchmark.generation.cost import GenerationCost
from benchmark.generation.diffusers_config import DiffusersConfig
from benchmark.generation.drawing import Materials
from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.fitting.request import FitRequest, Fitted
from benchmark.generation.generator import Mode
from benchmark.generation.guides import guide_set
from benchmark.generation.limits import Meter
from benchmark.generation.plan import pool_spec
from benchmark.generation.pool import Pool
from benchmark.generation.sources import Collected, Drawn, Heldout
from benchmark.seeds import numpy_generator

Load = Callable[[], LongTailedData]


@dataclass(frozen=True)
class Supplied:
    """Added images and where they come from.

    Attributes:
        part: the images, labels and origin.
        cost: what they took; None where nothing was drawn or collected.
        pool: facts of the pool or collection for the record; None without one.
    """

    part: Part
    cost: GenerationCost | None = None
    pool: dict[str, Any] | None = None


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


def check_supply(experiment: Experiment) -> None:
    """Refuse absent weights, impossible settings and missing folders, before time is spent.

    Raises:
        BenchError: what is wrong and what to do.
    """
    request = experiment.request
    if request is None or not sum(experiment.allocation.add):
        return
    if isinstance(request.source, Collected):
        from benchmark.generation.collections.location import check_location

        check_location(request.source.location)
    if isinstance(request.source, Drawn):
        _check_drawn(experiment, request.source)


def _check_drawn(experiment: Experiment, source: Drawn) -> None:
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


def fill_pool(experiment: Experiment, load: Load) -> tuple[Pool, GenerationCost]:
    """Draw what the experiment's budget is missing; a fit's cost is inherited by its pools."""
    ready, progress = drawing(experiment, load), experiment.settings.plumbing.progress
    fitted = _fitted(ready.fit, progress) if ready.fit else None
    generator = experiment.settings.generator
    cost = ready.pool.ensure(
        experiment.allocation.add,
        generator,
        Materials(ready.guides, _adapters(fitted)),
        _meter(experiment, fitted),
        progress,
    )
    generator.close()
    return ready.pool, with_fit(cost, fitted)


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


def supply(experiment: Experiment, data: LongTailedData) -> Supplied | None:
    """The images the method asked for, or None.

    Args:
        experiment: what to supply.
        data: the rows of the run.

    Raises:
        DataError: fewer images than the budget asks for, or absent weights.
    """
    request = experiment.request
    if request is None or not sum(experiment.allocation.add):
        return None
    if isinstance(request.source, Heldout):
        return Supplied(_heldout(experiment, data.heldout))
    if isinstance(request.source, Collected):
        return _collected(experiment, request.source, data)
    pool, cost = fill_pool(experiment, lambda: data)
    say("images", f"{cost.accepted:,} in {pool.folder}; look at {pool.sheet_path.name}")
    return Supplied(_from_pool(experiment, pool), cost, _pool_facts(experiment, pool))


def _from_pool(experiment: Experiment, pool: Pool) -> Part:
    add, card = experiment.allocation.add, experiment.card
    images, labels, _ = pool.load(add, card.image_size, card.colour)
    return _part(experiment, images, labels)


def _part(experiment: Experiment, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> Part:
    assert experiment.request is not None
    return Part(experiment.request.origin, images, labels)


def _pool_facts(experiment: Experiment, pool: Pool) -> dict[str, Any]:
    add = experiment.allocation.add
    facts = _facts(experiment, pool.spec.key, pool.ids_hash(add), dict(pool.spec.generator))
    own = {key: pool.spec.identity[key] for key in ("guides", "fit") if key in pool.spec.identity}
    return facts | {"generator": facts["generator"] | own}


def _facts(
    experiment: Experiment, key: str, ids_hash: str, generator: dict[str, Any]
) -> dict[str, Any]:
    return {
        "key": key,
        "pool_seed": experiment.pool_seed,
        "ids_hash": ids_hash,
        "images": sum(experiment.allocation.add),
        "generator": generator,
        "replicated_with_seed": experiment.settings.pool_seed == "seed",
    }


def _heldout(experiment: Experiment, heldout: Any) -> Part:
    rng = numpy_generator(experiment.seed, "heldout rows")
    picked = []
    for label, wanted in enumerate(experiment.allocation.add):
        rows = rng.permutation(np.flatnonzero(heldout.labels == label))
        if len(rows) < wanted:
            raise DataError(
                f"Expected {wanted} held-out images of class '{experiment.card.classes[label]}', "
                f"but got {len(rows)}",
                where="budget",
                todo="use a budget that adds fewer to this class, such as budget=tail",
            )
        picked.append(rows[:wanted])
    index = np.concatenate(picked)
    return Part("heldout_real", np.asarray(heldout.images[index]), heldout.labels[index])
