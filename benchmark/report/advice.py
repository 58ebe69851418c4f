"""The page at the end of a matrix: what to take for one's own data, and how sure that is."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark.boards import text
from benchmark.boards.leaderboard import rows_of
from benchmark.errors import BenchError
from benchmark.grid.advice import Advice, advise
from benchmark.grid.candidates import Candidate, Scored, score
from benchmark.grid.grid_run import Plan, Point
from benchmark.grid.grid_status import Standing, by_reason, command, plan_command
from benchmark.grid.grids import Cell
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.report.advice_text import about_tail, answer, how_sure
from benchmark.statistics import metrics, stats
from benchmark.system.console import duration
from benchmark.system.files import write_text

TEMPLATE = "advice.html.j2"
SHOWN = 15
MORE_SEEDS = 3
Run = tuple[Record, Scored]


def write_advice(now: Standing) -> list[str]:
    """Write the page beside the runs of a matrix.

    Returns:
        the answer in short and the page's path, as lines for the terminal; none without the runs
        of the plain cell, the first row's first column.
    """
    candidates, broken = gather(now.plan)
    plain = next(iter(candidates), None)
    if plain is None or plain.cell != _first(now.plan):
        return []
    advice = advise(candidates, plain)
    path = now.plan.out / f"{now.plan.name}-{text.slug(plain.row.first.dataset.name)}.html"
    write_text(path, render(now, candidates, advice, broken))
    return ["", *answer(advice), f"page: {path}"]


def _first(plan: Plan) -> Cell | None:
    return plan.points[0].cell if plan.points else None


def gather(plan: Plan) -> tuple[list[Candidate], list[str]]:
    """Cells with finished runs, in the order of the grid; and what could not be read."""
    found: dict[Cell, list[Point]] = {}
    for point in plan.points:
        found.setdefault(point.cell, []).append(point)
    broken: list[str] = []
    made = [_candidate(cell, points, plan, broken) for cell, points in found.items()]
    return [each for each in made if each is not None], broken


def _candidate(
    cell: Cell, points: Sequence[Point], plan: Plan, broken: list[str]
) -> Candidate | None:
    own = {point.seed: point.folder(plan.out) for point in points}
    beside = next(iter(own.values())).parent.glob("s*")
    others = [each for each in sorted(beside) if each not in own.values()]
    runs = [run for folder in own.values() if (run := _run(folder, broken))]
    more = [run for folder in others if (run := _run(folder, broken))]
    if not runs:
        return None
    (row,) = rows_of(record for record, _ in runs)
    return Candidate(cell, row, *({record.seed: scored for record, scored in each}
                                  for each in (runs, more)))  # fmt: skip


def _run(folder: Path, broken: list[str]) -> Run | None:
    if not (folder / "record.json").exists():
        return None
    try:
        record = records.load(folder / "record.json")
        return record, score(record, metrics.load_predictions(folder / record.predictions.file))
    except BenchError as error:
        broken.append(str(error))
        return None


def render(
    now: Standing, candidates: Sequence[Candidate], advice: Advice, broken: Sequence[str]
) -> str:
    """The page as HTML that needs nothing else.

    Args:
        now: the plan and the states of its runs.
        candidates: its cells with records.
        advice: what they come to.
        broken: runs that could not be read, and why.
    """
    first = advice.plain.row.first
    loader = FileSystemLoader(Path(__file__).parent)
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True).get_template(TEMPLATE)  # fmt: skip
    return page.render(
        dataset=first.dataset,
        rows=len(advice.plain.runs[first.seed].labels),
        scored_on=first.experiment.config.get("score_on", "test"),
        answer=answer(advice),
        sure=how_sure(advice),
        shown=[_line(each, advice) for each in _shown(candidates, advice)],
        hidden=max(len(advice.tied) - SHOWN, 0),
        tail=about_tail(advice),
        matrix=_matrix(now.plan, candidates, advice),
        missing=[*by_reason(_reasons(now)), *broken],
        unfinished=sum(point.cell not in now.failures for point in now.unfinished),
        commands=_commands(now, advice),
    )


def _shown(candidates: Sequence[Candidate], advice: Advice) -> list[Candidate]:
    """The cells of the first table: those that may be best, and the plain one."""
    if advice.verdict == "too few seeds":
        return list(candidates)[:SHOWN]
    tied = advice.tied[:SHOWN]
    tied += [advice.best] if advice.best not in tied else []
    return [*tied, *([advice.plain] if advice.plain not in tied else [])]


def _line(candidate: Candidate, advice: Advice) -> dict[str, Any]:
    """One cell as the first table shows it."""
    behind = {each.candidate.name: each.difference for each in advice.rivals}
    row, spent = candidate.row, candidate.row.spent
    hits = [float(run.hits.mean()) for run in candidate.runs.values()]
    drawing = duration(spent.seconds) if spent.seconds else text.NONE
    return {
        "name": candidate.name,
        "best": candidate is advice.best,
        "seeds": len(candidate.runs),
        "score": text.estimate(candidate.estimate),
        "behind": text.difference(behind.get(candidate.name)),
        "ranks": text.ranks(advice.ranks.get(candidate.name)),
        "groups": [text.percent(value) for value in candidate.groups],
        "accuracy": text.percent(stats.mean(hits)),
        "added": f"{row.added:,}",
        "calls": f"{spent.calls:,.0f}" if spent.known else "not stated",
        "drawing": drawing,
        "training": duration(row.train_seconds),
        "knowledge": ", ".join(row.first.method.knowledge) or text.NONE,
    }


def _matrix(plan: Plan, candidates: Sequence[Candidate], advice: Advice) -> dict[str, Any]:
    """Algorithms down, supplies across."""
    found = {(each.cell.row, each.cell.column): each for each in candidates}
    rows = [row for row in plan.grid.rows if any(place[0] == row for place in found)]
    lines = [
        (column, [_matrix_cell(found.get((row, column)), advice) for row in rows])
        for column in plan.grid.columns
    ]
    return {"rows": rows, "lines": lines}


def _matrix_cell(candidate: Candidate | None, advice: Advice) -> dict[str, Any]:
    if candidate is None:
        return {"text": text.NONE, "first": False, "best": False}
    return {
        "text": text.estimate(candidate.estimate),
        "first": advice.ranks.get(candidate.name, (0, 0))[0] == 1,
        "best": candidate is advice.best and advice.verdict != "too few seeds",
    }


def _reasons(now: Standing) -> list[tuple[Cell, str]]:
    refused = [(cell, str(refused.error)) for cell, refused in now.plan.refused]
    return [*refused, *now.failures.items()]


def _commands(now: Standing, advice: Advice) -> list[tuple[str, str]]:
    """What to do next, each with its command."""
    plan, pick = now.plan, advice.pick
    seeds = plan.grid.seeds
    fresh = range(seeds, seeds + MORE_SEEDS)
    found = [(f"Train {pick.name} again, first seed", command(pick.cell.words, [0]))]
    if advice.gain:
        found += [(f"{each.name} at seeds that the choice has not seen; then make this page again",
                   command(each.cell.words, list(fresh)))
                  for each in (advice.best, advice.plain)]  # fmt: skip
    more = max(advice.seeds_needed or 0, seeds + MORE_SEEDS)
    kept = [word for word in plan.words if not word.startswith(("seeds=", "workers="))]
    found.append((f"All cells with {more} seeds",
                  f"python -m benchmark run {shlex.join([*kept, f'seeds={more}'])}"))  # fmt: skip
    return [*found, ("What is missing, and this page", plan_command(plan))]
