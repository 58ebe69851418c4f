"""Labels cannot inject markup; numbers print the same everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.boards import text
from benchmark.statistics.stats import Difference, Estimate


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("a|b", "a\\|b"),
        ("a\nb\r\n| c", "a b \\| c"),
        ("`x`", "\\`x\\`"),
        ("<script>&", "&lt;script&gt;&amp;"),
        ("[a](b)", "\\[a\\](b)"),
        ("**bold**", "\\*\\*bold\\*\\*"),
        ("domain_mixup", "domain_mixup"),
        ("_x_", "\\_x\\_"),
        ("\\|", "\\\\\\|"),
    ],
)
def test_escape(label: str, expected: str) -> None:
    assert text.escape(label) == expected


@given(st.text())
def test_escaped_text_stays_in_its_cell(label: str) -> None:
    bare = text.escape(label).replace("\\\\", "")
    assert len(bare.splitlines()) <= 1
    assert "|" not in bare.replace("\\|", "") and "<" not in bare
    assert "`" not in bare.replace("\\`", "")


@given(st.text(alphabet="a` \n", max_size=12))
def test_code_span_cannot_be_left(command: str) -> None:
    span = text.code(command)
    fence = span[: len(span) - len(span.lstrip("`"))] if command.strip() else ""
    inner = span[len(fence) : len(span) - len(fence)]
    assert "\n" not in span
    assert not fence or fence not in inner


def test_numbers() -> None:
    assert text.percent(None) == "n/a" and text.percent(0.12345) == "12.35"
    assert text.number(-0.001, 2) == "0.00"
    assert text.estimate(Estimate(0.5, None, 1)) == "50.00"
    assert text.estimate(Estimate(0.5, 0.01, 3)) == "50.00 ± 1.00"
    assert text.difference(None) == "-"
    assert text.difference(Difference(-0.01, 0.002, 0, 3, 0.1)) == "-1.00 ± 0.20"
    assert text.difference(Difference(0.01, None, 1, 1, 1.0)) == "+1.00"
    assert text.ranks(None) == "-" and text.ranks((2, 2)) == "2" and text.ranks((1, 3)) == "1-3"
    assert text.slug("A b/c_1.0!") == "a-b-c-1.0" and text.slug("..") == "table"
