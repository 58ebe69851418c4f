"""The table of faults is current, and each row names a test that exists and says what it says."""

import ast
from pathlib import Path

import pytest

from tests.faults.rows import ROWS, SILENT, Row
from tests.faults.table import TARGET, page

HERE = Path(__file__).parent


def test_the_page_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == page(), "run: python -m tests.faults.table"


def test_there_are_enough_rows_and_none_twice() -> None:
    assert len(set(ROWS)) == len(ROWS) >= 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.fault}-{row.to}")
def test_the_test_of_a_row_exists_and_looks_for_its_message(row: Row) -> None:
    file, _, rest = row.test.partition("::")
    name = rest.partition("[")[0]
    text = (HERE / file).read_text(encoding="utf-8")
    found = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert name in found
    if row.said not in (SILENT, "check --all"):
        assert row.said in text
