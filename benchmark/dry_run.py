"""``run ... --dry-run``: what a command line would run, what of it is done, what the rest takes."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.expansion import Expansions, Facts, Refused, expand_all
from benchmark.grid_run import Plan, Point, is_grid, plan, science
from benchmark.grid_status import render, standing
from benchmark.grids import Cell, Grid, run_defaults

SWEEP = ("-m", "--multirun")


def dry_run(words: Sequence[str], width: int | None = None) -> str:
    """A table of the experiments of a command line, of a grid or not; nothing is run.

    Args:
        words: as given to ``run``.
        width: columns of the terminal; None leaves lines whole.

    Raises:
        UsageError: a word that cannot be meant, or no experiment that can be run.
    """
    found = plan(words) if is_grid(words) else _swept(words)
    return render(standing(found), width)


def _swept(words: Sequence[str]) -> Plan:
    """The runs of a command line without a grid, as Hydra would expand it."""
    from benchmark import compose

    given = [word for word in words if word not in SWEEP] or compose.main_job()
    for word in given:
        if word.startswith("-"):
            raise UsageError("Expected no flag but -m beside --dry-run", where=word)
    compose.check_overrides(given)
    sweep = any(word in SWEEP for word in words)
    lines = compose.every_point(given) if sweep else [list(given)]
    seeds = {_seed(line) for line in lines}
    plain = list(dict.fromkeys(tuple(science(_unseeded(line))) for line in lines))
    with Expansions() as known:
        facts = expand_all(plain, known)
    for found in facts.values():
        if isinstance(found, Refused):
            raise found.error
    cells = [(Cell(fact.label, "", line), fact) for line, fact in facts.items()
             if isinstance(fact, Facts)]  # fmt: skip
    points = tuple(
        Point(cell, seed, (*cell.words, f"seed={seed}"), fact)
        for seed in sorted(seeds)
        for cell, fact in cells
    )
    out = [word.partition("=")[2] for word in given if word.startswith("out=")]
    grid = Grid(seeds=len(seeds))
    return Plan("", grid, points, (), tuple(words), Path(out[-1] if out else run_defaults()["out"]))


def _seed(line: Sequence[str]) -> int:
    found = [word.partition("=")[2] for word in line if word.startswith("seed=")]
    text = found[-1] if found else run_defaults()["seed"]
    if not text.isdecimal():
        raise UsageError(f"Expected an integer in [0, 2^31), but got {text!r}", where="seed")
    return int(text)


def _unseeded(line: Sequence[str]) -> list[str]:
    return [word for word in line if not word.startswith("seed=")]
