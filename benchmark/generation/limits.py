"""What a budget may cost: predicted before anything is drawn, and metered while it is.

A plan that exceeds a limit is refused with the share by which it does. Candidates that are
rejected count, and so does fitting the generator.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from benchmark.errors import UsageError
from benchmark.generation.budget import TAKES_AMOUNT, Budget, exact

Price = Callable[[Budget], "Predicted"]


@dataclass(frozen=True)
class Prices:
    """What images and fitting take, as far as it is known before anything is drawn.

    Attributes:
        calls_of_slot: network calls of one candidate, guidance counted; slot s of a class takes
            entry s modulo their number. Empty for images that no network draws.
        fit_calls: network calls of fitting the generator.
        flops_call: floating-point operations of one network call; None where not measured.
        flops_image: further operations a candidate, such as the decoder's.
        supply: what is added, for messages.
    """

    calls_of_slot: tuple[int, ...] = ()
    fit_calls: int = 0
    flops_call: float | None = None
    flops_image: float = 0.0
    supply: str = "generated images"


@dataclass(frozen=True)
class Predicted:
    """What a plan will take.

    Attributes:
        images: candidates, those that will be rejected among them.
        calls: network calls, guidance and fitting counted.
        fit_calls: network calls of fitting, part of ``calls``.
        seconds: device-seconds, fitting counted; None where no rate is known.
        flops: floating-point operations, fitting counted; None where not measured.
    """

    images: int = 0
    calls: int = 0
    fit_calls: int = 0
    seconds: float | None = None
    flops: float | None = None


def cost_of_slots(count: int, of_slot: Sequence[int]) -> int:
    """What the first ``count`` slots of a class take, where prices take turns."""
    full, rest = divmod(count, len(of_slot))
    return full * sum(of_slot) + sum(of_slot[:rest])


def predict(add: Sequence[int], prices: Prices, budget: Budget) -> Predicted:
    """What drawing ``add`` images of each class takes; nothing, fitting included, for no image.

    Args:
        add: images to accept of each class.
        prices: what one of them takes.
        budget: its ``acceptance``, ``seconds_image`` and ``seconds_fit`` are used.
    """
    if not sum(add):
        return Predicted(seconds=0.0, flops=0.0)
    drawn = sum(cost_of_slots(count, prices.calls_of_slot or (0,)) for count in add)
    images = ceil(sum(add) / exact(budget.acceptance))
    calls = prices.fit_calls + ceil(drawn / exact(budget.acceptance))
    flops = prices.flops_call
    return Predicted(
        images=images,
        calls=calls,
        fit_calls=prices.fit_calls,
        seconds=_seconds(sum(add), prices, budget),
        flops=None if flops is None else calls * flops + images * prices.flops_image,
    )


def _seconds(accepted: int, prices: Prices, budget: Budget) -> float | None:
    if not prices.calls_of_slot:
        return 0.0
    if budget.seconds_image is None:
        return None
    drawing = accepted * exact(budget.seconds_image) / exact(budget.acceptance)
    return float(drawing + exact(budget.seconds_fit or 0))


@dataclass(frozen=True)
class _Limit:
    name: str
    unit: str
    most: float
    got: float

    @property
    def exceeded(self) -> bool:
        return self.got > self.most


def _limits(
    budget: Budget, images: float, calls: float, seconds: float | None, flops: float | None
) -> list[_Limit]:
    """Every limit that is set, beside what is known of the quantity it holds down."""
    every = (
        ("limit_images", "candidate images", budget.limit_images, images),
        ("limit_calls", "network calls", budget.limit_calls, calls),
        ("limit_seconds", "device-seconds", budget.limit_seconds, seconds),
        ("limit_flops", "FLOP", budget.limit_flops, flops),
    )
    return [
        _Limit(name, unit, most, got)
        for name, unit, most, got in every
        if most is not None and got is not None
    ]


def _excess(budget: Budget, plan: Predicted) -> _Limit | None:
    """The first limit that a plan exceeds."""
    known = _limits(budget, plan.images, plan.calls, plan.seconds, plan.flops)
    return next((limit for limit in known if limit.exceeded), None)


def amount(value: float) -> str:
    """A quantity for messages: "62,640", "3,600.5", "1e+15"."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"


def more(most: float, got: float) -> str:
    """By how much ``got`` exceeds ``most``: "25 % more"."""
    percent = round(100 * (got - most) / most)
    return f"{percent:,} % more" if percent else "less than 1 % more"


def check_limits(budget: Budget, plan: Predicted, price: Price | None = None) -> None:
    """Refuse a plan that exceeds a limit of its budget.

    Args:
        budget: with its kind resolved.
        plan: what the budget's images will take.
        price: what another budget would take; with it, the advice names the largest amount that
            fits.

    Raises:
        UsageError: by how much the plan exceeds the limit.
    """
    found = _excess(budget, plan)
    if found is None:
        return
    fitting = f", {amount(plan.fit_calls)} of them for fitting" if plan.fit_calls else ""
    known = fitting if found.name == "limit_calls" else ""
    raise UsageError(
        f"Expected at most {amount(found.most)} {found.unit}, but the plan takes "
        f"{amount(found.got)}{known} ({more(found.most, found.got)})",
        where=f"budget.{found.name}",
        todo=_advice(budget, found, price),
    )


def _advice(budget: Budget, found: _Limit, price: Price | None) -> str:
    largest = largest_amount(budget, price) if price and budget.kind in TAKES_AMOUNT else 0
    fits = f"budget={budget.kind} budget.amount={largest} fits; else " if largest else ""
    return f"{fits}add fewer images, or raise budget.{found.name}"


def largest_amount(budget: Budget, price: Price) -> int:
    """The largest amount that adds images and exceeds no limit; 0 where none does.

    Args:
        budget: of a kind that takes an amount, and whose own plan exceeds a limit.
        price: what a budget takes; it never falls when the amount rises.
    """

    def plan(tried: int) -> Predicted:
        return price(replace(budget, amount=tried))

    def exceeds(tried: int) -> bool:
        return _excess(budget, plan(tried)) is not None

    top = 1
    while not exceeds(top):
        top *= 2
    # of amount 0 no plan exceeds anything
    largest = bisect_right(range(top), False, key=exceeds) - 1
    return largest if plan(largest).images else 0


@dataclass
class Meter:
    """What has been spent of a budget so far; refuses the batch that would exceed a limit.

    A fit, and what earlier runs drew for the same images, are spent first.

    Where device-seconds decide the counts, by a rate that was measured before, those of today are
    recorded and not held down: they would stop every second run just before its end.

    Attributes:
        budget: whose limits hold.
        images: candidates so far.
        calls: network calls so far, fitting counted.
        seconds: device-seconds so far, fitting counted.
        flops: floating-point operations so far, fitting counted.
    """

    budget: Budget
    images: int = 0
    calls: int = 0
    seconds: float = 0.0
    flops: float = 0.0

    def __post_init__(self) -> None:
        if self.budget.kind == "level" and self.budget.seconds_image is not None:
            self.budget = replace(self.budget, limit_seconds=None)

    def spend(
        self, images: int = 0, calls: int = 0, seconds: float = 0.0, flops: float = 0.0
    ) -> None:
        """Book what the next batch takes: images, calls and FLOPs before it is drawn.

        Seconds are known only afterwards: book them then, so that the batch after the one that
        passes the limit is not drawn.

        Raises:
            UsageError: it would exceed a limit; nothing is booked.
        """
        asked = (images, calls, seconds, flops)
        sums = (
            self.images + images, self.calls + calls, self.seconds + seconds, self.flops + flops,
        )  # fmt: skip
        spent = _limits(self.budget, self.images, self.calls, self.seconds, self.flops)
        pairs = zip(spent, _limits(self.budget, *asked), _limits(self.budget, *sums), strict=True)
        for before, batch, after in pairs:
            if after.exceeded:
                raise _overspent(before, batch.got)
        self.images, self.calls, self.seconds, self.flops = sums


def _overspent(before: _Limit, asked: float) -> UsageError:
    return UsageError(
        f"Expected at most {amount(before.most)} {before.unit}, but {amount(before.got)} of them "
        f"are spent and the next batch takes {amount(asked)}",
        where=f"budget.{before.name}",
        todo=f"what was drawn is kept; raise budget.{before.name}, or plan for rejected images "
        "with a lower budget.acceptance",
    )
