"""What collected images took, as far as anybody says."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.rows import Row
from benchmark.generation.collections.screening import Screen


@dataclass(frozen=True, kw_only=True)
class CollectedCost:
    """The cost of one budget's images as if they had been collected alone.

    Attributes:
        candidates: images looked at: accepted ones and near-duplicates met before them.
        accepted: images in the training set.
        near_test: candidates left out as near-duplicates of test images.
        network_calls: of the candidates; None if nobody says.
        seconds: device time of the candidates; None if nobody says.
        knowledge: outside knowledge that the images bring.
        key: of the collection.
        collection_candidates: rows of the whole collection, for all budgets together.
        collection_kept: its usable images.
        collection_duplicates: its rows left out as copies of another.
        collection_failed: its rows without a sound image.
    """

    candidates: int
    accepted: int
    near_test: int
    network_calls: int | None
    seconds: float | None
    knowledge: tuple[str, ...]
    key: str
    collection_candidates: int
    collection_kept: int
    collection_duplicates: int
    collection_failed: int


def collected_cost(
    collection: Collection,
    counts: Sequence[int],
    seed: int,
    dropped: Screen | None = None,
    network_calls_per_image: int | None = None,
) -> CollectedCost:
    """The cost of ``collection.take(counts, ..., seed, dropped.ids)``.

    Args:
        collection: the images.
        counts: images of each class.
        seed: of the order.
        dropped: near-duplicates of test images that were left out; None if none were.
        network_calls_per_image: what one image took, where neither rows nor the collection say.

    Raises:
        DataError: a class has too few images.
    """
    without = dropped.ids if dropped else frozenset()
    accepted = collection.pick(counts, seed, without)
    looked_at = _looked_at(collection, counts, seed, without)
    facts = collection.facts
    stated = facts["network_calls_per_image"]
    each = network_calls_per_image if stated is None else stated
    return CollectedCost(
        candidates=len(looked_at),
        accepted=len(accepted),
        near_test=len(looked_at) - len(accepted),
        network_calls=_calls(looked_at, each),
        seconds=_seconds(looked_at),
        knowledge=collection.knowledge,
        key=collection.key,
        collection_candidates=facts["candidates"],
        collection_kept=len(collection.kept),
        collection_duplicates=facts["dropped"],
        collection_failed=facts["failed"],
    )


def _looked_at(
    collection: Collection, counts: Sequence[int], seed: int, without: frozenset[str]
) -> list[Row]:
    found = []
    for label, wanted in enumerate(counts):
        for row in collection.order(label, seed):
            if not wanted:
                break
            found.append(row)
            wanted -= row.image_id not in without
    return found


def _calls(rows: Sequence[Row], each: int | None) -> int | None:
    calls = [each if row.network_calls is None else row.network_calls for row in rows]
    known = [one for one in calls if one is not None]
    return sum(known) if len(known) == len(calls) else None


def _seconds(rows: Sequence[Row]) -> float | None:
    known = [row.seconds for row in rows if row.seconds is not None]
    return sum(known) if len(known) == len(rows) else None
