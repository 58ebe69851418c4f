"""What a command line about a grid stands for."""

from pathlib import Path

import pytest

from benchmark.errors import UsageError
from benchmark.experiments.expansion import Expansions, Refused
from benchmark.grid import grids
from benchmark.grid.grid_run import Plan, is_grid, merged, plan, read, science
from benchmark.launch.grid_jobs import worker_words
from tests.fixtures.grids import make_grid, make_plan

TWO = ("grid=table2", "rows=CE,a")


def words_of(found: Plan) -> list[tuple[str, ...]]:
    return [point.words for point in found.points]


# what is read without composing


def test_a_grid_is_named() -> None:
    assert is_grid(["out=x", "grid=table1"])
    assert not is_grid(["method=ce", "dataset.grid=table1"])


def test_words_of_the_grid_are_told_from_those_of_its_runs() -> None:
    asked = read(
        ["grid=table2", "rows=CE", "seeds=2", "shard=1/3", "workers=4", "out=there", "threads=1"]
    )
    assert (asked.name, asked.shard, asked.workers, asked.out) == (
        "table2",
        (1, 3),
        4,
        Path("there"),
    )
    assert (asked.grid.seeds, [cell.row for cell in asked.cells]) == (2, ["CE"])
    assert asked.cells[0].words == ("dataset=digitslt", "method=ce", "out=there", "threads=1")
    assert read(["grid=table2"]).out == Path("runs")


def test_the_command_line_wins_over_the_words_of_a_grid() -> None:
    (cell,) = read(["grid=table1", "rows=CE", "dataset=digitslt100"]).cells
    assert cell.words == ("method=ce", "dataset=digitslt100")
    assert merged(["a=1", "+b.c=2", "method=ce"], ["b.c=3", "~a"]) == ("method=ce", "b.c=3", "~a")


def test_settings_of_a_component_go_to_the_cells_that_have_it() -> None:
    asked = read(["grid=table2", "method.t2i.modifiers=general", "method.retrain_head.share=0.5"])
    given = {cell.row: {w for w in cell.words if w.startswith("method.")} for cell in asked.cells}
    assert given == {
        "CE": set(),
        "a": {"method.t2i.modifiers=general"},
        "b, modifiers": {"method.t2i.modifiers=general"},
        "c, domain mixup": {"method.t2i.modifiers=general"},
        # a preset, which names neither
        "d, re-training (SynAuG)": {
            "method.t2i.modifiers=general",
            "method.retrain_head.share=0.5",
        },
    }


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("CE", ["CE"]),
        (" a , CE", ["CE", "a"]),
        ("b, modifiers,CE", ["CE", "b, modifiers"]),
        (
            "b,, modifiers,CE,d, re-training (SynAuG)",
            ["CE", "b, modifiers", "d, re-training (SynAuG)"],
        ),
    ],
)
def test_a_comma_inside_a_name_does_not_divide(text: str, rows: list[str]) -> None:
    assert [cell.row for cell in read(["grid=table2", f"rows={text}"]).cells] == rows


@pytest.mark.parametrize("text", ["b", "CE,", "CE;a", "b, modifier"])
def test_what_is_no_list_of_names_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Unknown row"):
        read(["grid=table2", f"rows={text}"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shard=2/2"], "Expected i/n with i below n"),
        (["seeds=none"], "Expected a number of seeds, but got none"),
        (["seeds=0"], "Expected a number of seeds, but got 0"),
        (["workers=-1"], "Expected a number of workers"),
        (["seed=3"], "choose seeds with seeds=N"),
        (["method=ce"], "a grid names its methods itself"),
        (["+method=ce"], "a grid names its methods itself"),
        (["rows=CF"], r"Unknown row 'CF' \[rows\]"),
        (["columns=IF 100"], "Unknown column 'IF 100'"),
        (["--dry-rnu"], "Unknown flag '--dry-rnu' .*did you mean --dry-run"),
        (["-m"], "Unknown flag '-m'"),
        (
            ["method.ldamm.prior=train"],
            "Unknown component of this grid 'ldamm'.* did you mean ldam",
        ),
    ],
)
def test_words_that_cannot_be_meant_are_refused(words: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(["grid=matrix", *words])


def test_an_unknown_grid_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean figure3"):
        read(["grid=figur3"])


def test_plumbing_does_not_decide_an_experiment() -> None:
    words = [
        "method=ce",
        "out=x",
        "threads=1",
        "progress=false",
        "+device=cpu",
        "save_weights=false",
    ]
    assert science([*words, "recipe.steps.amount=2"]) == ("method=ce", "recipe.steps.amount=2")


# plans


def test_a_plan_has_every_cell_at_every_seed_seeds_last() -> None:
    found = plan([*TWO, "seeds=2"])
    assert [(point.cell.row, point.seed) for point in found.points] == [
        ("CE", 0), ("a", 0), ("CE", 1), ("a", 1),
    ]  # fmt: skip
    assert found.points[0].words == ("dataset=digitslt", "method=ce", "seed=0")
    folders = {point.folder(Path("o")) for point in found.points}
    assert len(folders) == 4
    assert all(folder.parts[:2] == ("o", "digitslt") for folder in folders)
    assert found.whole and not found.rerun


def test_shards_split_the_runs_and_miss_none() -> None:
    words = [*TWO, "seeds=3"]
    whole = words_of(plan(words))
    parts = [words_of(plan([*words, f"shard={number}/4"])) for number in range(4)]
    assert sorted(each for part in parts for each in part) == sorted(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert not plan([*words, "shard=0/4"]).whole


def test_plumbing_reaches_every_run_and_moves_no_hash() -> None:
    bare, plumbed = plan([*TWO, "seeds=1"]), plan([*TWO, "seeds=1", "threads=1", "out=x"])
    assert [p.facts for p in bare.points] == [p.facts for p in plumbed.points]
    assert all({"threads=1", "out=x"} <= set(words) for words in words_of(plumbed))


def test_a_cell_that_cannot_be_composed_is_refused_and_the_others_stay() -> None:
    # only a supply takes the budget
    found = plan([*TWO, "seeds=1", "budget=add", "budget.amount=3"])
    assert [point.cell.row for point in found.points] == ["a"]
    ((cell, refused),) = found.refused
    assert cell.row == "CE"
    assert "adds 30 images, but no component supplies any" in str(refused.error)


def test_where_no_cell_can_be_run_the_first_says_why() -> None:
    with pytest.raises(UsageError, match="did you mean recipe"):
        plan([*TWO, "recipee=digits"])


def test_cells_that_the_command_line_makes_alike_are_run_once() -> None:
    found = plan(["grid=figure4", "rows=3 steps,10 steps,CE", "seeds=1", "generator.steps=2"])
    assert [point.cell.row for point in found.points] == ["CE", "3 steps"]
    ((cell, refused),) = found.refused
    assert cell.row == "10 steps"
    assert "the same experiment as '3 steps'; leave out the word" in str(refused.error)


def test_a_refusal_is_not_remembered(tmp_path: Path) -> None:
    with Expansions(tmp_path) as known:
        found = plan([*TWO, "seeds=1", "budget=add", "budget.amount=3"], known)
        assert len(found.refused) == 1
    again = Expansions(tmp_path)
    assert not again.knows(science(found.refused[0][0].words))
    assert again.knows(science(found.points[0].cell.words))
    assert isinstance(found.refused[0][1], Refused)


# workers


def test_workers_get_the_words_without_their_number(tmp_path: Path) -> None:
    given = make_plan(tmp_path, words=("grid=small", "workers=3", "out=x"), workers=3)
    assert worker_words(given) == [["grid=small", "out=x", "progress=false"]] * 3
    shown = make_plan(tmp_path, words=("grid=small", "progress=true", "shard=1/2"), workers=2)
    assert worker_words(shown) == [["grid=small", "progress=true", "shard=1/2"]] * 2


@pytest.mark.parametrize("own", [None, (0, 1), (1, 2), (2, 5)])
def test_what_is_made_again_is_made_by_one_worker_each(
    own: tuple[int, int] | None, tmp_path: Path
) -> None:
    words = ["grid=small", "on_existing=rerun", *([f"shard={own[0]}/{own[1]}"] if own else [])]
    given = make_plan(tmp_path, words=tuple(words), workers=3)
    first, step = own or (0, 1)
    runs = list(range(40))
    parts = []
    for each in worker_words(given):
        (text,) = [word.removeprefix("shard=") for word in each if word.startswith("shard=")]
        start, stride = grids.shard(text)
        parts.append(runs[start::stride])
    assert sorted(run for part in parts for run in part) == runs[first::step]


def test_the_runs_of_a_made_up_plan_are_in_folders_of_their_own(tmp_path: Path) -> None:
    found = make_plan(tmp_path, make_grid(seeds=3))
    assert len({point.folder(found.out) for point in found.points}) == 12
