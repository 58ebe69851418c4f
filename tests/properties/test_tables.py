"""Tables of hostile names, words of grids, units: nothing is lost and nothing breaks out."""

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.boards import text
from benchmark.boards.leaderboard import build
from benchmark.errors import UsageError
from benchmark.grid import grids
from benchmark.grid.grid_run import _listed
from benchmark.harmless import harmless
from benchmark.report import csv_table, json_table, latex, markdown
from benchmark.system.console import duration
from benchmark.vocabulary.listing import table
from tests.fixtures.boards import runs
from tests.properties.amount import examples

# what JSON, and so a record, can hold: anything but lone surrogates
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=25)
HOSTILE = NAME | st.sampled_from(
    ["|", "a | b", "`x`", "<script>alert(1)</script>", "=cmd()", "\\input{x}", "a\nb", "\x1b[2J",
     "# x", "*", "_", "%", "&amp;", "\u202e", "$x$", "[a](b)", "a\tb", '"', "'", ",", "a,b;c"]
)  # fmt: skip
RULE = re.compile(r"(?<!\\)\|")


@examples(12)
@given(st.lists(HOSTILE, min_size=1, max_size=4, unique=True), st.integers(30, 90))
def test_every_format_keeps_the_rows_and_their_numbers(labels: list[str], base: int) -> None:
    found = [
        record
        for number, label in enumerate(labels)
        for record in runs(label, base, 3, experiment__hash=f"h{number}")
    ]
    (board,) = build(found)
    by_hash = {row.hash: row for row in board.rows}
    rows = json.loads(json_table.render(board))["rows"]
    assert {row["experiment"]: row["method"] for row in rows} == {
        f"h{number}": label for number, label in enumerate(labels)
    }
    lines = list(csv.DictReader(io.StringIO(csv_table.render(board))))
    assert [line["experiment"] for line in lines] == [row.hash for row in board.rows]
    for line, row in zip(lines, rows, strict=True):
        mean = by_hash[row["experiment"]].accuracy.mean
        assert float(line["accuracy"]) == pytest.approx(mean, abs=5e-7)
        assert row["accuracy"]["mean"] == pytest.approx(mean, abs=5e-7)
        assert line["method"] in (harmless(row["method"]), "'" + harmless(row["method"]))
    cells = [RULE.split(line) for line in markdown.body(board).splitlines()]
    assert len(cells) == 2 + len(labels) and len({len(row) for row in cells}) == 1
    tabular = latex.render(board, "stem")
    assert tabular.count(r"\begin{") == tabular.count(r"\end{")
    shown = [*markdown.body(board).split("\n"), *tabular.split("\n")]
    assert all(harmless(line) == line for line in shown)


@examples(80)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), min_size=1, max_size=5),
       st.none() | st.integers(1, 60), st.booleans())  # fmt: skip
def test_lines_on_a_terminal_stay_lines_and_fit(
    rows: list[tuple[str, ...]], width: int | None, wrap: bool
) -> None:
    lines = table(rows, width, wrap=wrap)
    assert all(harmless(line) == line for line in lines)
    if width is None:
        assert len(lines) == len(rows)
        assert all(harmless(row[0]).rstrip() in line for row, line in zip(rows, lines, strict=True))
    elif not wrap:
        assert all(len(line) <= max(width, 1) + 1 for line in lines)


@examples(100)
@given(HOSTILE)
def test_a_cell_of_markdown_and_latex_stays_one(label: str) -> None:
    shown = text.escape(label)
    assert "\n" not in shown and "<" not in shown and not RULE.search(shown)
    assert "\n" not in text.code_cell(label)
    assert "\n" not in latex.escape(label)
    assert harmless(harmless(label)) == harmless(label)
    assert re.fullmatch(r"[a-z0-9.-]+", text.slug(label))


@examples(80)
@given(st.floats(0, 10**9))
def test_a_duration_says_how_long_it_was(seconds: float) -> None:
    shown = duration(seconds)
    units = {"s": 1, "min": 60, "h": 3600}
    pairs = re.findall(r"([\d.]+) (s|min|h)", shown)
    assert sum(float(number) * units[unit] for number, unit in pairs) == pytest.approx(
        seconds, abs=60 if "h" in shown else 0.5
    )
    # no unit holds a whole one of the next
    assert all(float(number) < 60 for number, unit in pairs if unit != "h")


@pytest.mark.parametrize("seconds", [59.94, 59.95, 59.96, 59.999, 3599.4, 3599.5, 3600])
def test_a_duration_at_the_edge_of_a_unit(seconds: float) -> None:
    assert "60" not in duration(seconds)


@examples(60)
@given(st.integers(0, 40), st.integers(1, 12))
def test_shards_are_disjoint_and_cover(points: int, of: int) -> None:
    everything = list(range(points))
    parts = []
    for index in range(of):
        first, step = grids.shard(f"{index}/{of}")
        parts.append(everything[first::step])
    assert sorted(number for part in parts for number in part) == everything
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@examples(80)
@given(st.text("0123456789/- ²x", max_size=6))
def test_what_is_no_shard_is_refused(given_: str) -> None:
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", given_)
    if match and int(match[1]) < int(match[2]):
        assert grids.shard(given_) == (int(match[1]), int(match[2]))
    else:
        with pytest.raises(UsageError, match="Expected i/n with i below n"):
            grids.shard(given_)


@examples(60)
@given(st.lists(st.sampled_from(["a", "b", "c d", "e/f", "CE, plain"]), unique=True, min_size=1))
def test_rows_of_a_grid_are_found_by_their_names(names: list[str]) -> None:
    known = ["a", "b", "c d", "e/f", "CE, plain"]
    found = _listed(",".join(names), known)
    assert found is not None and sorted(found) == sorted(names)
    assert _listed(None, known) is None


WORDS = ["method=ce", "method=[t2i,ldam]", "method.ldam.scale=3", "budget=uniform",
         "budget.amount=7", "seed=3", "dataset=digitslt", "recipe.batch_size=7"]  # fmt: skip


@examples(60)
@given(st.lists(st.sampled_from(WORDS), unique_by=lambda each: each.partition("=")[0]),
       st.randoms(use_true_random=False))  # fmt: skip
def test_words_in_another_order_are_the_same_experiment(words: list[str], rng) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(words)
    rng.shuffle(shuffled)
    assert grids.canonical(shuffled) == grids.canonical(words)
    plus = [each if each.startswith(("method=", "budget=", "dataset=")) else f"+{each}"
            for each in words]  # fmt: skip
    assert grids.canonical(plus) == grids.canonical(words)
    # what holds anyway changes nothing
    if not any(each.startswith("dataset=") for each in words):
        assert grids.canonical([*words, "dataset=digitslt"]) == grids.canonical(words)
