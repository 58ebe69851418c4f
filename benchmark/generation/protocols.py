"""Protocols: what is equal across the methods of a table, and the counts that follow from it.

"iso_image" makes the images equal, "iso_nfe" the network calls, "iso_seconds" the device time and
"iso_training" the optimiser steps of the classifier.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm
from typing import Literal, get_args

from benchmark.errors import UsageError, unknown
from benchmark.generation.budget import (
    Allocation,
    Budget,
    allocate,
    counts_only,
    exact,
    held_real,
)
from benchmark.generation.limits import Prices, amount, cost_of_slots, more

Protocol = Literal["iso_image", "iso_nfe", "iso_seconds", "iso_training"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
NEUTRAL: Protocol = "iso_image"


def named(text: str) -> Protocol:
    """The protocol of that name.

    Raises:
        UsageError: there is none; names the nearest.
    """
    for each in PROTOCOLS:
        if each == text:
            return each
    raise unknown("protocol", text, PROTOCOLS, where="protocol")


def derives_counts(protocol: Protocol) -> bool:
    """Whether a limit decides the counts, and not the budget's kind."""
    return protocol in ("iso_nfe", "iso_seconds")


def deciding(budget: Budget, protocol: Protocol) -> Budget:
    """The settings of a budget that decide its counts; the others can only refuse."""
    plain = counts_only(budget)
    if protocol == "iso_nfe":
        return replace(plain, limit_calls=budget.limit_calls, acceptance=budget.acceptance)
    if protocol == "iso_seconds":
        return replace(
            plain,
            limit_seconds=budget.limit_seconds,
            acceptance=budget.acceptance,
            seconds_image=budget.seconds_image,
            seconds_fit=budget.seconds_fit,
        )
    return plain


def limit_of(budget: Budget, protocol: Protocol) -> float | None:
    """What a derived budget may spend, in the protocol's unit; None where counts decide."""
    if protocol == "iso_nfe":
        return budget.limit_calls
    return budget.limit_seconds if protocol == "iso_seconds" else None


def levelled(budget: Budget, protocol: Protocol) -> Budget:
    """The budget of a protocol that derives the counts.

    Raises:
        UsageError: a kind that sets counts of its own.
    """
    if budget.kind not in ("auto", "level"):
        raise UsageError(
            f"Expected no counts under protocol {protocol}, which derives them, but got budget "
            f"kind '{budget.kind}'",
            where="budget.kind",
            todo="leave budget out, or use protocol=iso_image",
        )
    return replace(budget, kind="level")


def allocate_under(
    protocol: Protocol,
    budget: Budget,
    counts_real: Sequence[int],
    prices: Prices,
    *,
    many_above: int,
    order: Sequence[int] | None = None,
) -> Allocation:
    """Images to keep and to add under any protocol; see ``allocate`` for the arguments.

    Under a protocol that derives the counts no real image is cut but by ``keep_real``.

    Raises:
        UsageError: a limit or a rate is missing, the method draws nothing, or the limit does not
            pay for fitting and one image.
    """
    if not derives_counts(protocol):
        return allocate(budget, counts_real, many_above=many_above, order=order)
    keep = held_real(budget, counts_real)
    return Allocation(keep, level(keep, _affordable(protocol, budget, prices), counts_real))


@dataclass(frozen=True)
class Affordable:
    """What is left for images that are kept, and what they cost.

    Attributes:
        spend: in the unit of the prices, at least one image's.
        of_slot: price of slot s of a class: entry s modulo their number, each at least 1.
    """

    spend: int
    of_slot: tuple[int, ...]


def level(
    counts: Sequence[int], affordable: Affordable, order: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Images to add to each class so that the poorest classes reach one common level.

    Images are bought one after the other: always one for the class with the fewest, classes at the
    same level in the order of ``order``, then of their label. So what a smaller sum buys is part
    of what a larger one buys, and less than one image's price stays unspent.

    Args:
        counts: images that each class has.
        affordable: the sum to spend, and prices.
        order: sorts the classes at one level; by default ``counts``.
    """
    reached = _level_reached(counts, affordable)
    add = [max(reached - count, 0) for count in counts]
    left = affordable.spend - sum(cost_of_slots(count, affordable.of_slot) for count in add)
    given = counts if order is None else order
    for label in sorted(range(len(counts)), key=lambda each: (given[each], each)):
        if counts[label] > reached:
            continue
        left -= affordable.of_slot[add[label] % len(affordable.of_slot)]
        if left < 0:
            break
        add[label] += 1
    return tuple(add)


def _level_reached(counts: Sequence[int], affordable: Affordable) -> int:
    """The highest level up to which every class below it can be filled."""

    def price(height: int) -> int:
        missing = (max(height - count, 0) for count in counts)
        return sum(cost_of_slots(each, affordable.of_slot) for each in missing)

    lowest = min(counts)
    # alone, one class would reach this
    highest = lowest + affordable.spend // min(affordable.of_slot) + 1
    heights = range(lowest, highest + 1)
    return heights[bisect_right(heights, affordable.spend, key=price) - 1]


@dataclass(frozen=True)
class _Terms:
    """A derived budget in the unit of its protocol."""

    name: str
    unit: str
    limit: float
    fit: float
    of_slot: tuple[Fraction, ...]

    @property
    def where(self) -> str:
        return f"budget.{self.name}"


def _affordable(protocol: Protocol, budget: Budget, prices: Prices) -> Affordable:
    if not prices.calls_of_slot:
        raise UsageError(
            f"Expected images that a generator draws under protocol {protocol}, but got "
            f"{prices.supply}, which take no network calls",
            where="protocol",
            todo="choose a method such as t2i, or use protocol=iso_image",
        )
    terms = _by_calls(budget, prices) if protocol == "iso_nfe" else _by_seconds(budget, prices)
    left = exact(terms.limit) - exact(terms.fit)
    if left < 0:
        raise _fit_too_dear(terms)
    scale = lcm(*(price.denominator for price in terms.of_slot))
    spend = int(left * exact(budget.acceptance) * scale)
    found = Affordable(spend, tuple(int(price * scale) for price in terms.of_slot))
    if found.spend < found.of_slot[0]:
        raise _nothing_left(terms, terms.of_slot[0] / exact(budget.acceptance))
    return found


def _by_calls(budget: Budget, prices: Prices) -> _Terms:
    if budget.limit_calls is None:
        raise _missing("limit_calls", "iso_nfe", "100000")
    of_slot = tuple(map(Fraction, prices.calls_of_slot))
    return _Terms("limit_calls", "network calls", budget.limit_calls, prices.fit_calls, of_slot)


def _by_seconds(budget: Budget, prices: Prices) -> _Terms:
    if budget.limit_seconds is None:
        raise _missing("limit_seconds", "iso_seconds", "3600")
    if budget.seconds_image is None:
        raise _missing(
            "seconds_image", "iso_seconds", "0.1", "as measured: generate show prints it"
        )
    if prices.fit_calls and budget.seconds_fit is None:
        raise _missing("seconds_fit", "iso_seconds", "600", "the method fits its generator")
    price = exact(budget.seconds_image)
    return _Terms(
        "limit_seconds", "device-seconds", budget.limit_seconds, budget.seconds_fit or 0, (price,)
    )


def _missing(name: str, protocol: Protocol, example: str, why: str = "") -> UsageError:
    return UsageError(
        f"Expected budget.{name} under protocol {protocol}, but got none",
        where=f"budget.{name}",
        todo=f"set it: budget.{name}={example}" + (f" ({why})" if why else ""),
    )


def _fit_too_dear(terms: _Terms) -> UsageError:
    return UsageError(
        f"Expected fitting to take at most {amount(terms.limit)} {terms.unit}, but it takes "
        f"{amount(terms.fit)} alone ({more(terms.limit, terms.fit)})",
        where=terms.where,
        todo=f"raise {terms.where}, or fit for fewer steps",
    )


def _nothing_left(terms: _Terms, price: Fraction) -> UsageError:
    least = exact(terms.fit) + price
    needed = ceil(least) if terms.name == "limit_calls" else float(least)
    return UsageError(
        f"Expected at least {amount(needed)} {terms.unit}, which pay for one image, but got "
        f"{amount(terms.limit)}",
        where=terms.where,
        todo=f"raise {terms.where}",
    )
