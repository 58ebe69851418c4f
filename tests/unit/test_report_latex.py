"""Leaderboards as LaTeX: well-formed, escaped, and saying what the Markdown says."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.report import latex
from tests.fixtures.boards import GENERATED, POOL, board, one, runs

STEM = "shapes-p1-00000000"
CELL = re.compile(r"(?<!\\)&")
DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{xcolor}
\begin{document}
%s
\end{document}
"""


def plain(text: str) -> str:
    """Without the escapes that stand for a character."""
    return re.sub(r"\\[{}_%&#$]", "", text)


def balanced(text: str) -> bool:
    depth = 0
    for char in plain(text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            return False
    return depth == 0


def lines(text: str) -> list[str]:
    """The rows of the table: heads, then methods."""
    return [line.strip() for line in text.splitlines() if CELL.search(line)]


def row(text: str, label: str) -> str:
    return next(line for line in lines(text)[1:] if latex.escape(label) in line)


@pytest.fixture(scope="module")
def shown() -> str:
    return latex.render(one(board()), STEM)


def test_braces_and_environments_are_balanced(shown: str) -> None:
    assert balanced(shown)
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", shown) for word in ("begin", "end"))
    assert begun == ["table", "tabular"] and ended == begun[::-1]
    assert shown.count("$") % 2 == 0


def test_every_row_has_as_many_cells_as_there_are_columns(shown: str) -> None:
    (columns,) = re.findall(r"\\begin{tabular}{(\w+)}", shown)
    found = lines(shown)
    assert len(found) == 1 + 5
    assert {len(CELL.findall(line)) + 1 for line in found} == {len(columns)}
    assert all(line.endswith(r" \\") for line in found)


def test_rules_of_booktabs_and_no_others(shown: str) -> None:
    rules = re.findall(r"\\(toprule|midrule|bottomrule|hline|cline)", shown)
    assert rules == ["toprule", "midrule", "midrule", "bottomrule"]
    assert "|" not in shown


def test_the_head_says_how_to_rebuild_it_and_what_it_needs(shown: str) -> None:
    head = [line for line in shown.splitlines() if line.startswith("%")]
    assert head[0] == "% shapes: short"
    assert any("python -m benchmark report" in line for line in head)
    assert re.findall(r"usepackage{(\w+)}", head[-1]) == ["booktabs", "graphicx", "xcolor"]
    assert rf"\label{{tab:{STEM}}}" in shown


def test_tracks_are_apart_and_ranked_within(shown: str) -> None:
    real, synthetic = (shown.index(rf"\emph{{Track: {name}}}") for name in ("real", "synthetic"))
    assert real < shown.index("better") < synthetic < shown.index(r"\textbf{drawn}")
    assert r"\textbf{1\,a} & \textbf{drawn}" in shown


def test_bold_where_the_range_holds_one(shown: str) -> None:
    assert row(shown, "better").startswith(r"\textbf{1--2\,a} & \textbf{better} & 4 & \textbf{")
    assert row(shown, "plain").startswith(r"3\,b & plain & 4 & ")


def test_fewer_than_three_seeds_are_grey_and_unranked(shown: str) -> None:
    cells = CELL.split(row(shown, "single").removesuffix(r" \\"))
    assert all(cell.strip().startswith(r"\textcolor{gray}{") for cell in cells)
    assert cells[0].strip() == r"\textcolor{gray}{--}" and "textbf" not in "".join(cells)
    assert shown.count("textcolor") == len(cells)
    three = latex.render(one(runs("three", 60, seeds=3)), STEM)
    assert "textcolor" not in three and r"\textbf{1\,a}" in three


def test_intervals_and_differences(shown: str) -> None:
    assert r" $\pm$ " in row(shown, "plain") and "& reference &" in row(shown, "plain")
    assert re.search(r"\$\+\$\d+\.\d\d \$\\pm\$ \d\.\d\d\$\^{\*}\$ & 40 ", row(shown, "drawn"))
    lower = latex.render(one([*runs("plain", 60), *runs("worse", 40, **GENERATED)]), STEM)
    assert re.search(r"& \$-\$\d+\.\d\d ", row(lower, "worse"))


def test_rows_of_one_pool_are_marked_and_the_mark_explained(shown: str) -> None:
    assert row(shown, "drawn").count(r"\ddagger") == 1
    assert r"$^{\ddagger}$: conditional on one pool." in shown
    pool: dict[str, Any] = {**GENERATED, "pool": {**POOL, "replicated_with_seed": True}}
    assert "ddagger" not in latex.render(one(runs("drawn", 90, **pool)), STEM)


@pytest.mark.parametrize("char", "_%&#$~^\\{}<>|")
def test_special_characters_are_escaped(char: str) -> None:
    found = latex.escape(f"a{char}b")
    assert found.startswith("a\\") and found.endswith("b") and len(found) > 3
    assert balanced(found) and not CELL.search(found)


@given(st.text())
def test_an_escaped_label_stays_in_its_cell(label: str) -> None:
    found = latex.escape(label)
    assert "\n" not in found and balanced(found)
    assert not re.search(r"(?<!\\)[&%#$_]", found)
    # every backslash begins an escape of ours
    assert not re.sub(
        r"\\([{}_%&#$]|text(backslash|asciitilde|asciicircum|less|greater|bar){})", "", found
    ).count("\\")


def test_hostile_labels_break_nothing() -> None:
    label = "a & b \\\\ \\input{x} % $ _ # ~ ^ {"
    text = latex.render(one(runs(label, 60, dataset__name="x\n\\end{table}")), STEM)
    assert balanced(text) and {len(CELL.findall(line)) for line in lines(text)} == {8}
    assert "\\input{" not in text and text.count("\\end{table}") == 2
    assert text.splitlines()[0] == "% x \\end{table}: short"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
def test_it_compiles(shown: str, tmp_path: Path) -> None:
    hostile = latex.render(one(runs("_%&#$~^\\{}<>|", 60)), "other-p1-00000000")
    (tmp_path / "t.tex").write_text(DOCUMENT % (shown + hostile))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Overfull" not in done.stdout, done.stdout[-2000:]
