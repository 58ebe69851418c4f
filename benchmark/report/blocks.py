"""Tables inside hand-written pages: blocks between markers, rendered from records and checked.

A block begins with ``<!-- chain of DATASET: label; label; ... -->`` (differences from step to
step), ``<!-- supplies of DATASET: label; ... -->`` (accuracy beside cost) or ``<!-- columns -->``
(what the keys of a leaderboard's JSON are) and ends with ``<!-- end -->``.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmark.boards import text
from benchmark.errors import UsageError
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import TableKey, key_of
from benchmark.report.chain import chain_table
from benchmark.report.columns import COLUMNS
from benchmark.report.supplies import supply_table

_BLOCK = re.compile(
    r"(<!-- (?:(?P<kind>chain|supplies) of (?P<data>[^:]*): (?P<labels>[^>]*?)|columns) -->\n)"
    r".*?(?P<end><!-- end -->)",
    re.DOTALL,
)

_TABLES = {"chain": chain_table, "supplies": supply_table}


def rebuilt(path: Path, records: Iterable[Record]) -> str:
    """The text of a page with every block rebuilt; see ``render``.

    Raises:
        UsageError: a label of a block is unknown or ambiguous; names the page.
    """
    try:
        return render(path.read_text("utf-8"), records)
    except UsageError as error:
        raise UsageError(
            f"In a block of this page: {error.problem}", where=path, todo=error.todo
        ) from error


def render(page: str, records: Iterable[Record]) -> str:
    """The page with every block rebuilt; the rest is untouched.

    Raises:
        UsageError: a label of a block is unknown or ambiguous.
    """
    found = list(records)

    def rebuilt(block: re.Match[str]) -> str:
        return f"{block[1]}\n{_table(block, found)}\n{block['end']}"

    return _BLOCK.sub(rebuilt, page)


def _table(block: re.Match[str], records: list[Record]) -> str:
    if block["kind"] is None:
        cells = [[text.code_cell(c.name), c.unit or "-", text.escape(c.text)] for c in COLUMNS]
        return text.markdown_table(["Key", "Unit", "What it is"], cells, 3)
    labels = [label.strip() for label in block["labels"].split(";")]
    own = [record for record in records if record.dataset.name == block["data"]]
    return _TABLES[block["kind"]](_of_one_table(own, labels), labels)


def _of_one_table(records: list[Record], labels: list[str]) -> list[Record]:
    """The largest table that has all the rows: a shorter run of a row has a table of its own."""
    tables: dict[TableKey, list[Record]] = {}
    for record in records:
        tables.setdefault(key_of(record), []).append(record)
    whole = [key for key, own in tables.items() if set(labels) <= _names(own)]
    return tables[max(whole, key=lambda key: (len(tables[key]), key))] if whole else records


def _names(records: Iterable[Record]) -> set[str]:
    names = ((each.experiment.label, each.experiment.hash) for each in records)
    return {name for pair in names for name in pair}
