"""Tables inside hand-written pages: blocks between markers, rendered from records and checked.

A block begins with ``<!-- chain of DATASET: label; label; ... -->`` and ends with
``<!-- end -->``.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from benchmark.record_models import Record
from benchmark.report.chain import chain_table

_BLOCK = re.compile(
    r"(<!-- chain of (?P<data>[^:]*): (?P<labels>[^>]*?) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)


def render(page: str, records: Iterable[Record]) -> str:
    """The page with every block rebuilt; the rest is untouched.

    Raises:
        UsageError: a label of a block is unknown or ambiguous.
    """
    found = list(records)

    def rebuilt(block: re.Match[str]) -> str:
        labels = [label.strip() for label in block["labels"].split(";")]
        own = [record for record in found if record.dataset.name == block["data"]]
        return f"{block[1]}\n{chain_table(own, labels)}\n{block['end']}"

    return _BLOCK.sub(rebuilt, page)


def stale(page: Path, records: Iterable[Record]) -> bool:
    """Whether a page's blocks differ from what the records give; False without the page."""
    if not page.is_file():
        return False
    text = page.read_text(encoding="utf-8")
    return render(text, records) != text
