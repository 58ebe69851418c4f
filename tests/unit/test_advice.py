"""What to take of a matrix: halves of the rows, comparisons, verdicts, and the page."""

import html
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.boards.leaderboard import rows_of
from benchmark.errors import UsageError
from benchmark.experiments.expansion import Refused
from benchmark.grid.advice import Advice, _arms, advise
from benchmark.grid.candidates import Candidate, Scored, rows_of_choice, score
from benchmark.grid.cell_comparison import against, gap, row_error, spread, told_apart
from benchmark.grid.grid_run import Plan
from benchmark.grid.grid_status import Standing, standing
from benchmark.grid.grids import Cell
from benchmark.report import advice as page
from benchmark.report.advice_text import about_tail, answer, how_sure
from benchmark.statistics import all_pairs, metrics, stats
from benchmark.statistics.metrics import GroupAccuracy
from tests.fixtures.grids import finish, make_grid, make_plan
from tests.fixtures.records import make_predictions, make_record

LABELS = np.array([0] * 4 + [1] * 4, dtype=np.uint16)


def scored(report: float, choice: float | None = None, few: float | None = 0.5) -> Scored:
    hits = np.arange(8) < round(8 * report)
    return Scored(report if choice is None else choice, few, report,
                  GroupAccuracy(0.9, 0.8, few), 4, LABELS, hits)  # fmt: skip


def candidate(
    name: str, values: list[float], choice: float | None = None, **extra: Any
) -> Candidate:
    """A cell with these scores on the reported rows at seeds 0, 1, ..."""
    more = extra.pop("more", {})
    few = extra.pop("few", 0.5)
    seeds = range(len(values))
    (row,) = rows_of(make_record(seed=seed, **extra) for seed in seeds)
    runs = {seed: scored(value, choice, few) for seed, value in enumerate(values)}
    fresh = {seed: scored(value) for seed, value in more.items()}
    return Candidate(Cell(name, "", (f"method={name}",)), row, runs, fresh)


PLAIN = candidate("plain", [0.50, 0.51, 0.52])


# halves


@given(st.lists(st.integers(0, 7), min_size=1, max_size=10))
def test_each_class_is_cut_in_half(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.uint16)
    chosen = rows_of_choice(labels, len(counts))
    found = np.bincount(labels[chosen], minlength=len(counts))
    rest = np.array(counts) - found
    assert (abs(found - rest) <= 1).all()
    # odd classes take turns, so that neither half gets more than one row more
    assert abs(int(found.sum()) - int(rest.sum())) <= 1


def test_the_halves_do_not_hang_on_the_order_of_classes_or_the_run() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], 10)).astype(np.uint16)
    assert np.array_equal(rows_of_choice(labels, 3), rows_of_choice(labels.copy(), 3))
    assert rows_of_choice(labels, 3).sum() == 15


def test_a_run_is_scored_on_both_halves_apart() -> None:
    predictions = make_predictions((90, 60, 30, 20), 100)
    found = score(make_record(), predictions)
    chosen = rows_of_choice(predictions.labels, 4)
    right = predictions.labels == predictions.predicted
    for value, rows in ((found.choice, chosen), (found.report, ~chosen)):
        own = [right[rows & (predictions.labels == label)].mean() for label in range(4)]
        assert value == pytest.approx(np.mean(own))
    assert (found.choice + found.report) / 2 == pytest.approx(0.5)
    assert found.groups == metrics.GroupAccuracy(
        *(pytest.approx(np.mean(part)) for part in (own[:1], own[1:2], own[2:]))
    )
    assert found.few_rows == 100
    assert len(found.hits) == 200 and found.hits.sum() == right[~chosen].sum()


def test_the_score_is_the_mean_of_classes_and_not_of_rows() -> None:
    # 90 of 100 rows of one class, none of the 10 of the other
    labels = np.repeat([0, 1], [100, 10]).astype(np.uint16)
    predicted = np.zeros(110, dtype=np.uint16)
    some = np.full(110, 0.5, dtype=np.float32)
    found = score(
        make_record(dataset__classes=("a", "b", "c", "d")),
        metrics.Predictions(labels, predicted, some, -some, some),
    )
    assert found.report == found.choice == 0.5
    assert found.hits.mean() == pytest.approx(50 / 55)


# comparisons


def test_independent_rows_share_their_variance() -> None:
    cells = [PLAIN, candidate("a", [0.60, 0.61, 0.62])]
    assert spread(cells) == (pytest.approx(1e-4), 4)
    found = gap(cells[1], cells[0], spread(cells))
    assert found.mean == pytest.approx(0.1)
    assert found.half_width == pytest.approx(stats.t_quantile(4) * math.sqrt(1e-4 * 2 / 3))


def test_two_blocked_rows_are_a_paired_test() -> None:
    blocked = {"dataset__design": "blocked"}
    first = candidate("a", [0.60, 0.71, 0.55], **blocked)
    second = candidate("b", [0.50, 0.60, 0.52], **blocked)
    found = gap(first, second, spread([first, second]))
    exact = scipy_stats.ttest_rel([0.60, 0.71, 0.55], [0.50, 0.60, 0.52])
    assert found.p == pytest.approx(exact.pvalue, abs=1e-6)
    assert found.half_width == pytest.approx(stats.half_width([0.10, 0.11, 0.03]))


def test_blocked_rows_are_randomised_blocks() -> None:
    table = np.random.default_rng(0).normal(0.5, 0.1, (4, 5))
    cells = [candidate(str(i), list(row), dataset__design="blocked") for i, row in enumerate(table)]
    fitted = table.mean(1, keepdims=True) + table.mean(0) - table.mean()
    assert spread(cells) == (pytest.approx(((table - fitted) ** 2).sum() / 12), 12)
    # what a seed does to all cells alike does not matter
    shifted = table + np.random.default_rng(1).normal(0, 1, 5)
    again = [candidate(str(i), list(r), dataset__design="blocked") for i, r in enumerate(shifted)]
    assert spread(again) == (pytest.approx(spread(cells)[0]), 12)


def test_all_pairs_are_corrected_together() -> None:
    rng = np.random.default_rng(0)
    cells = [candidate(str(i), list(rng.normal(0.5 + 0.05 * i, 0.02, 4))) for i in range(4)]
    assert told_apart(cells, spread(cells)) == all_pairs.compare_all(
        [each.values for each in cells], "independent"
    )


def test_the_outlook_has_the_degrees_of_freedom_of_the_test() -> None:
    rng = np.random.default_rng(3)
    cells = [candidate(str(i), list(rng.normal(0.5, 0.02, 3)), dataset__design="blocked")
             for i in range(20)]  # fmt: skip
    variance, df = spread(cells)
    arms = _arms(cells[0], cells[1], (variance, df))
    assert arms is not None and (arms.df, arms.n) == (df, 3)
    own = gap(cells[0], cells[1], (variance, df))
    assert own.half_width == pytest.approx(stats.t_quantile(df) * arms.error)


def test_seeds_need_not_be_common_where_they_are_independent() -> None:
    (row,) = rows_of(make_record(seed=seed) for seed in range(3, 6))
    runs = {seed: scored(0.8 + seed / 1000) for seed in range(3, 6)}
    other = Candidate(Cell("other", "", ("method=other",)), row, runs, {})
    assert against([PLAIN, other], PLAIN, spread([PLAIN, other]))["other"] < 0.01


def test_cells_against_the_plain_one_are_corrected_together() -> None:
    cells = [PLAIN, candidate("a", [0.60, 0.61, 0.62]), candidate("b", [0.51, 0.50, 0.52])]
    found = against(cells, PLAIN, spread(cells))
    raw = [gap(each, PLAIN, spread(cells)).p for each in cells[1:]]
    assert found == dict(zip("ab", stats.holm(raw), strict=True))


def test_the_interval_over_rows_is_that_of_a_stratified_sample() -> None:
    first, second = candidate("a", [0.75] * 3), candidate("b", [0.25] * 3)
    # by class the gaps are (0, 0, 1, 1) and (1, 1, 0, 0)
    variance = 2 * (1 / 3) / 4 / 2**2
    assert row_error(first, second) == pytest.approx(1.959964 * math.sqrt(variance), abs=1e-6)
    assert row_error(first, first) == 0


def test_without_common_rows_there_is_no_such_interval() -> None:
    other = candidate("a", [0.75] * 3)
    run = Scored(0.5, None, 0.5, GroupAccuracy(0.5, 0.5, None), 0, LABELS[::-1].copy(), LABELS > 0)
    assert row_error(Candidate(other.cell, other.row, {0: run}), PLAIN) is None


# verdicts


def test_the_best_is_chosen_by_the_rows_of_choice_and_reported_on_the_others() -> None:
    lucky = candidate("lucky", [0.60, 0.61, 0.62], choice=0.9)
    better = candidate("better", [0.70, 0.71, 0.72], choice=0.8)
    found = advise([PLAIN, lucky, better], PLAIN)
    assert found.best is lucky
    assert found.gain is not None and found.gain.mean == pytest.approx(0.10)


def test_a_cell_above_all_others_is_clear() -> None:
    best, other = candidate("a", [0.80, 0.81, 0.82]), candidate("b", [0.60, 0.61, 0.62])
    found = advise([PLAIN, other, best], PLAIN)
    assert (found.verdict, found.pick, found.tied) == ("clear", best, [best])
    assert found.ranks == {"plain": (3, 3), "b": (2, 2), "a": (1, 1)}
    assert found.unsettled is None and found.seeds_needed is None
    assert answer(found) == [
        "Take a (81.00 ± 2.48 %), +30.00 ± 2.00 points over plain.", "No other cell is as good.",
    ]  # fmt: skip


def test_cells_that_are_not_told_apart_are_named_with_the_cheapest() -> None:
    best = candidate("a", [0.80, 0.81, 0.82], budget__add=(5, 0, 0, 0),
                     dataset__counts_train=(105, 20, 8, 2), dataset__n_train=135)  # fmt: skip
    other = candidate("b", [0.79, 0.80, 0.815])
    found = advise([PLAIN, other, best], PLAIN)
    assert (found.verdict, found.pick) == ("open", best)
    assert [each.name for each in found.tied] == ["a", "b"]
    assert found.cheapest is other
    assert found.unsettled is not None and found.unsettled.candidate is other
    assert found.seeds_needed is not None and found.seeds_needed > 3
    lines = answer(found)
    assert lines[1] == "Not told apart from it: b."
    assert lines[2].startswith("The cheapest of those is b (80.17 ± ")
    assert lines[2].endswith(": no images added.")


def test_where_nothing_beats_the_plain_cell_it_stays() -> None:
    best = candidate("a", [0.50, 0.52, 0.53])
    found = advise([PLAIN, best], PLAIN)
    assert (found.verdict, found.pick, found.best) == ("stay", PLAIN, best)
    assert answer(found)[0] == "No cell is told apart from plain: no reason yet to leave it."
    assert "The highest is a (51.67 ± " in answer(found)[1]
    assert found.unsettled is not None and found.unsettled.candidate is PLAIN
    alone = advise([PLAIN], PLAIN)
    assert (alone.verdict, alone.best, alone.gain) == ("stay", PLAIN, None)
    assert "The plain cell has the highest score" in how_sure(alone)[1]


def test_the_plain_cell_is_no_rival_once_it_is_beaten() -> None:
    # many cells near the best: told apart from the plain one, not from each other
    others = [candidate(f"c{i}", [0.60, 0.61, 0.62]) for i in range(12)]
    base = candidate("plain", [0.568, 0.578, 0.588])
    found = advise([base, *others], base)
    assert found.verdict == "open"
    assert base not in found.tied and found.cheapest is not base


def test_two_seeds_tell_nothing_apart() -> None:
    cells = [candidate("plain", [0.1, 0.1]), candidate("a", [0.9, 0.9])]
    found = advise(cells, cells[0])
    assert (found.verdict, found.pick) == ("too few seeds", cells[0])
    assert answer(found) == ["Nothing can be told apart with fewer than 3 seeds a cell."]
    assert how_sure(found) == ["Seeds a cell: 2.", "Give seeds=3 or more."]


def test_an_oracle_and_an_unfinished_cell_are_never_chosen() -> None:
    oracle = candidate("oracle", [0.9] * 3, method__track="oracle")
    early = candidate("early", [0.95, 0.95])
    found = advise([PLAIN, oracle, early], PLAIN)
    assert found.best is PLAIN and found.rivals == ()


def test_runs_at_further_seeds_confirm_or_do_not() -> None:
    base = candidate("plain", [0.50, 0.51, 0.52], more={3: 0.5, 4: 0.51, 5: 0.52})
    luck = candidate("a", [0.50, 0.52, 0.53], more={3: 0.5, 4: 0.505, 5: 0.52})
    real = candidate("a", [0.50, 0.52, 0.53], more={3: 0.6, 4: 0.61, 5: 0.62})
    assert advise([base, luck], base).verdict == "stay"
    found = advise([base, real], base)
    assert found.verdict == "clear"
    assert found.fresh is not None and found.fresh.mean == pytest.approx(0.1)
    assert any("(3, 4, 5): +10.00 ± " in line for line in how_sure(found))
    assert any("lucky ones flatter it" in line for line in how_sure(advise([PLAIN, real], PLAIN)))


def test_the_rarest_classes_are_told_apart_from_the_rest() -> None:
    first = candidate("a", [0.80, 0.81, 0.82], few=0.3)
    second = candidate("b", [0.60, 0.61, 0.62], few=0.7)
    found = advise([PLAIN, first, second], PLAIN)
    assert found.best is first and found.tail is second
    assert about_tail(found) == (
        "Highest in the few-shot classes alone, chosen in the same way: b with Few 70.00 on 4 "
        "reported rows; plain has 50.00."
    )
    assert about_tail(advise([PLAIN], PLAIN)).endswith("plain with Few 50.00 on 4 reported rows.")
    none = candidate("plain", [0.5, 0.51, 0.52], few=None)
    assert about_tail(advise([none], none)) == ""


def test_the_weight_of_a_single_row_is_said() -> None:
    lines = how_sure(advise([PLAIN, candidate("a", [0.8, 0.81, 0.82])], PLAIN))
    # two classes of four rows each, and two classes without any
    assert lines[-1] == (
        "The rarest class has 4 reported rows, one of which moves the score by 12.50 points. "
        "Classes without a reported row: 2."
    )


def test_a_gain_that_other_images_might_not_show_is_said_to_be_one() -> None:
    lines = how_sure(advise([PLAIN, candidate("a", [0.60, 0.62, 0.61])], PLAIN))
    assert any("so other images might show no gain" in line for line in lines)


# the page


HITS = {"none-plain": 50, "none-margins": 52, "filled-plain": 80, "filled-margins": 79}


def matrix(tmp_path: Path, seeds: int = 3, hits: dict[str, int] = HITS, **values: Any) -> Standing:
    """A finished matrix; so many of 100 rows of the first class are right."""
    plan = make_plan(tmp_path, make_grid(seeds=seeds, kind="matrix"), **values)
    for point in plan.points:
        if (base := hits.get(point.facts.label)) is not None:
            finish(point, plan.out, (base + point.seed % 2, 60, 30, 20), point.seed)
    return standing(plan)


def text_of(path: Path) -> str:
    content = path.read_text()
    plain = re.sub(r"<style>.*?</style>|<[^>]+>", " ", content, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(plain))


def test_the_page_answers_first(tmp_path: Path) -> None:
    lines = page.write_advice(matrix(tmp_path))
    assert lines[-1] == f"page: {tmp_path / 'small-shapes.html'}"
    assert lines[1].startswith("Take filled / plain (")
    text = text_of(tmp_path / "small-shapes.html")
    places = [text.index(part) for part in (
        "What to take for shapes", "Take filled / plain", "How sure that is",
        "The cells that may be best", "All cells", "What to do next")]  # fmt: skip
    assert places == sorted(places)
    assert "200 of the 400 test rows" in text
    assert "What could not be run" not in text and "runs are missing" not in text


def test_the_page_is_small_self_contained_and_the_same_each_time(tmp_path: Path) -> None:
    now = matrix(tmp_path)
    page.write_advice(now)
    path = tmp_path / "small-shapes.html"
    first = path.read_bytes()
    page.write_advice(now)
    assert path.read_bytes() == first and len(first) < 20_000
    assert b"http" not in first.replace(b"http-equiv", b"") and b"<script" not in first


def test_every_cell_of_the_matrix_is_on_the_page(tmp_path: Path) -> None:
    some = {name: hits for name, hits in HITS.items() if name != "filled-margins"}
    page.write_advice(matrix(tmp_path, hits=some))
    content = (tmp_path / "small-shapes.html").read_text()
    table = content[content.index("All cells") :]
    rows = re.findall(r'<tr><th scope="row">([^<]*)</th>(.*?)</tr>', table)
    assert [name for name, _ in rows] == ["plain", "margins"]
    assert [len(re.findall("<td", cells)) for _, cells in rows] == [2, 2]
    assert ">-</td>" in rows[1][1]
    assert "<strong>3 runs are missing; this may change.</strong>" in content


def test_runs_that_cannot_be_made_are_not_called_missing(tmp_path: Path) -> None:
    some = {name: hits for name, hits in HITS.items() if name != "filled-margins"}
    now = matrix(tmp_path, hits=some)
    failed = next(p for p in now.plan.points if p.facts.label == "filled-margins")
    failed.folder(tmp_path).mkdir(parents=True)
    (failed.folder(tmp_path) / "error.json").write_text('{"error": "no images", "exit_code": 3}')
    page.write_advice(standing(now.plan))
    text = text_of(tmp_path / "small-shapes.html")
    assert "runs are missing" not in text
    assert "filled / margins: no images" in text


def test_names_are_escaped_on_the_page(tmp_path: Path) -> None:
    grid = make_grid(seeds=3, rows={"<script>x": []}, columns={"a&b": []}, kind="matrix")
    plan = make_plan(tmp_path, grid)
    for point in plan.points:
        finish(point, plan.out, (50, 60, 30, 20), point.seed, dataset__name="<b>x</b>")
    page.write_advice(standing(plan))
    (path,) = tmp_path.glob("*.html")
    content = path.read_text()
    assert path.name == "small-b-x-b.html"
    assert "<script" not in content and "<b>x" not in content
    assert "&lt;script&gt;x" in content


def test_what_could_not_be_run_is_listed_with_its_reason(tmp_path: Path) -> None:
    refused = ((Cell("web", "plain", ()), Refused(UsageError("no images", todo="fetch some"))),)
    now = matrix(tmp_path, hits={"none-plain": 50}, refused=refused)
    broken = now.plan.points[1].folder(tmp_path)
    broken.mkdir(parents=True)
    (broken / "record.json").write_text("{")
    failed = now.plan.points[2].folder(tmp_path)
    failed.mkdir(parents=True)
    (failed / "error.json").write_text('{"error": "nothing held out", "exit_code": 3}')
    page.write_advice(standing(now.plan))
    text = text_of(tmp_path / "small-shapes.html")
    assert "web / plain: no images; fetch some" in text
    assert "filled / plain: nothing held out" in text
    assert "Expected valid JSON" in text


def test_without_the_plain_cell_there_is_no_page(tmp_path: Path) -> None:
    assert page.write_advice(matrix(tmp_path, hits={"filled-plain": 80})) == []
    assert page.write_advice(matrix(tmp_path / "other", hits={})) == []
    assert list(tmp_path.rglob("*.html")) == []


def test_the_commands_make_what_they_say(tmp_path: Path) -> None:
    words = ("grid=small", "dataset=digitslt", "workers=2", "seeds=3")
    page.write_advice(matrix(tmp_path, words=words))
    text = text_of(tmp_path / "small-shapes.html")
    for wanted in (
        "python -m benchmark run dataset=digitslt method=t2i seed=0",
        "python -m benchmark run -m dataset=digitslt method=t2i seed=3,4,5",
        "python -m benchmark run -m dataset=digitslt method=ce seed=3,4,5",
        "python -m benchmark run grid=small dataset=digitslt seeds=",
    ):
        assert wanted in text


def test_runs_at_further_seeds_are_found_beside_those_of_the_grid(tmp_path: Path) -> None:
    now = matrix(tmp_path)
    plan: Plan = now.plan
    for point in plan.points[:4]:
        for seed in (3, 4, 5):
            finish(point, plan.out, (HITS[point.facts.label], 60, 30, 20), seed)
    found, broken = page.gather(plan)
    assert broken == []
    assert [sorted(each.fresh) for each in found] == [[3, 4, 5]] * 4
    assert [sorted(each.values) for each in found] == [[0, 1, 2]] * 4
    page.write_advice(now)
    assert "At seeds that the choice has not seen (3, 4, 5)" in text_of(
        tmp_path / "small-shapes.html"
    )


def test_other_rows_than_the_test_set_are_named(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, make_grid(seeds=3, kind="matrix"))
    for point in plan.points:
        finish(point, plan.out, (50, 60, 30, 20), point.seed,
               experiment__config={"score_on": "val"})  # fmt: skip
    page.write_advice(standing(plan))
    assert "200 of the 400 val rows" in text_of(tmp_path / "small-shapes.html")


def test_advice_is_silent_on_what_it_does_not_know() -> None:
    bare = Advice("too few seeds", PLAIN, PLAIN)
    assert bare.ranks == {} and bare.tied == [PLAIN] and about_tail(bare) == ""
