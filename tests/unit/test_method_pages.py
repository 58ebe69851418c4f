"""The page of methods: every method once, inert Markdown, and numbers that are the tables' own."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from benchmark.boards import text
from benchmark.boards.leaderboard import build
from benchmark.boards.ours import Ours, ours, read_ours
from benchmark.identity import presets
from benchmark.recording.record_models import Record
from benchmark.registry import BUILT_IN, COMPONENTS, yaml_names
from benchmark.report import method_pages, tables
from benchmark.report.method_pages import FAMILIES, SECTIONS, family, prose, render
from benchmark.verbs.show import show
from benchmark.vocabulary.source import read_class, sections
from tests.fixtures.records import make_record

COMPONENT_NAMES = [e.name for e in COMPONENTS.entries.values() if e.origin == BUILT_IN]
MARKDOWN = MarkdownIt("commonmark").enable("table")


@pytest.fixture(scope="module")
def page() -> str:
    return render(read_ours())


def headings(tokens: list[Token]) -> list[tuple[str, str]]:
    """Level and text of every heading."""
    return [
        (token.tag, following.content)
        for token, following in pairwise(tokens)
        if token.type == "heading_open"
    ]


def words(markdown: str) -> str:
    """What a reader sees of a paragraph: its text without markup."""
    (inline,) = [token for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    assert {child.type for child in inline.children or ()} <= {"text", "code_inline"}
    return "".join(child.content for child in inline.children or ())


def test_every_component_and_preset_has_one_section(page: str) -> None:
    found = [name for level, name in headings(MARKDOWN.parse(page)) if level == "h3"]
    assert sorted(found) == sorted({*COMPONENT_NAMES, *yaml_names("method")})


def test_sections_are_in_alphabetical_order_within_families(page: str) -> None:
    found: dict[str, list[str]] = {}
    for level, name in headings(MARKDOWN.parse(page)):
        if level == "h2":
            found[name] = []
        elif level == "h3":
            found[list(found)[-1]].append(name)
    assert list(found) == [title for title in FAMILIES if title in found]
    assert all(names == sorted(names) and names for names in found.values())
    assert found[FAMILIES[-1]] == sorted(presets())


def test_links_within_the_page_lead_to_a_section(page: str) -> None:
    names = {name for _, name in headings(MARKDOWN.parse(page))}
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) == names & {*COMPONENT_NAMES, *presets()}


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_a_component_states_equation_numbers_and_differences(name: str) -> None:
    source = read_class(COMPONENTS.entry(name).target)
    assert source
    said, parts = sections(source.doc)
    assert list(parts) == list(SECTIONS)
    assert said and all(parts.values())


@pytest.mark.parametrize("name", COMPONENT_NAMES)
def test_a_section_holds_what_the_source_says(name: str, page: str) -> None:
    own = page.split(f"\n### {name}\n")[1].split("\n### ")[0].split("\n## ")[0]
    source = read_class(COMPONENTS.entry(name).target)
    assert source
    _, parts = sections(source.doc)
    fences = [token.content for token in MARKDOWN.parse(own) if token.type == "fence"]
    assert fences == [f"{parts['Equation']}\n", f"{parts['Published']}\n"]
    for setting in source.settings:
        assert f"| `{setting.name}` |" in own
    file = COMPONENTS.entry(name).source
    lines = len((method_pages.PACKAGE.parent / file).read_text().splitlines())
    assert f"[{file}](../{file}) ({lines} lines)" in own


def test_the_page_is_rebuilt_only_where_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert method_pages.pages(tmp_path) == {}
    method_pages.PAGE.parent.mkdir()
    method_pages.PAGE.touch()
    (said,) = method_pages.pages(tmp_path).values()
    assert said == render([])
    assert "no run of it alone is committed" in said


@pytest.mark.parametrize(
    ("hooks", "title"),
    [
        ((), FAMILIES[0]),
        (("__init__", "criterion", "build"), "Losses and class weights"),
        (("stages", "criterion", "streams"), "Stages of training"),
        (("stages", "loss", "views"), "Networks and losses of their own"),
        (("mix", "streams"), "What a batch holds: samplers, mixing, weights of rows"),
        (("request_images", "stages"), "Supplies of images"),
        (("deploy",), "After training"),
        (("start_stage",), "Networks"),
    ],
)
def test_a_family_follows_from_the_hooks(hooks: tuple[str, ...], title: str) -> None:
    assert family(hooks) == title
    assert title in FAMILIES


# escaping


@pytest.mark.parametrize(
    "said",
    [
        "a*b*c and *stars*",
        "_edges_ and in_side",
        "<b>bold</b> & more",
        "[a link](https://x.y) ![i](j)",
        "a | table",
        "1. not a list",
        "12) not a list",
        "- not a bullet",
        "+ nor this",
        "# no heading",
        "> no quote",
        "a backslash \\ and a `tick`",
        "~~struck~~",
    ],
)
def test_prose_is_inert(said: str) -> None:
    assert words(prose(said)) == said


def test_code_in_a_docstring_stays_code() -> None:
    assert prose("set ``a=b|c`` or\n``d``, not *e*") == "set `a=b|c` or `d`, not \\*e\\*"
    assert prose("``a``") == "`a`"


def test_a_difference_may_take_two_lines() -> None:
    said = method_pages._differences("One thing that\ngoes on.\nAnother (``x``).\nnone known")
    assert said == "**Differences**\n\n- One thing that goes on.\n- Another (`x`).\n- none known"


def test_an_equation_with_backticks_does_not_end_its_block() -> None:
    (fence,) = MARKDOWN.parse(method_pages._fenced("Equation", "a\n```\nb"))[3:]
    assert fence.content == "a\n```\nb\n"


def test_sections_of_a_docstring() -> None:
    doc = "One.\n\nTwo: three.\n\nEquation:\n    a\n      b\n\nPublished:\n    c\n\nMore text."
    assert sections(doc) == (
        "One.\n\nTwo: three.\n\nMore text.",
        {"Equation": "a\n  b", "Published": "c"},
    )


# our own numbers


def runs(label: str, seeds: int = 3, **changes: str) -> list[Record]:
    own = {"experiment__label": label, "experiment__hash": text.slug(label).ljust(12, "0")[:12]}
    return [make_record((90, 60, 30, 20 + seed), seed, **own, **changes) for seed in range(seeds)]


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """A folder of leaderboards with rows of several kinds."""
    labels = ("loss", "loss (a=1)", "losses", "loss + more", "first")
    found = [record for label in labels for record in runs(label)] + runs("single", 1)
    for table in build(found):
        for suffix, said in (
            (".csv", tables.csv_table.render(table)),
            (".md", tables.markdown.render(table)),
            (".cost.csv", "cost\n1\n"),
        ):
            (tmp_path / f"{tables.file_stem(table)}{suffix}").write_text(said)
    return tmp_path


def test_rows_are_those_of_the_leaderboard(boards: Path) -> None:
    (table,) = build([record for label in ("loss", "first") for record in runs(label)])
    by_label = {row.label: row for row in read_ours(boards)}
    assert len(by_label) == 6
    for row in table.rows:
        found = by_label[row.label]
        assert found.accuracy == text.estimate(row.accuracy)
        assert found.few == text.percent(row.groups[2])
        assert found.seeds == 3
        assert found.title == "shapes: short"


def test_only_rows_of_the_method_alone_are_its_own(boards: Path) -> None:
    assert {row.label for row in ours("loss", read_ours(boards))} == {"loss", "loss (a=1)"}
    assert ours("more", read_ours(boards)) == []


def test_a_single_run_has_no_interval(boards: Path) -> None:
    (row,) = ours("single", read_ours(boards))
    assert re.fullmatch(r"\d\d\.\d\d", row.accuracy)


def test_a_budget_in_the_label_is_no_part_of_the_name() -> None:
    row = Ours("t", "d", "b", "a + b (x=1) @ uniform(max, keep_real=0)", "u", 1, "1", "1")
    assert row.method == "a + b"


def test_our_numbers_are_in_the_section_with_their_table(boards: Path) -> None:
    row = ours("loss", read_ours(boards))[0]
    name = COMPONENT_NAMES[0]
    said = render([Ours(**(vars(row) | {"label": name}))]).split(f"\n### {name}\n")[1]
    line = next(line for line in said.splitlines() if row.accuracy in line)
    assert f"[shapes: short](../leaderboards/tables/{row.table}.md)" in line


def test_show_prints_our_numbers_and_where_they_are_missing() -> None:
    rows = read_ours()
    names = {row.method for row in rows}
    for name in sorted({*COMPONENT_NAMES, *presets()}):
        said = show(f"method={name}")
        assert ("ours  accuracy of committed runs" in said) == (name in names)
        assert all(row.accuracy in said for row in ours(name, rows))


def test_show_prints_the_sections() -> None:
    for name in COMPONENT_NAMES:
        assert all(f"\n{title}:\n    " in show(f"method={name}") for title in SECTIONS)
