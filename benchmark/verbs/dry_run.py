"""``run ... --dry-run``: what a command line would run, what of it is done, what the rest takes.

With ``--write`` the runs go to a file of jobs, which ``work`` runs. With ``--on`` the hours
are those of a machine that nothing ran on.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import UsageError
from benchmark.experiments.expansion import Expansions, Facts, Refused, expand_all
from benchmark.grid.grid_run import (
    Plan,
    Point,
    checked_launcher,
    is_grid,
    plan,
    science,
    value_of,
)
from benchmark.grid.grid_status import Standing, render, standing
from benchmark.grid.grids import Cell, Grid, run_defaults
from benchmark.launch.jobs_file import jobs_of, write_jobs
from benchmark.vocabulary.words import ON, WRITE, take_flag

if TYPE_CHECKING:
    from benchmark.estimation.machines import Machine

SWEEP = ("-m", "--multirun")


def dry_run(words: Sequence[str], width: int | None = None, jobs: Path | None = None) -> str:
    """A table of the experiments of a command line, of a grid or not; nothing is run.

    Among the words may be ``--on MACHINE``.

    Args:
        words: as given to ``run``.
        width: columns of the terminal; None leaves lines whole.
        jobs: a file to write the runs to.

    Raises:
        UsageError: a word that cannot be meant, or no experiment that can be run.
        StorageError: the file cannot be written.
    """
    words, machine = _take_on(words)
    found = plan(words) if is_grid(words) else swept(words)
    now = standing(found)
    text = render(now, width) if machine is None else _on(now, machine, width)
    return f"{text}\n{_written(found, jobs)}" if jobs else text


def _take_on(words: Sequence[str]) -> "tuple[list[str], Machine | None]":
    if not any(word.partition("=")[0] == ON for word in words):
        return list(words), None
    from benchmark.verbs.on_machine import take_on

    return take_on(words)


def _on(found: Standing, machine: "Machine", width: int | None) -> str:
    from benchmark.verbs.on_machine import render as render_on

    return render_on(found.plan, found.unfinished, found.of("finished"), machine, width)


def _written(found: Plan, path: Path) -> str:
    jobs = jobs_of(found)
    write_jobs(path, jobs)
    name = shlex.quote(str(path))
    return (
        f"{len(jobs)} jobs in {name}; all of them: python -m benchmark work {name}; "
        f"in an array 0-{len(jobs) - 1}: python -m benchmark work {name} --index NUMBER"
    )


def take_write(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The words without ``--write FILE``, and the file.

    Raises:
        UsageError: ``--write`` without a file.
    """
    kept, path = take_flag(words, WRITE, "a file", "jobs.jsonl")
    return kept, Path(path) if path else None


def swept(words: Sequence[str]) -> Plan:
    """The runs of a command line without a grid, as Hydra would expand it.

    Raises:
        UsageError: a word that cannot be meant, or an experiment that cannot be run.
    """
    from benchmark.experiments import compose

    launcher = checked_launcher(words)
    given = [word for word in words if word not in (*SWEEP, *launcher)] or compose.main_job()
    for word in given:
        if word.startswith("-"):
            raise UsageError(
                "Expected no flag but -m beside --dry-run",
                where=word,
                todo="settings have no dashes: method=ce dataset=cifar100lt",
            )
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
        launcher=launcher,
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
