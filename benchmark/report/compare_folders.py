"""Two folders of records, experiment by experiment: own runs against the committed ones."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.boards import text
from benchmark.boards.comparison import Comparison, Metric, compare
from benchmark.boards.leaderboard import Row
from benchmark.errors import UsageError
from benchmark.report.compare_text import WIDTH, p_text
from benchmark.statistics import stats
from benchmark.vocabulary.listing import table


@dataclass(frozen=True)
class Folders:
    """What two folders have in common.

    Attributes:
        pairs: the comparison of every experiment that both have, by label and hash.
        p_values: of each, corrected by Holm; 1 where nothing was tested.
        only: how many experiments A and B have alone.
    """

    pairs: tuple[Comparison, ...]
    p_values: tuple[float, ...]
    only: tuple[int, int]


def compare_folders(
    firsts: Sequence[Row], seconds: Sequence[Row], *, metric: Metric, margin: float
) -> Folders:
    """Compare the experiments that two folders share, by hash.

    Raises:
        UsageError: they share none.
    """
    other = {row.hash: row for row in seconds}
    shared = [row for row in firsts if row.hash in other]
    if not shared:
        raise UsageError(
            f"Expected folders that share experiments, but got {len(firsts)} and {len(seconds)} "
            "with no hash in common",
            todo="name one experiment in each: labels, hashes or folders",
        )
    shared.sort(key=lambda row: (row.label, row.hash))
    pairs = tuple(
        compare(row, other[row.hash], seconds, metric=metric, margin=margin) for row in shared
    )
    gaps = [pair.chosen.difference for pair in pairs]
    corrected = stats.holm([gap.p if gap else 1.0 for gap in gaps])
    alone = len(firsts) - len(shared), len(seconds) - len(shared)
    return Folders(pairs, tuple(corrected), alone)


def render(found: Folders) -> str:
    """A line for each experiment, within 80 columns."""
    margin = text.percent(found.pairs[0].margin)
    header = ("A", "B", "A - B", "p (Holm)", f"within {margin}", "experiment")
    lines = [_line(pair, p) for pair, p in zip(found.pairs, found.p_values, strict=True)]
    alone = f"Experiments in both: {len(lines)}; in A only: {found.only[0]}; in B only: "
    return "\n".join([*table([header, *lines], WIDTH, wrap=True), "", f"{alone}{found.only[1]}."])


def _line(pair: Comparison, p: float) -> tuple[str, ...]:
    chosen = pair.chosen
    tested = chosen.equivalence is not None and chosen.equivalence.tested
    return (
        *(
            text.estimate(row) if row else text.NOT_AVAILABLE
            for row in (chosen.first, chosen.second)
        ),
        text.difference(chosen.difference),
        p_text(p) if tested else text.NONE,
        chosen.equivalence.verdict if tested and chosen.equivalence else "not tested",
        pair.first.label,
    )
