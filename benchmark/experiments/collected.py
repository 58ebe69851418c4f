"""Images of a collection for an experiment: screened against the test rows, then counted."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.dataset import LongTailedData
from benchmark.data.rows import Images
from benchmark.data.streaming.files import FilePictures, list_files
from benchmark.data.streaming.pictures import Fitted
from benchmark.experiments.experiment import Experiment
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.cost import CollectedCost, collected_cost
from benchmark.generation.collections.location import open_collection
from benchmark.generation.collections.screening import Screen, screen
from benchmark.generation.cost import GenerationCost
from benchmark.generation.sources import Collected
from benchmark.system.console import say


@dataclass(frozen=True)
class Taken:
    """A budget's images of a collection.

    Attributes:
        collection: where they are from.
        images: uint8 (n, size, size, 3).
        pictures: the images whole, where training takes its crops from whole pictures.
        labels: int64 (n,).
        ids_hash: hash of which images they are.
        cost: what they took.
        described: facts of the collection for the record.
    """

    collection: Collection
    images: NDArray[np.uint8] | Images
    pictures: FilePictures | None
    labels: NDArray[np.int64]
    ids_hash: str
    cost: GenerationCost
    described: dict[str, Any]


def take_collected(experiment: Experiment, source: Collected, data: LongTailedData) -> Taken:
    """The images that an experiment adds from a collection.

    Near-duplicates of test images are looked for in every case. They are left out, or only
    counted where the source says so.

    Raises:
        DataError: a class has too few images.
        IntegrityError: a damaged image.
    """
    card, add = experiment.card, experiment.allocation.add
    collection = open_collection(source.location, card.classes, class_ids=card.class_ids)
    found = _screened(experiment, collection, data)
    dropped = found if source.near_test == "drop" else None
    without = dropped.ids if dropped else frozenset[str]()
    seed = experiment.pool_seed
    images, pictures, labels, ids = _pixels(experiment, collection, data, without)
    took = collected_cost(collection, add, seed, dropped, source.network_calls_per_image)
    described = {
        "kind": "collection",
        "source": collection.facts["source"],
        "near_test": source.near_test,
        "near_test_found": len(found.found),
        "screened_by": found.extractor,
    }
    cost = _cost(took, experiment.request.origin == "web" if experiment.request else False)
    return Taken(collection, images, pictures, labels, collection.ids_hash(ids), cost, described)


def _pixels(
    experiment: Experiment, collection: Collection, data: LongTailedData, without: frozenset[str]
) -> tuple[NDArray[np.uint8] | Images, FilePictures | None, NDArray[np.int64], list[str]]:
    """Images, pictures where training reads these, labels and ids."""
    card, add, seed = experiment.card, experiment.allocation.add, experiment.pool_seed
    if data.train.pictures is None:
        images, labels, ids = collection.take(add, card.image_size, card.colour, seed, without)
        return images, None, labels, ids
    rows = collection.pick(add, seed, without)
    names = [row.file_name for row in rows]
    scaled, todo = data.train.pictures.scaled, "delete the collection and make it again"
    pictures = list_files(collection.folder, names, card.colour, scaled, todo)
    labels = np.asarray([row.label for row in rows], dtype=np.int64)
    ids = [row.image_id for row in rows]
    return Images(Fitted(pictures, card.image_size)), pictures, labels, ids


def _screened(experiment: Experiment, collection: Collection, data: LongTailedData) -> Screen:
    found = screen(
        collection,
        np.asarray(data.test.images),
        np.asarray(data.train.images),
        colour=experiment.card.colour,
        progress=experiment.settings.plumbing.progress,
    )
    if found.found:
        say("note", f"{len(found.found):,} of {found.candidates:,} collected images are "
            "near-duplicates of test images")  # fmt: skip
    return found


def _cost(took: CollectedCost, web: bool) -> GenerationCost:
    """The block of the record; images of the web make no network calls, others may have."""
    calls = 0 if web else took.network_calls
    return GenerationCost(
        candidates=took.candidates,
        accepted=took.accepted,
        rejected=took.near_test,
        network_calls_predicted=calls or 0,
        network_calls_measured=calls or 0,
        device_seconds=took.seconds or 0.0,
        knowledge=took.knowledge,
        pool_key=took.key,
        pool_candidates=took.collection_candidates,
        web_images=took.candidates if web else 0,
        known=calls is not None,
    )
