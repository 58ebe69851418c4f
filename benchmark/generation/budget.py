"""How many images each class gets: an axis of every experiment.

``allocate`` is pure: counts in, counts out. Nothing here knows where the images come from. What a
budget may cost is checked in ``limits``, counts that follow from a limit are in ``protocols``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from math import floor
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le
from pydantic import Field

from benchmark.config import NonNegativeInt, PositiveInt
from benchmark.errors import UsageError

BudgetKind = Literal["auto", "none", "uniform", "add", "tail", "list", "level", "replace"]
CutRule = Literal["subset_order"]
Amount = Annotated[float, Gt(0), Field(allow_inf_nan=False)]
MANY_ABOVE = 100
TAKES_AMOUNT = ("uniform", "add", "tail")
_NEEDS_AMOUNT = ("add", "tail")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A rule that turns real counts into counts to keep and to add.

    Attributes:
        kind: "none" adds nothing; "uniform" gives every class exactly ``amount`` images and cuts
            real ones above it (U_beta); "add" adds ``amount`` to every class (LT+alpha); "tail"
            fills Few and Medium classes up to ``amount``; "list" adds ``counts``; "level" raises
            all classes to the highest common level that a limit pays for; "replace" puts an added
            image in the place of a real one; "auto" is the method's default and has to be
            resolved first.
        amount: images a class, at least 0; for "uniform", None is the largest real count.
        counts: images to add to each class, in label order, for "list".
        keep_real: at most this many real images of each class are kept; 0 is all-synthetic.
        share: of the real images, in [0, 1], that "replace" replaces.
        by: "images" replaces that share of every class, "classes" all images of that share of the
            classes.
        limit_images: at most this many candidates are drawn, rejected ones among them.
        limit_calls: at most this many network calls, guidance and fitting counted.
        limit_seconds: at most this many device-seconds, fitting counted.
        limit_flops: at most this many floating-point operations, fitting counted.
        acceptance: share of candidates expected to be kept, in (0, 1]; a plan reckons with
            1 / ``acceptance`` candidates an image.
        seconds_image: device-seconds of one image, as measured before.
        seconds_fit: device-seconds of fitting the generator, as measured before.

    Raises:
        UsageError: a setting is missing, negative, or has no meaning for ``kind``.
    """

    kind: BudgetKind
    amount: NonNegativeInt | None = None
    counts: tuple[NonNegativeInt, ...] | None = None
    keep_real: NonNegativeInt | None = None
    share: Annotated[float, Ge(0), Le(1)] | None = None
    by: Literal["images", "classes"] = "images"
    limit_images: PositiveInt | None = None
    limit_calls: PositiveInt | None = None
    limit_seconds: Amount | None = None
    limit_flops: Amount | None = None
    acceptance: Annotated[float, Gt(0), Le(1)] = 1.0
    seconds_image: Amount | None = None
    seconds_fit: Annotated[float, Ge(0), Field(allow_inf_nan=False)] | None = None

    def __post_init__(self) -> None:
        _check_amount(self)
        _check_counts(self)
        _check_share(self)
        if self.keep_real is not None and self.keep_real < 0:
            raise _not_negative("keep_real", self.keep_real)


@dataclass(frozen=True)
class Allocation:
    """What a budget means for one data set.

    Attributes:
        keep: real images kept in each class.
        add: images to add to each class.
        notes: what a reader should know, e.g. how many classes lose real images.
        cut_rule: which real images stay where not all do: "subset_order" keeps those that the
            seeded split drew first, so what a smaller budget keeps, a larger one keeps too.
    """

    keep: tuple[int, ...]
    add: tuple[int, ...]
    notes: tuple[str, ...] = ()
    cut_rule: CutRule = "subset_order"

    @property
    def counts_train(self) -> tuple[int, ...]:
        """Training images of each class once the budget is spent."""
        return tuple(kept + added for kept, added in zip(self.keep, self.add, strict=True))


_NEUTRAL = {each.name: each.default for each in fields(Budget)}


def exact(value: float) -> Fraction:
    """The number as it is written, so that 0.1 is a tenth and sums hold to the last digit."""
    return Fraction(str(value))


def _not_negative(name: str, got: int) -> UsageError:
    return UsageError(f"Expected {name} of at least 0, but got {got}", where=f"budget.{name}")


def _check_amount(budget: Budget) -> None:
    if budget.amount is None:
        if budget.kind in _NEEDS_AMOUNT:
            raise UsageError(
                f"Expected an amount for budget kind '{budget.kind}', but got none",
                where="budget.amount",
                todo=f"set it: budget={budget.kind} budget.amount=50",
            )
        return
    if budget.kind not in TAKES_AMOUNT:
        raise UsageError(
            f"Expected no amount for budget kind '{budget.kind}', but got {budget.amount}",
            where="budget.amount",
            todo=f"choose a kind that takes one: budget=uniform budget.amount={budget.amount}",
        )
    if budget.amount < 0:
        raise _not_negative("amount", budget.amount)


def _check_counts(budget: Budget) -> None:
    if budget.kind == "list" and budget.counts is None:
        raise UsageError(
            "Expected one count a class for budget kind 'list', but got none",
            where="budget.counts",
            todo="set them: budget=list 'budget.counts=[0,10,20]'",
        )
    if budget.kind != "list" and budget.counts is not None:
        raise UsageError(
            f"Expected no counts for budget kind '{budget.kind}', but got {len(budget.counts)}",
            where="budget.counts",
            todo="use budget=list",
        )
    if budget.counts and min(budget.counts) < 0:
        raise _not_negative("counts", min(budget.counts))


def _check_share(budget: Budget) -> None:
    if budget.kind == "replace" and budget.share is None:
        raise UsageError(
            "Expected a share for budget kind 'replace', but got none",
            where="budget.share",
            todo="set it: budget=replace budget.share=0.5",
        )
    if budget.kind != "replace" and budget.share is not None:
        raise UsageError(
            f"Expected no share for budget kind '{budget.kind}', but got {budget.share:g}",
            where="budget.share",
            todo="use budget=replace",
        )
    if budget.kind == "replace" and budget.keep_real is not None:
        raise UsageError(
            "Expected no keep_real beside budget kind 'replace', which decides what is kept",
            where="budget.keep_real",
            todo="leave it out, or set budget.share",
        )


def resolve(budget: Budget, default: Budget) -> Budget:
    """``budget``, or ``default`` where it is "auto", with what was given beside the kind."""
    if budget.kind != "auto":
        return budget
    given = {each.name: getattr(budget, each.name) for each in fields(budget)}
    changed = {name: value for name, value in given.items() if value != _NEUTRAL[name]}
    return replace(default, **changed | {"kind": default.kind})


def counts_only(budget: Budget) -> Budget:
    """What decides the counts of a budget; limits that can only refuse are dropped."""
    return Budget(
        kind=budget.kind,
        amount=budget.amount,
        counts=budget.counts,
        keep_real=budget.keep_real,
        share=budget.share,
        by=budget.by,
    )


def label(budget: Budget) -> str:
    """A short name for tables: "uniform(50)", "uniform(max)", "level(50000 calls)", "list(390)"."""
    parts: list[str] = []
    if budget.kind in TAKES_AMOUNT:
        parts.append("max" if budget.amount is None else str(budget.amount))
    if budget.kind == "level":
        parts += [f"{budget.limit_calls} calls"] if budget.limit_calls else []
        parts += [f"{budget.limit_seconds:g} s"] if budget.limit_seconds else []
    if budget.counts is not None:
        parts.append(str(sum(budget.counts)))
    if budget.share is not None:
        parts.append(f"{100 * budget.share:g} % of {budget.by}")
    if budget.keep_real is not None:
        parts.append(f"keep_real={budget.keep_real}")
    return f"{budget.kind}({', '.join(parts)})" if parts else budget.kind


def allocate(
    budget: Budget,
    counts_real: Sequence[int],
    *,
    many_above: int = MANY_ABOVE,
    order: Sequence[int] | None = None,
) -> Allocation:
    """Turn real counts into how many real images to keep and how many images to add.

    Args:
        budget: any kind but "auto" and "level".
        counts_real: real training images of each class, in label order.
        many_above: classes with more real images than this are Many, and "tail" leaves them.
        order: labels in the order in which "replace" takes whole classes; None is label order.

    Raises:
        UsageError: the budget is "auto" or "level", or its counts do not match the number of
            classes.
    """
    _check_decided(budget)
    if budget.kind == "replace":
        keep = _unreplaced(budget, counts_real, order or range(len(counts_real)))
        add = tuple(count - kept for count, kept in zip(counts_real, keep, strict=True))
        return Allocation(keep, add, _notes(budget, counts_real, keep, add))
    held = held_real(budget, counts_real)
    target = _beta(budget, counts_real) if budget.kind == "uniform" else None
    keep = held if target is None else tuple(min(count, target) for count in held)
    add = _to_add(budget, counts_real, keep, many_above)
    return Allocation(keep, add, _notes(budget, counts_real, keep, add))


def _check_decided(budget: Budget) -> None:
    if budget.kind == "auto":
        raise UsageError(
            "Expected a resolved budget, but got kind 'auto'",
            where="budget.kind",
            todo="name one: budget=uniform",
        )
    if budget.kind == "level":
        raise UsageError(
            "Expected a protocol that derives the counts for budget kind 'level', but got none",
            where="budget.kind",
            todo="set protocol=iso_nfe budget.limit_calls=100000",
        )


def held_real(budget: Budget, counts_real: Sequence[int]) -> tuple[int, ...]:
    """Real images of each class once ``keep_real`` is applied."""
    if budget.keep_real is None:
        return tuple(counts_real)
    return tuple(min(count, budget.keep_real) for count in counts_real)


def _unreplaced(
    budget: Budget, counts_real: Sequence[int], order: Sequence[int]
) -> tuple[int, ...]:
    """Real images that stay; a larger share replaces those of a smaller one and more."""
    share = exact(budget.share or 0.0)
    if budget.by == "classes":
        gone = set(order[: _nearest(share * len(counts_real))])
        return tuple(0 if label in gone else count for label, count in enumerate(counts_real))
    return tuple(_nearest((1 - share) * count) for count in counts_real)


def _nearest(value: Fraction) -> int:
    """The nearest integer, halves up."""
    return floor(value + Fraction(1, 2))


def _beta(budget: Budget, counts_real: Sequence[int]) -> int:
    return max(counts_real, default=0) if budget.amount is None else budget.amount


def _to_add(
    budget: Budget, counts_real: Sequence[int], keep: tuple[int, ...], many_above: int
) -> tuple[int, ...]:
    if budget.kind == "uniform":
        target = _beta(budget, counts_real)
        return tuple(target - count for count in keep)
    if budget.kind == "add":
        return (budget.amount or 0,) * len(keep)
    if budget.kind == "tail":
        top = budget.amount or 0
        pairs = zip(counts_real, keep, strict=True)
        return tuple(max(top - kept, 0) if real <= many_above else 0 for real, kept in pairs)
    if budget.kind == "list":
        return _listed(budget.counts or (), len(keep))
    return (0,) * len(keep)


def _listed(counts: tuple[int, ...], n_classes: int) -> tuple[int, ...]:
    if len(counts) != n_classes:
        raise UsageError(
            f"Expected {n_classes} counts, one a class, but got {len(counts)}",
            where="budget.counts",
            todo="list the classes' counts in label order: 'budget.counts=[...]'",
        )
    return counts


def _notes(
    budget: Budget, counts_real: Sequence[int], keep: tuple[int, ...], add: tuple[int, ...]
) -> tuple[str, ...]:
    lost = [real - kept for real, kept in zip(counts_real, keep, strict=True)]
    notes = []
    if any(lost) and budget.kind != "replace":
        cut = sum(1 for count in lost if count)
        notes.append(
            f"{cut} of {len(keep)} classes lose {sum(lost)} real images to {label(budget)}"
        )
    if budget.kind not in ("none", "auto") and not any(add):
        notes.append(f"{label(budget)} adds no image")
    return tuple(notes)
