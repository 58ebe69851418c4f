"""Labels, class names and commands that are markup, formulas, escapes or paths, in every output."""

import csv
import io
import json
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

from benchmark import identity
from benchmark.boards import text
from benchmark.boards.leaderboard import Table, build
from benchmark.errors import IntegrityError, unknown
from benchmark.generation.collections.naming import class_folder
from benchmark.harmless import harmless, is_file_name
from benchmark.report import csv_table, latex, tables
from benchmark.report.console import board_table, console_table
from benchmark.report.page.build import render as render_page
from benchmark.system import console
from benchmark.vocabulary.listing import table as listing_table
from tests.fixtures.boards import runs
from tests.security.cases import Case, each

HARMLESS = "harmless"
TEXTS = [
    # HTML and scripts
    Case("script", "<script>alert(1)</script>", HARMLESS),
    Case("end of a script", "</script><script>alert(1)</script>", HARMLESS),
    Case("comment that stays open", "<!--<script>", HARMLESS),
    Case("picture with a handler", "<img src=x onerror=alert(1)>", HARMLESS),
    Case("end of an attribute", "\" onmouseover='alert(1)' x=\"", HARMLESS),
    Case("end of a tag", "'><svg/onload=alert(1)>", HARMLESS),
    Case("address of a script", "javascript:alert(1)", HARMLESS),
    Case("entity", "&lt;script&gt;&#x3c;b&#62;&amp;", HARMLESS),
    Case("end of CDATA", "]]><![CDATA[", HARMLESS),
    Case("line separators", "a\u2028b\u2029c\x85d", HARMLESS),
    # Markdown
    Case("link", "[here](javascript:alert(1))", HARMLESS),
    Case("picture", "![x](https://evil.example/x.png)", HARMLESS),
    Case("cell and row", "a | b |\n| --- | c", HARMLESS),
    Case("heading", "\n\n# Rank 1\n\n", HARMLESS),
    Case("code fence", "```\nx\n```", HARMLESS),
    Case("one backtick", "a`b", HARMLESS),
    Case("backslash before a bar", "a\\|b", HARMLESS),
    Case("reference", "[x]: https://evil.example", HARMLESS),
    Case("address in angles", "<https://evil.example>", HARMLESS),
    Case("emphasis", "**a** _b_ ~~c~~", HARMLESS),
    Case("mathematics", "$\\frac{1}{0}$ $$x$$", HARMLESS),
    # LaTeX
    Case("input", "\\input{/etc/passwd}", HARMLESS),
    Case("shell", "\\immediate\\write18{touch EXECUTED}", HARMLESS),
    Case("end of the table", "} \\end{tabular} \\def\\x{", HARMLESS),
    Case("comment", "a % b", HARMLESS),
    Case("caret notation", "^^5cinput{x}", HARMLESS),
    Case("catcode", "\\catcode`\\%=12", HARMLESS),
    # spreadsheets
    Case("formula", "=cmd|' /C calc'!A0", HARMLESS),
    Case("formula with plus", "+1+cmd|' /C calc'!A0", HARMLESS),
    Case("formula with minus", "-2+3+cmd|' /C calc'!A0", HARMLESS),
    Case("formula with at", "@SUM(1+1)*cmd|' /C calc'!A0", HARMLESS),
    Case("formula behind a tab", "\t=1+1", HARMLESS),
    Case("formula behind a return", "\r=1+1", HARMLESS),
    Case("quote and comma", 'a","=1+1","', HARMLESS),
    # terminals
    Case("colour", "\x1b[31mred\x1b[0m", HARMLESS),
    Case("cleared screen", "\x1b[2J\x1b[H", HARMLESS),
    Case("title", "\x1b]0;owned\x07", HARMLESS),
    Case("hyperlink", "\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\", HARMLESS),
    Case("clipboard", "\x1b]52;c;ZXZpbA==\x07", HARMLESS),
    Case("answer back", "\x05\x1b[c\x1b[6n", HARMLESS),
    Case("controls of eight bits", "\x9b31m\x9d0;x\x9c", HARMLESS),
    Case("return over the line", "accuracy 10\raccuracy 99", HARMLESS),
    Case("backspaces", "bad\x08\x08\x08good", HARMLESS),
    Case("line breaks", "a\r\nerror: b", HARMLESS),
    Case("right to left", "\u202egnp.exe\u202c", HARMLESS),
    Case("isolates", "\u2066a\u2069\u2067b", HARMLESS),
    Case("marks that are not seen", "a\u200bb\u2060c\ufeffd\U000e0041", HARMLESS),
    Case("a pile of accents", "a" + "\u0301" * 200, HARMLESS),
    # other languages of templates
    Case("Rich", "[red]x[/red] [link=https://evil.example]y[/link]", HARMLESS),
    Case("Rich that does not close", "[/bold]", HARMLESS),
    Case("Jinja", "{{ 7 * 7 }}{% for x in [] %}", HARMLESS),
    Case("format string", "{0.__class__} %s %n {x!r}", HARMLESS),
    Case("resolver of Hydra", "${oc.env:HOME}", HARMLESS),
    Case("shell words", "$(touch EXECUTED) `id` ; rm -rf ~", HARMLESS),
    # names of files
    Case("path up", "../../../etc/passwd", HARMLESS),
    Case("two dots", "..", HARMLESS),
    Case("dots alone", "....", HARMLESS),
    Case("absolute path", "/etc/passwd", HARMLESS),
    Case("path of Windows", "C:\\Windows\\x", HARMLESS),
    Case("device of Windows", "CON", HARMLESS),
    Case("stream of Windows", "a.png:evil", HARMLESS),
    Case("NUL", "a\x00b", HARMLESS),
    Case("300 letters", "a" * 300, HARMLESS),
    Case("300 letters of four bytes", "\U0001d400" * 300, HARMLESS),
    Case("hidden file", ".bashrc", HARMLESS),
    Case("flag", "--config-dir=x", HARMLESS),
    Case("space alone", " ", HARMLESS),
]
SEEN = re.compile(r"[^\n -~\u00a0-\U0010ffff]|[\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


@cache
def records(label: str) -> list[Any]:
    """Two experiments, one of which has a label in every place that takes a text."""
    place = "experiment__", "method__", "dataset__", "recipe__", "backbone__"
    part = {"name": label, "version": 1, "origin": label, "settings": {label: label}}
    changes = {
        "command": label, f"{place[1]}stack": (part,), f"{place[1]}knowledge": (label,),
        "budget__label": label, f"{place[0]}hash": "0" * 12,
        "cost__training__device": label, "environment__cpu": label,
    }  # fmt: skip
    shared = {f"{place[2]}name": label, f"{place[3]}name": label, f"{place[4]}name": label,
              f"{place[2]}split__rule": label}  # fmt: skip
    plain = runs("plain", 60, seeds=2, **shared)
    return [*plain, *runs(label, 80, seeds=2, **shared, **changes)]


@cache
def boards(label: str) -> list[Table]:
    return build(records(label))


@cache
def files(label: str) -> dict[str, str]:
    return tables.render(boards(label))


PLAIN = files("harmless label")


def like(ending: str, content: dict[str, str]) -> str:
    (name,) = (each for each in content if each.endswith(ending) and each != tables.INDEX)
    return content[name]


class Tags(HTMLParser):
    """Counts start tags and names of attributes."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] += 1
        for name, value in attrs:
            self.found[f"{tag} {name}" + (f"={value}" if name in ("href", "src") else "")] += 1


def markdown_shape(content: str) -> tuple[Counter[str], Counter[str]]:
    """Tags that a renderer makes of Markdown, and what it would pass through or link to."""
    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    tokens = parser.parse(content)
    inner = [child for token in tokens for child in token.children or ()]
    return (
        Counter(token.tag for token in tokens if token.type not in ("inline", "paragraph_open")),
        Counter(t.type for t in inner if t.type in ("html_inline", "link_open", "image")),
    )


def commands(content: str) -> Counter[str]:
    """Control sequences of LaTeX that are not letters' own escapes."""
    allowed = {r"\textbackslash", r"\textasciitilde", r"\textasciicircum", r"\textless",
               r"\textgreater", r"\textbar"}  # fmt: skip
    lines = [line for line in content.splitlines() if not line.startswith("%")]
    found = re.findall(r"\\(?:[a-zA-Z]+|[^\n])", "\n".join(lines))
    return Counter(each for each in found if each[1].isalpha() and each not in allowed)


@each(TEXTS)
def test_tables_show_a_text_and_obey_none(case: Case) -> None:
    made = files(case.given)
    for name, content in made.items():
        assert is_file_name(name) and len(name.encode()) < 200
        if not name.endswith(".json"):
            assert not SEEN.search(content), (name, SEEN.search(content))
    assert markdown_shape(like(".md", made)) == markdown_shape(like(".md", PLAIN))
    assert markdown_shape(made[tables.INDEX]) == markdown_shape(PLAIN[tables.INDEX])
    json.loads(like(".json", made))


@each(TEXTS)
def test_latex_runs_no_text(case: Case) -> None:
    made = like(".tex", files(case.given))
    assert commands(made) == commands(like(".tex", PLAIN))
    bare = re.sub(r"\\[{}]", "", made)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"(?<!\\)[_&#]|\^\^", latex.escape(case.given))
    assert [line.count("&") for line in made.splitlines() if line.endswith(r"\\")]


@each(TEXTS)
def test_a_spreadsheet_runs_no_text(case: Case) -> None:
    rows = list(csv.reader(io.StringIO(like(".csv", files(case.given)))))
    assert {len(row) for row in rows} == {len(csv_table.HEADER)}
    for row in rows[1:]:
        for cell in row:
            formula = cell.lstrip()[:1] in tuple("=+-@")
            assert not formula or re.fullmatch(r"-?\d+(\.\d+)?", cell), cell


def test_the_page_holds_texts_as_texts() -> None:
    plain = [one for number in range(len(TEXTS)) for one in boards(f"label {number}")]
    hostile = [one for case in TEXTS for one in boards(case.given)]
    page = render_page(hostile)
    assert Tags(page).found == Tags(render_page(plain)).found
    assert page.count("<script") == page.count("</script") and "<!--" not in page


@each(TEXTS)
def test_a_terminal_obeys_no_text(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    given, screen = case.given, Console(file=io.StringIO(), width=200, force_terminal=False)
    found = records(given)
    screen.print(console_table(found))
    screen.print(board_table(boards(given)[0]))
    shown = [
        screen.file.getvalue(),  # type: ignore[attr-defined]
        *listing_table([(given, given), ("b", given)], 80),
        str(IntegrityError(given, where=Path(given.replace("\0", "")), todo=given)),
        str(unknown("method", given, [given + "x", "b"])),
    ]
    console.say("note", given)
    assert capsys.readouterr().err.count("\n") == 1
    for line in shown:
        assert not SEEN.search(line), SEEN.search(line)
        assert "\n" not in line or line is shown[0]
    assert "[red]" in shown[0] or "[red]" not in given


@each(TEXTS)
def test_a_text_becomes_one_part_of_a_path(case: Case) -> None:
    for name in (identity.slug(case.given), text.slug(case.given), class_folder(3, case.given)):
        assert name.strip(".") and not set(name) & set("/\\:\0\n\x1b ") and name.isprintable()
        assert len(name.encode()) <= 330


def test_plots_write_a_text_as_it_is() -> None:
    pytest.importorskip("matplotlib")
    from benchmark.report.plotting import board, style

    texts = [case.given for case in TEXTS if case.given.isascii() and case.given.isprintable()]
    dots = [
        board.Dot("real", f"{label[:60]} ${label[:20]}$", 50.0, 1.0, 3, "1", False)
        for label in texts[::4]
    ]
    figure, axes = board.draw(dots)
    assert not any(label.get_parse_math() for label in axes.get_yticklabels())
    drawn = style.svg(figure)
    assert b"<script" not in drawn and b"onload" not in drawn


def test_what_is_harmless_stays_and_what_is_not_is_seen() -> None:
    assert harmless("bücher 日本 🙂 a\u200db") == "bücher 日本 🙂 a\u200db"
    assert harmless("\x1b[31m\r\n\u202e\x9b") == r"\x1b[31m\r\n\u202e\x9b"
    for case in TEXTS:
        assert harmless(harmless(case.given)) == harmless(case.given)
