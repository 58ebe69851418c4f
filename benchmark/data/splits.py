"""Which rows of each class form the long-tailed subset: pure functions of labels and counts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.groups import Convention, assign
from benchmark.errors import DataError, UsageError
from benchmark.seeds import numpy_generator
from benchmark.system.files import content_hash

Rule = Literal["ldam-seed0", "first-n", "replicate"]
Validation = Literal["none", "carve"]
Rows = list[NDArray[np.int64]]

RULES: dict[str, str] = {
    "ldam-seed0": "legacy RandomState(0): per ascending class shuffle its rows, keep the first n_k",
    "first-n": "the first n_k rows of each class in stored order",
    "replicate": "a seeded permutation of each class, keep the first n_k",
}


@dataclass(frozen=True)
class SplitInfo:
    """How a split was made; records with different ``rule_hash`` never share a table.

    Attributes:
        rule: name of the rule.
        replicate: which of the rule's draws this is.
        rule_hash: hash of the rule's parameters, the same for all replicates.
        rows_hash: hash of the pixels and labels of the chosen training rows, in order.
        source_hash: hash of all images the rows were chosen from, in order.
    """

    rule: str
    replicate: int
    rule_hash: str
    rows_hash: str
    source_hash: str


def choose(rule: Rule, labels: NDArray[np.int64], counts: Sequence[int], replicate: int) -> Rows:
    """The chosen rows of each class, as int64 indices into ``labels``.

    Args:
        rule: a name in ``RULES``.
        labels: int64 (n,), labels of all original training rows.
        counts: rows wanted of each class, in label order.
        replicate: which draw, for the rule "replicate"; the other rules have one draw.

    Raises:
        DataError: a class has fewer rows than wanted.
    """
    own = [np.flatnonzero(labels == label).astype(np.int64) for label in range(len(counts))]
    for label, (rows, wanted) in enumerate(zip(own, counts, strict=True)):
        if len(rows) < wanted:
            raise DataError(f"Expected {wanted} rows of class {label}, but got {len(rows)}")
    ordered = _order(rule, own, replicate)
    return [rows[:wanted] for rows, wanted in zip(ordered, counts, strict=True)]


def _order(rule: Rule, own: Rows, replicate: int) -> Rows:
    if rule == "first-n":
        return own
    if rule == "replicate":
        return [
            numpy_generator(replicate, "subset", label).permutation(rows)
            for label, rows in enumerate(own)
        ]
    legacy = np.random.RandomState(0)
    for rows in own:
        legacy.shuffle(rows)
    return own


def carved_counts(counts: Sequence[int]) -> tuple[int, ...]:
    """Validation rows of each class: floor(n_k / 10)."""
    return tuple(int(count) // 10 for count in counts)


def check_carvable(counts: Sequence[int], convention: Convention) -> None:
    """Refuse validation rows that leave the few-shot classes without any.

    Raises:
        UsageError: there are few-shot classes and none of them has 10 images.
    """
    taken, groups = carved_counts(counts), assign(counts, convention)
    few = [n for n, group in zip(taken, groups, strict=True) if group == "few"]
    if few and not sum(few):
        raise UsageError(
            f"Expected validation rows in the {len(few)} few-shot classes, but got none "
            "(floor(n_k / 10) is 0 in each)",
            where="dataset.val",
            todo="use dataset.val=none: the last checkpoint is reported",
        )


def carve(chosen: Rows, replicate: int) -> tuple[Rows, Rows]:
    """Split chosen rows into training and validation rows, floor(n_k / 10) of each class."""
    train, val = [], []
    for label, rows in enumerate(chosen):
        order = numpy_generator(replicate, "validation", label).permutation(len(rows))
        taken = np.isin(np.arange(len(rows)), order[: len(rows) // 10])
        train.append(rows[~taken])
        val.append(rows[taken])
    return train, val


def rest(total: int, chosen: Rows) -> NDArray[np.int64]:
    """Ascending indices below ``total`` that were not chosen."""
    free = np.ones(total, dtype=bool)
    for rows in chosen:
        free[rows] = False
    return np.flatnonzero(free).astype(np.int64)


def rule_hash(rule: str, **parameters: Any) -> str:
    """Twelve hex digits of a rule and its parameters; the replicate is not among them."""
    return content_hash({"rule": rule, **parameters})


def rows_hash(digests: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
    """Sixteen hex digits of rows: digests of their pixels, uint8 (n, d), and labels, int64 (n,)."""
    state = hashlib.sha256(np.ascontiguousarray(digests).tobytes())
    state.update(labels.astype("<i8").tobytes())
    return state.hexdigest()[:16]
