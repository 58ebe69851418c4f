"""How many images each class gets: an axis of every experiment.

``allocate`` is pure: counts in, counts out. Nothing here knows where the images come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.config import NonNegativeInt
from benchmark.errors import UsageError

BudgetKind = Literal["auto", "none", "uniform", "add", "tail", "list"]
MANY_ABOVE = 100
_TAKES_AMOUNT = ("uniform", "add", "tail")
_NEEDS_AMOUNT = ("add", "tail")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A rule that turns real counts into counts to keep and to add.

    Attributes:
        kind: "none" adds nothing; "uniform" gives every class exactly ``amount`` images and cuts
            real ones above it (U_beta); "add" adds ``amount`` to every class (LT+alpha); "tail"
            fills Few and Medium classes up to ``amount``; "list" adds ``counts``; "auto" is the
            method's default and has to be resolved first.
        amount: images a class, at least 0; for "uniform", None is the largest real count.
        counts: images to add to each class, in label order, for "list".
        keep_real: at most this many real images of each class are kept; 0 is all-synthetic.

    Raises:
        UsageError: a setting is missing, negative, or has no meaning for ``kind``.
    """

    kind: BudgetKind
    amount: NonNegativeInt | None = None
    counts: tuple[NonNegativeInt, ...] | None = None
    keep_real: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        _check_amount(self)
        _check_counts(self)
        if self.keep_real is not None and self.keep_real < 0:
            raise _not_negative("keep_real", self.keep_real)


@dataclass(frozen=True)
class Allocation:
    """What a budget means for one data set.

    Attributes:
        keep: real images kept in each class.
        add: images to add to each class.
        notes: what a reader should know, e.g. how many classes lose real images.
    """

    keep: tuple[int, ...]
    add: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def counts_train(self) -> tuple[int, ...]:
        """Training images of each class once the budget is spent."""
        return tuple(kept + added for kept, added in zip(self.keep, self.add, strict=True))


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
    if budget.kind not in _TAKES_AMOUNT:
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


def resolve(budget: Budget, default: Budget) -> Budget:
    """``budget``, or ``default`` where it is "auto", with the ``keep_real`` given beside it."""
    if budget.kind != "auto":
        return budget
    return default if budget.keep_real is None else replace(default, keep_real=budget.keep_real)


def label(budget: Budget) -> str:
    """A short name for tables: "uniform(50)", "uniform(max)", "add(20)", "none", "list(390)"."""
    parts: list[str] = []
    if budget.kind in _TAKES_AMOUNT:
        parts.append("max" if budget.amount is None else str(budget.amount))
    if budget.counts is not None:
        parts.append(str(sum(budget.counts)))
    if budget.keep_real is not None:
        parts.append(f"keep_real={budget.keep_real}")
    return f"{budget.kind}({', '.join(parts)})" if parts else budget.kind


def allocate(
    budget: Budget, counts_real: Sequence[int], *, many_above: int = MANY_ABOVE
) -> Allocation:
    """Turn real counts into how many real images to keep and how many images to add.

    Args:
        budget: any kind but "auto".
        counts_real: real training images of each class, in label order.
        many_above: classes with more real images than this are Many, and "tail" leaves them.

    Raises:
        UsageError: the budget is "auto", or its counts do not match the number of classes.
    """
    if budget.kind == "auto":
        raise UsageError(
            "Expected a resolved budget, but got kind 'auto'",
            where="budget.kind",
            todo="name one: budget=uniform",
        )
    held = _held(budget, counts_real)
    target = _beta(budget, counts_real) if budget.kind == "uniform" else None
    keep = held if target is None else tuple(min(count, target) for count in held)
    add = _to_add(budget, counts_real, keep, many_above)
    return Allocation(keep, add, _notes(budget, counts_real, keep, add))


def _held(budget: Budget, counts_real: Sequence[int]) -> tuple[int, ...]:
    if budget.keep_real is None:
        return tuple(counts_real)
    return tuple(min(count, budget.keep_real) for count in counts_real)


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
    if any(lost):
        cut = sum(1 for count in lost if count)
        notes.append(
            f"{cut} of {len(keep)} classes lose {sum(lost)} real images to {label(budget)}"
        )
    if budget.kind not in ("none", "auto") and not any(add):
        notes.append(f"{label(budget)} adds no image")
    return tuple(notes)
