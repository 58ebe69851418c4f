"""A leaderboard as a LaTeX table in the style of booktabs, ready to paste into a paper."""

from collections.abc import Sequence
from itertools import groupby

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import title
from benchmark.harmless import harmless
from benchmark.report.markdown import RANK_TESTS, REFERENCE_TESTS, REPORT_COMMAND
from benchmark.statistics import stats
from benchmark.statistics.stats import Difference, Estimate

_SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "_": r"\_", "%": r"\%", "&": r"\&",
    "#": r"\#", "$": r"\$", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
_NONE = "--"
_ONE_POOL = r"^{\ddagger}"


def escape(label: str) -> str:
    """A label as inert LaTeX text on one line; other scripts are left to the document's fonts."""
    line = harmless(" ".join(label.split()))
    return "".join(_SPECIAL.get(char, char) for char in line)


def render(table: Table, stem: str) -> str:
    """The whole file of one table.

    Args:
        table: the leaderboard.
        stem: name of its files, which becomes the label.
    """
    return "\n".join([
        f"% {_comment(title(table))}",
        f"% Rebuilt from the records by: {REPORT_COMMAND}",
        "% Commands, costs and hashes of the rows are in the Markdown and JSON files beside it.",
        r"% Needs \usepackage{booktabs}, \usepackage{graphicx} and \usepackage{xcolor}.",
        r"\begin{table}",
        r"  \centering",
        r"  \setlength{\belowcaptionskip}{6pt}",
        rf"  \caption{{{caption(table)}}}",
        rf"  \label{{tab:{stem}}}",
        r"  \small",
        # only a table that is too wide shrinks
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        *_tabular(table),
        r"  }",
        r"\end{table}",
        "",
    ])  # fmt: skip


def _comment(line: str) -> str:
    return harmless(" ".join(line.split()))


def caption(table: Table) -> str:
    """What the table holds and how to read it."""
    test, base, rows = RANK_TESTS[table.design], REFERENCE_TESTS[table.design], table.rows
    said = [
        f"{escape(title(table))}; backbone {escape(table.key.backbone)}.",
        r"Accuracy in percent: mean over seeds $\pm$ half-width of the 95\,\% Student interval;",
        f"shot groups by convention {escape(table.convention)}.",
        "Ranks hold within a track; rows of a track that share a letter are not told apart",
        rf"({test}, Holm's correction, 5\,\%). Bold: the range of ranks holds 1.",
        f"Grey: fewer than {stats.MIN_SEEDS} seeds, unranked.",
        *([rf"${_ONE_POOL}$: conditional on one pool."] if any(r.one_pool for r in rows) else []),
        rf"$^{{*}}$: differs from the reference ({base}, 5\,\%).",
    ]
    return " ".join(said)


def header(table: Table) -> list[str]:
    """The headings of the columns."""
    base = escape(table.reference.label) if table.reference else "reference"
    return ["Rank", "Method", "Seeds", "All", "Many", "Medium", "Few", f"vs {base}", "Added"]


def _tabular(table: Table) -> list[str]:
    heads = header(table)
    columns = "ll" + "r" * (len(heads) - 2)
    lines = [rf"  \begin{{tabular}}{{{columns}}}", r"    \toprule", _line(heads)]
    for track, rows in groupby(table.rows, lambda row: row.track):
        lines += [
            r"    \midrule",
            rf"    \multicolumn{{{len(heads)}}}{{l}}{{\emph{{Track: {track}}}}} \\",
            *(_line(_cells(row, table)) for row in rows),
        ]
    return [*lines, r"    \bottomrule", r"  \end{tabular}%"]


def _line(cells: Sequence[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _cells(row: Row, table: Table) -> list[str]:
    cells = [
        _strong(_rank(row), row),
        _strong(escape(row.label), row) + (f"${_ONE_POOL}$" if row.one_pool else ""),
        str(row.accuracy.n),
        _strong(_estimate(row.accuracy), row),
        *(_NONE if group is None else text.percent(group) for group in row.groups),
        _gap(row, table),
        str(row.added),
    ]
    return [rf"\textcolor{{gray}}{{{cell}}}" for cell in cells] if row.ranks is None else cells


def _strong(cell: str, row: Row) -> str:
    return rf"\textbf{{{cell}}}" if row.may_be_first else cell


def _rank(row: Row) -> str:
    if row.ranks is None:
        return _NONE
    return text.ranks(row.ranks).replace("-", "--") + (rf"\,{row.letters}" if row.letters else "")


def _estimate(value: Estimate) -> str:
    return _with_width(text.percent(value.mean), value.half_width)


def _with_width(shown: str, half_width: float | None) -> str:
    return shown if half_width is None else rf"{shown} $\pm$ {text.percent(half_width)}"


def _gap(row: Row, table: Table) -> str:
    gap: Difference | None = row.difference
    if table.reference is not None and row.hash == table.reference.hash:
        return "reference"
    if gap is None:
        return _NONE
    shown = text.percent(gap.mean)
    signed = shown.replace("-", "$-$") if shown.startswith("-") else f"$+${shown}"
    return _with_width(signed, gap.half_width) + ("$^{*}$" if row.differs else "")
