"""Added images: drawn into a pool, taken from a collection, or held-out real rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.batches import Part
from benchmark.data.dataset import LongTailedData
from benchmark.data.rows import Images
from benchmark.data.streaming.files import list_files
from benchmark.data.streaming.pictures import Fitted, Pictures
from benchmark.errors import DataError
from benchmark.experiments.collected import take_collected
from benchmark.experiments.drawn import check_drawn, fill_pool
from benchmark.experiments.experiment import Experiment
from benchmark.generation.collections.location import check_location
from benchmark.generation.cost import GenerationCost
from benchmark.generation.pool import AGAIN
from benchmark.generation.sources import Collected, Drawn, Heldout
from benchmark.seeds import numpy_generator
from benchmark.system.console import say


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


def check_supply(experiment: Experiment) -> None:
    """Refuse absent weights, impossible settings and missing folders, before time is spent.

    Raises:
        BenchError: what is wrong and what to do.
    """
    request = experiment.request
    if request is None or not sum(experiment.allocation.add):
        return
    if isinstance(request.source, Collected):
        check_location(request.source.location)
    if isinstance(request.source, Drawn):
        check_drawn(experiment, request.source)


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
    return _drawn(experiment, data)


def _drawn(experiment: Experiment, data: LongTailedData) -> Supplied:
    pool, cost = fill_pool(experiment, lambda: data)
    say("images", f"{cost.accepted:,} in {pool.folder}; look at {pool.sheet_path.name}")
    add, card = experiment.allocation.add, experiment.card
    own: dict[str, Any] = {
        key: pool.spec.identity[key] for key in ("guides", "fit") if key in pool.spec.identity
    }
    facts = _facts(experiment, pool.spec.key, pool.ids_hash(add), {**pool.spec.generator, **own})
    if data.train.pictures is None:
        images, labels, _ = pool.load(add, card.image_size, card.colour)
        return Supplied(_part(experiment, images, labels), cost, facts)
    rows = pool.subset(add)
    names = [str(pool.image_path(row).relative_to(pool.folder)) for row in rows]
    pictures = list_files(pool.folder, names, card.colour, data.train.pictures.scaled, AGAIN)
    labels = np.asarray([row.label for row in rows], dtype=np.int64)
    shown = Images(Fitted(pictures, card.image_size))
    return Supplied(_part(experiment, shown, labels, pictures), cost, facts)


def _collected(experiment: Experiment, source: Collected, data: LongTailedData) -> Supplied:
    taken = take_collected(experiment, source, data)
    say("images", f"{taken.cost.accepted:,} in {taken.collection.folder}")
    facts = _facts(experiment, taken.collection.key, taken.ids_hash, taken.described)
    part = _part(experiment, taken.images, taken.labels, taken.pictures)
    return Supplied(part, taken.cost, facts)


def _part(
    experiment: Experiment,
    images: NDArray[np.uint8] | Images,
    labels: NDArray[np.int64],
    pictures: Pictures | None = None,
) -> Part:
    assert experiment.request is not None
    return Part(experiment.request.origin, images, labels, pictures)


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
    return Part.of("heldout_real", heldout.select(index))
