"""``run ... --dry-run``: what a command line would run, what of it is done, what the rest takes."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UsageError
from benchmark.expansion import Expansions, Facts, Refused, expand_all
from benchmark.grid_run import Plan, Point, is_grid, plan, science, value_of
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
    seeds = sorted({_seed(line) for line in lines})
    plain = list(dict.fromkeys(tuple(_unseeded(line)) for line in lines))
    able = _able(plain)
    return Plan(
        name="",
        grid=Grid(seeds=len(seeds)),
        points=tuple(Point(cell, seed, fact) for seed in seeds for cell, fact in able),
        refused=(),
        words=tuple(words),
        out=Path(value_of(given, "out") or run_defaults()["out"]),
    )


def _able(lines: Sequence[tuple[str, ...]]) -> list[tuple[Cell, Facts]]:
    """Each experiment with its words; the first that cannot be run is an error."""
    keys = [science(line) for line in lines]
    with Expansions() as known:
        facts = expand_all(keys, known)
    able = []
    for line, key in zip(lines, keys, strict=True):
        fact = facts[key]
        if isinstance(fact, Refused):
            raise fact.error
        able.append((Cell(fact.label, "", line), fact))
    return able


def _seed(line: Sequence[str]) -> int:
    text = value_of(line, "seed") or run_defaults()["seed"]
    if not text.isdecimal():
        raise UsageError(f"Expected an integer in [0, 2^31), but got {text!r}", where="seed")
    return int(text)


def _unseeded(line: Sequence[str]) -> list[str]:
    return [word for word in line if not word.startswith("seed=")]
