"""How far a grid has come: states, the text, the commands of what is missing."""

import json
import shlex
from pathlib import Path

import filelock
import pytest

from benchmark.errors import UsageError
from benchmark.experiments.expansion import Refused
from benchmark.grid.grid_run import Plan
from benchmark.grid.grid_status import by_reason, command, plan_command, render, standing
from benchmark.grid.grids import Cell
from tests.fixtures.grids import finish, make_grid, make_plan

LONG = make_grid(
    rows={"a supply with a very long name indeed": [], "filled": ["t2i"]},
    columns={"plain": [], "an algorithm, whose name is long as well": ["ldam"]},
    seeds=3,
)


def finished(plan: Plan, *numbers: int, correct: tuple[int, ...] = (90, 60, 30, 20)) -> None:
    for number in numbers:
        point = plan.points[number]
        finish(point, plan.out, correct, point.seed)


def folder(plan: Plan, number: int) -> Path:
    found = plan.points[number].folder(plan.out)
    found.mkdir(parents=True)
    return found


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    # committed records are looked for below the working folder
    monkeypatch.chdir(tmp_path)
    return make_plan(tmp_path / "runs")


def test_every_state_is_told_apart(plan: Plan) -> None:
    finished(plan, 0)
    (folder(plan, 1) / "error.json").write_text(json.dumps({"error": "The disk is full"}))
    (folder(plan, 2) / "checkpoint.pt").write_text("")
    folder(plan, 3)
    with filelock.FileLock(folder(plan, 4) / ".lock"):
        found = standing(plan)
    assert found.states == (
        "finished", "failed", "interrupted", "started", "running", "missing", "missing", "missing",
    )  # fmt: skip
    assert found.of("failed", "running") == [plan.points[1], plan.points[4]]
    assert found.unfinished == list(plan.points[1:])
    assert found.failures == {plan.points[1].cell: "The disk is full"}


def test_a_held_lock_wins_over_what_an_earlier_run_left(plan: Plan) -> None:
    finished(plan, 0)
    with filelock.FileLock(plan.points[0].folder(plan.out) / ".lock"):
        assert standing(plan).states[0] == "running"
    assert standing(plan).states[0] == "finished"


def test_an_error_that_cannot_be_read_is_named(plan: Plan) -> None:
    (folder(plan, 0) / "error.json").write_text("{")
    assert list(standing(plan).failures.values()) == ["error.json cannot be read"]


def test_a_line_an_experiment_with_its_mean(plan: Plan) -> None:
    finished(plan, 0, correct=(90, 60, 30, 20))
    finished(plan, 4, correct=(100, 60, 30, 20))
    (folder(plan, 1) / "error.json").write_text(json.dumps({"error": "no"}))
    lines = render(standing(plan)).splitlines()
    assert lines[0].split() == ["experiment", "done", "running", "failed", "missing", "All",
                                "time", "left"]  # fmt: skip
    # 50.0 and 52.5 % of 400 rows
    assert lines[1].split() == ["none", "/", "plain", "2", "of", "2", "51.25"]
    assert lines[2].split()[:7] == ["none", "/", "margins", "0", "of", "2", "1"]
    assert "grid small: 2 of 8 runs done, 1 failed, 5 missing" in lines
    assert "failed: none / margins: no" in lines


def test_a_record_that_cannot_be_read_is_named_not_fatal(plan: Plan) -> None:
    (folder(plan, 0) / "record.json").write_text("{")
    assert "cannot be read" in render(standing(plan)).splitlines()[1]


def test_what_is_missing_is_printed_with_its_command(plan: Plan) -> None:
    finished(plan, 0, 4, 2)
    lines = render(standing(plan)).splitlines()
    begin = lines.index("missing; all of it: python -m benchmark run grid=small")
    assert lines[begin + 1 :] == [
        "  python -m benchmark run -m dataset=digitslt 'method=[ldam,drw]' "
        "method.ldam.prior=train seed=0,1",
        "  python -m benchmark run dataset=digitslt method=t2i seed=1",
        "  python -m benchmark run -m dataset=digitslt 'method=[t2i,ldam,drw]' "
        "method.ldam.prior=train seed=0,1",
    ]


def test_many_commands_are_counted(plan: Plan) -> None:
    lines = render(standing(plan), commands=1).splitlines()
    assert lines[-1] == "  and 3 more"
    assert lines[-2].startswith("  python -m benchmark run -m")


def test_a_finished_grid_asks_for_nothing(plan: Plan) -> None:
    finished(plan, *range(8))
    text = render(standing(plan))
    assert text.endswith("grid small: 8 of 8 runs done")
    assert "still to do" not in text and "python -m" not in text


def test_the_estimate_says_from_what_it_is_made(plan: Plan) -> None:
    finished(plan, 0)
    text = render(standing(plan))
    assert "reckoned from finished runs (1) on cpu" in text
    # 50 steps took 13 s, so 100 take 26 s in seven runs, the first of which has done them in 13
    assert "0.05 device-hours (2 min 49 s), 6 images to draw, 0.00 GB of them" in text
    # nothing tells how long the pool of seed 1 takes
    assert "not in the sum: 1 runs or pools" in text


def test_where_nothing_was_ever_run_the_text_says_so(plan: Plan) -> None:
    text = render(standing(plan))
    assert "0.00 device-hours" in text
    assert "reckoned from finished runs (0) on no device" in text
    # eight runs, and a pool for each of two seeds
    assert "not in the sum: 10 runs or pools that nothing finished tells about" in text
    assert "not known" in text.splitlines()[1]


def test_committed_records_stand_in_for_runs(tmp_path: Path, plan: Plan) -> None:
    board = make_plan(tmp_path / "leaderboards" / "records")
    finish(board.points[0], board.out, (90, 60, 30, 20), 0)
    found = standing(plan)
    assert found.borrowed and found.rates.runs == 1
    assert "reckoned from committed records (1) on cpu" in render(found)


def test_refused_cells_are_listed_once_a_reason(tmp_path: Path) -> None:
    cells = [Cell("web", name, ()) for name in ("plain", "margins", "mixup")]
    reasons = [UsageError("no images"), UsageError("no images"), UsageError("other", todo="do")]
    plan = make_plan(
        tmp_path, refused=tuple((c, Refused(r)) for c, r in zip(cells, reasons, strict=True))
    )
    lines = render(standing(plan)).splitlines()
    assert "cannot run: web / plain and 1 more: no images" in lines
    assert "cannot run: web / mixup: other; do" in lines
    assert by_reason([]) == []


@pytest.mark.parametrize("width", [80, 120])
def test_the_text_fits_the_terminal(width: int, tmp_path: Path) -> None:
    cells = list(LONG.rows)
    long = UsageError("Expected something that takes many words to say, " * 4, todo="do it")
    plan = make_plan(tmp_path, LONG, refused=((Cell(cells[0], "web", ()), Refused(long)),))
    finished(plan, 0)
    (folder(plan, 1) / "error.json").write_text(json.dumps({"error": "It did not work. " * 12}))
    lines = render(standing(plan), width).splitlines()
    # commands are to be copied, and no terminal breaks what it copies
    text = [line for line in lines if "python -m benchmark" not in line]
    assert max(map(len, text)) <= width
    table = lines[: len(LONG.rows) * 2 + 1]
    assert all(line.rstrip().endswith(("left", "s", "h", "min", "known")) or "3 of 3" in line
               for line in table)  # fmt: skip
    assert "…" in table[2]


def test_commands_can_be_copied() -> None:
    words = ["method=[a,b]", "dataset.root_name=my birds", "budget.amount=3"]
    for seeds in ([4], [0, 2]):
        found = shlex.split(command(words, seeds))
        assert found[:4] == ["python", "-m", "benchmark", "run"]
        assert found[-4:] == [*words, f"seed={','.join(map(str, seeds))}"]
    assert ("-m" in shlex.split(command(words, [0, 1]))[4:]) and "-m" not in command(words, [0])[
        20:
    ]


def test_the_command_of_a_plan_is_the_one_that_was_given(tmp_path: Path) -> None:
    words = ("grid=table2", "rows=b, modifiers", "seeds=2")
    assert plan_command(make_plan(tmp_path, words=words)) == (
        "python -m benchmark run grid=table2 'rows=b, modifiers' seeds=2"
    )
