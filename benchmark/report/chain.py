"""What each step of a chain of methods brings, by paired differences on common seeds."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, distinct, pick, rows_of
from benchmark.errors import UsageError
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import key_of
from benchmark.statistics import stats


def chain_table(records: Iterable[Record], labels: Sequence[str]) -> str:
    """A Markdown table of consecutive differences in "All", and of the last row to the first.

    Args:
        records: in any order; those of other rows are ignored.
        labels: at least two labels or experiment hashes, in order.

    Raises:
        UsageError: a label is unknown or ambiguous, or two rows may not share a table.
    """
    if len(labels) < 2:
        raise UsageError(f"Expected at least two labels in a chain, but got {len(labels)}")
    rows = rows_of(distinct(records))
    chain = [pick(rows, label) for label in labels]
    check_comparable(chain)
    pairs = list(pairwise(chain))
    if len(chain) > 2:
        pairs.append((chain[0], chain[-1]))
    header = ["Step", "From", "To", "Paired difference", "Seeds won"]
    return text.markdown_table(header, [_line(before, after) for before, after in pairs])


def check_comparable(chain: Sequence[Row]) -> None:
    """Refuse rows that may not share a table (UsageError)."""
    first = chain[0]
    for row in chain:
        if key_of(row.first) != key_of(first.first):
            raise UsageError(
                f"Expected rows of one table, but got '{first.label}' ({key_of(first.first)}) and "
                f"'{row.label}' ({key_of(row.first)})",
                todo="choose rows of one data set, recipe and backbone",
            )


def _line(before: Row, after: Row) -> list[str]:
    gap = stats.paired(after.values, before.values)
    step = f"{text.escape(before.label)} → {text.escape(after.label)}"
    won = f"{gap.wins} of {gap.n}" if gap else text.NONE
    means = [text.percent(row.accuracy.mean) for row in (before, after)]
    return [step, *means, text.difference(gap), won]
