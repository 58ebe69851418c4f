"""The rules of the house that a linter does not check."""

import re
import statistics
from pathlib import Path

import pytest

from tests.house import ROOT, functions, modules, undocumented

FILES = pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))


@FILES
def test_no_function_is_over_60_lines(path: Path) -> None:
    assert [each.where for each in functions(path) if each.lines > 60] == []


@FILES
def test_every_public_name_has_a_docstring(path: Path) -> None:
    assert undocumented(path) == []


@FILES
def test_every_argument_and_result_is_annotated(path: Path) -> None:
    assert [(each.where, each.bare) for each in functions(path) if each.bare] == []


def test_functions_are_small() -> None:
    sizes = [each.lines for path in modules() for each in functions(path)]
    assert statistics.median(sizes) <= 8
    assert sum(size >= 30 for size in sizes) <= 0.02 * len(sizes)


@FILES
def test_no_forbidden_construct(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\beval\((?!\))|\bexec\(|\binput\(|except:\s*$", text, re.MULTILINE)
    # the public test kit disturbs global random state on purpose, to see that nothing minds
    assert path.name == "conformance.py" or not re.search(
        r"(np|numpy)\.random\.(seed|rand|randn|shuffle|permutation)\(", text
    )
