"""Which training images a fit sees at each step: classes in turn, and each class's images in turn.

Every position of every step is a pure function of the seed, so nothing of it needs saving.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.seeds import numpy_generator


@lru_cache(maxsize=4096)
def _order(seed: int, unit: str, what: str, turn: int, n: int) -> tuple[int, ...]:
    rng = numpy_generator(seed, "fit", unit, what, turn)
    return tuple(int(value) for value in rng.permutation(n))


@dataclass(frozen=True, eq=False)
class Draws:
    """The rows of every step of one adapter's training.

    Classes take turns in an order of their own for each round, so over any number of steps they
    are drawn equally often, give or take one, however long their tail is. So do the images within
    a class.

    Attributes:
        labels: int64 (n,) class of every training row.
        classes: labels that take part, each with at least one row.
        steps: optimiser steps.
        batch_size: rows a step.
        seed: of the fit.
        unit: name of the adapter.
    """

    labels: NDArray[np.int64]
    classes: Sequence[int]
    steps: int
    batch_size: int
    seed: int
    unit: str

    @cached_property
    def _members(self) -> list[list[int]]:
        return [np.flatnonzero(self.labels == label).tolist() for label in self.classes]

    def rows(self, step: int) -> list[int]:
        """Positions in ``labels`` of the rows of a step (0-based)."""
        first = step * self.batch_size
        return [self._row(position) for position in range(first, first + self.batch_size)]

    def _row(self, position: int) -> int:
        turn, place = divmod(position, len(self.classes))
        index = _order(self.seed, self.unit, "classes", turn, len(self.classes))[place]
        members = self._members[index]
        cycle, place = divmod(turn, len(members))
        name = f"rows of {self.classes[index]}"
        return members[_order(self.seed, self.unit, name, cycle, len(members))[place]]

    @cached_property
    def used(self) -> list[int]:
        """All rows that are drawn at least once, sorted."""
        turns = self.steps * self.batch_size // len(self.classes)
        if turns >= max(len(members) for members in self._members):
            return sorted(row for members in self._members for row in members)
        return sorted({row for step in range(self.steps) for row in self.rows(step)})
