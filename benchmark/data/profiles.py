"""How many training images each class keeps, head first: exponential, step or natural."""

from collections.abc import Sequence
from typing import Literal

from benchmark.errors import UsageError

Profile = Literal["exponential", "step", "natural"]


def exponential(n_max: int, imbalance: float, n_classes: int) -> tuple[int, ...]:
    """n_k = trunc(n_max (1 / imbalance)^(k / (K - 1))), truncated as in every published code.

    Args:
        n_max: images of the head class, >= 1.
        imbalance: wanted ratio of head to tail, >= 1; truncation can make the real one larger.
        n_classes: K >= 1.
    """
    last = max(n_classes - 1, 1)
    return tuple(int(n_max * (1 / imbalance) ** (k / last)) for k in range(n_classes))


def step(n_max: int, imbalance: float, n_classes: int) -> tuple[int, ...]:
    """The first K // 2 classes keep ``n_max``, the others trunc(n_max / imbalance)."""
    head = n_classes // 2
    return (n_max,) * head + (int(n_max / imbalance),) * (n_classes - head)


def induced(
    profile: Profile,
    n_max: int | None,
    imbalance: float | None,
    natural: Sequence[int],
    *,
    where: str = "dataset",
) -> tuple[int, ...]:
    """Counts of a profile for data that has ``natural`` images of each class.

    Args:
        profile: "natural" keeps the counts as they are and takes neither number.
        n_max: images of the head class.
        imbalance: wanted ratio of head to tail, >= 1.
        natural: available training images of each class, in label order.
        where: configuration path named in errors.

    Raises:
        UsageError: missing numbers, an empty tail class, or more images than there are.
    """
    if profile == "natural":
        return tuple(int(count) for count in natural)
    if n_max is None or imbalance is None:
        raise UsageError(
            f"Expected n_max and imbalance for the profile '{profile}', but got none",
            where=where,
            todo="set both, or use profile=natural",
        )
    shape = exponential if profile == "exponential" else step
    counts = shape(n_max, imbalance, len(natural))
    _check(counts, natural, where)
    return counts


def _check(counts: Sequence[int], natural: Sequence[int], where: str) -> None:
    for label, (wanted, available) in enumerate(zip(counts, natural, strict=True)):
        if wanted < 1:
            raise UsageError(
                f"Expected at least 1 image a class, but class {label} gets {wanted}",
                where=f"{where}.imbalance",
                todo="lower the imbalance or raise n_max",
            )
        if wanted > available:
            raise UsageError(
                f"Expected at most {available} images of class {label}, but got {wanted}",
                where=f"{where}.n_max",
                todo="lower n_max",
            )
