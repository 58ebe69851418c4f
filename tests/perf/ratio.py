"""One measured ratio, and a table of them."""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.boards.text import escape, markdown_table, number

HEADER = ["what", "ratio", "rounds", "goal", "note"]


@dataclass(frozen=True)
class Ratio:
    """A ratio of two costs measured in turn.

    Attributes:
        name: what is compared with what; unique in a table.
        value: the median over rounds.
        low: the smallest of the rounds.
        high: the largest of the rounds.
        goal: what ``value`` should reach; None where there is no goal.
        unit: what follows the number, such as "x" or "%".
        note: how many rounds of what, or what to know.
        at_most: whether the goal is a ceiling instead of a floor.
    """

    name: str
    value: float
    low: float
    high: float
    goal: float | None
    unit: str
    note: str
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    def worse_than(self, before: "Ratio") -> bool:
        """Whether this is worse than ``before`` by more than the rounds of either spread."""
        spread = max(self.high - self.low, before.high - before.low)
        fall = self.value - before.value if self.at_most else before.value - self.value
        return fall > spread


def in_turn(
    ways: Mapping[str, Callable[[], object]], rounds: int, base: str = "usual"
) -> dict[str, list[float]]:
    """CPU seconds of ``base`` over those of every other way, in each round.

    Args:
        ways: what is timed, in this order in every round; a first round is not counted.
        rounds: at least 1.
        base: the way that the others are compared with.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, work in ways.items():
            begin = time.process_time()
            work()
            seconds[name].append(time.process_time() - begin)
    first = seconds.pop(base)
    return {
        name: [one / other for one, other in zip(first[1:], own[1:], strict=True)]
        for name, own in seconds.items()
    }


def of_rounds(
    name: str, rounds: Sequence[float], goal: float | None, unit: str = "x", note: str = "",
    at_most: bool = False,
) -> Ratio:  # fmt: skip
    """The median and the range of the ratios of single rounds, at least one."""
    value = statistics.median(rounds)
    return Ratio(name, value, min(rounds), max(rounds), goal, unit, note, at_most)


def table(rows: Iterable[Ratio]) -> str:
    """A Markdown table of ratios; "no" stands by a goal that is not met."""
    return markdown_table(HEADER, [_cells(row) for row in rows])


def _cells(row: Ratio) -> list[str]:
    value, low, high = (_shown(each, row.unit) for each in (row.value, row.low, row.high))
    return [escape(row.name), f"{value} {row.unit}", f"{low} to {high}", _goal(row), row.note]


def _goal(row: Ratio) -> str:
    if row.goal is None:
        return "-"
    sign = "<=" if row.at_most else ">="
    met = "" if row.met else " (no)"
    return f"{sign} {_shown(row.goal, row.unit)} {row.unit}{met}"


def _shown(value: float, unit: str) -> str:
    return number(value, 1 if unit == "%" else 2)
