"""Added images: from a pool that a generator fills, or from held-out real rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.console import say
from benchmark.data.batches import Part
from benchmark.errors import DataError
from benchmark.experiment import Experiment
from benchmark.generation.cost import GenerationCost
from benchmark.generation.plan import pool_spec
from benchmark.generation.pool import Pool
from benchmark.generation.sources import Drawn, Heldout
from benchmark.seeds import numpy_generator


@dataclass(frozen=True)
class Supplied:
    """Added images and where they come from.

    Attributes:
        part: the images, labels and origin.
        cost: what drawing them took; None where nothing was drawn.
        pool: facts of the pool for the record; None without one.
    """

    part: Part
    cost: GenerationCost | None = None
    pool: dict[str, Any] | None = None


def open_pool(experiment: Experiment) -> Pool:
    """The pool that an experiment draws from, created if it is not there."""
    assert experiment.request is not None and isinstance(experiment.request.source, Drawn)
    spec = pool_spec(
        experiment.settings.generator,
        dataset=experiment.card.name,
        classes=experiment.card.classes,
        prompts=experiment.request.source.prompts,
        pool_seed=experiment.pool_seed,
    )
    return Pool.open(spec)


def fill_pool(experiment: Experiment) -> tuple[Pool, GenerationCost]:
    """Draw what the experiment's budget is missing."""
    pool = open_pool(experiment)
    generator = experiment.settings.generator
    cost = pool.ensure(experiment.allocation.add, generator, experiment.settings.plumbing.progress)
    generator.close()
    return pool, cost


def supply(experiment: Experiment, heldout: Any) -> Supplied | None:
    """The images the method asked for, or None.

    Args:
        experiment: what to supply.
        heldout: original training images outside the long-tailed subset.

    Raises:
        DataError: fewer held-out images than the budget asks for, or absent weights.
    """
    if experiment.request is None or not sum(experiment.allocation.add):
        return None
    if isinstance(experiment.request.source, Heldout):
        return Supplied(_heldout(experiment, heldout))
    pool, cost = fill_pool(experiment)
    say("images", f"{cost.accepted:,} in {pool.folder}; look at {pool.sheet_path.name}")
    return Supplied(_from_pool(experiment, pool), cost, _pool_facts(experiment, pool))


def _from_pool(experiment: Experiment, pool: Pool) -> Part:
    add, card = experiment.allocation.add, experiment.card
    images, labels, _ = pool.load(add, card.image_size, card.colour)
    assert experiment.request is not None
    return Part(experiment.request.origin, images, labels)


def _pool_facts(experiment: Experiment, pool: Pool) -> dict[str, Any]:
    add = experiment.allocation.add
    return {
        "key": pool.spec.key,
        "pool_seed": experiment.pool_seed,
        "ids_hash": pool.ids_hash(add),
        "images": sum(add),
        "generator": dict(pool.spec.generator),
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
