"""The small table printed at the end of a run: one line a record, within 80 columns."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from benchmark.console import duration
from benchmark.errors import unknown
from benchmark.record_models import Record
from benchmark.report import text


def console_table(records: Sequence[Record], convention: str | None = None) -> Table:
    """Label, shot groups, All, added images and time of each record, in the order given.

    Args:
        records: at least one, of one data set.
        convention: of the shot groups; by default the first of the first record.

    Raises:
        UsageError: a record has no such convention.
    """
    name = convention or next(iter(records[0].dataset.conventions))
    table = Table(caption=f"percent; shot groups by {name}; time: generation + training")
    table.add_column("Method", overflow="fold", max_width=26)
    for heading in ("Many", "Medium", "Few", "All", "Added", "Time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        table.add_row(*map(Text, _cells(record, name)))
    return table


def _cells(record: Record, convention: str) -> list[str]:
    found = record.metrics.groups
    if convention not in found:
        raise unknown("convention", convention, found, where=record.experiment.label)
    group = found[convention]
    shares = (group.many, group.medium, group.few, record.metrics.accuracy)
    return [
        f"{record.experiment.label} (seed {record.seed})",
        *(text.percent(share, 1) for share in shares),
        str(sum(record.budget.add)),
        duration(_seconds(record)),
    ]


def _seconds(record: Record) -> float:
    generation = record.cost.generation
    return record.cost.training.seconds + (generation.device_seconds if generation else 0.0)
