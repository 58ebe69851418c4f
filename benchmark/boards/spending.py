"""What rows of a leaderboard cost: no accuracy of added images stands without it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.errors import IntegrityError
from benchmark.generation.cost import NO_COST, GenerationCost
from benchmark.recording.record_models import Record

PAID_TRACKS = ("synthetic", "web")


@dataclass(frozen=True)
class Spent:
    """Generation costs of one row: means over its seeds, fitting counted.

    Attributes:
        candidates: images drawn.
        accepted: images in the training set.
        calls: network calls measured.
        fit_calls: network calls of fitting, part of ``calls``.
        seconds: device-seconds.
        flops: floating-point operations.
        web_images: images fetched from the web.
        known: whether every supply stated what it took.
        predicted: network calls predicted, where some seed measured others; else None.
        devices: hardware the images were drawn on.
    """

    candidates: float
    accepted: float
    calls: float
    fit_calls: float
    seconds: float
    flops: float
    web_images: float
    known: bool
    predicted: float | None
    devices: tuple[str, ...]

    @property
    def anything(self) -> bool:
        """Whether there is anything to tell."""
        return not self.known or bool(self.candidates or self.calls or self.web_images)


def check_cost(record: Record) -> None:
    """Refuse an accuracy of generated or collected images that does not say what they took.

    Held-out real images are no exception to the rule but outside it: nothing made them.

    Raises:
        IntegrityError: the record adds images and has no generation cost.
    """
    added = sum(record.budget.add)
    if record.method.track in PAID_TRACKS and added and record.cost.generation is None:
        raise IntegrityError(
            f"Expected the generation cost of {added:,} added images, but got none",
            where=f"{record.experiment.label}, seed {record.seed}",
            todo="run it again; a supply that cannot say what its images took declares known=False",
        )


def network_calls(cost: GenerationCost) -> int:
    """Network calls measured while drawing, and those of fitting."""
    return cost.network_calls_measured + cost.fit_network_calls


def spent(records: Sequence[Record]) -> Spent:
    """What the runs of one experiment took; at least one."""
    costs = [record.cost.generation or NO_COST for record in records]
    odd = any(cost.network_calls_predicted != cost.network_calls_measured for cost in costs)
    predicted = _mean([cost.network_calls_predicted + cost.fit_network_calls for cost in costs])
    return Spent(
        candidates=_mean([cost.candidates for cost in costs]),
        accepted=_mean([cost.accepted for cost in costs]),
        calls=_mean([network_calls(cost) for cost in costs]),
        fit_calls=_mean([cost.fit_network_calls for cost in costs]),
        seconds=_mean([cost.device_seconds + cost.fit_seconds for cost in costs]),
        flops=_mean([cost.flops + cost.fit_flops for cost in costs]),
        web_images=_mean([cost.web_images for cost in costs]),
        known=all(cost.known for cost in costs),
        predicted=predicted if odd else None,
        devices=tuple(sorted({cost.device for cost in costs if cost.device})),
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


@dataclass(frozen=True)
class PoolTotals:
    """What pools took in all, each counted once whatever number of rows reads it."""

    pools: int
    candidates: int
    calls: int
    seconds: float


def pool_totals(records: Sequence[Record]) -> PoolTotals:
    """The totals of the pools behind some records; a pool that grew counts as last seen."""
    last: dict[str, GenerationCost] = {}
    for record in records:
        cost = record.cost.generation
        if cost and cost.pool_key:
            known = last.get(cost.pool_key, NO_COST)
            last[cost.pool_key] = max(known, cost, key=lambda each: each.pool_candidates)
    return PoolTotals(
        pools=len(last),
        candidates=sum(cost.pool_candidates for cost in last.values()),
        calls=sum(cost.pool_network_calls for cost in last.values()),
        seconds=math.fsum(cost.pool_device_seconds for cost in last.values()),
    )
