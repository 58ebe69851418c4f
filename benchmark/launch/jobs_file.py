"""A plan as a file of jobs, one JSON object a line, that any scheduler can hand out by number.

The file says what each job must turn out to be. A checkout whose configurations have changed since
is found out before a job runs, and not by a table that mixes two experiments.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.grid.grid_run import Plan
from benchmark.system.files import write_text


@dataclass(frozen=True)
class Job:
    """One run of a plan.

    Attributes:
        name: of its experiment, as shown in tables.
        seed: of the run.
        hash: of its experiment.
        folder: of the run.
        overrides: the words of its command line, seed included.
    """

    name: str
    seed: int
    hash: str
    folder: str
    overrides: tuple[str, ...]


def jobs_of(found: Plan) -> list[Job]:
    """Every run of a plan, finished or not, in the plan's order: numbers stay what they are."""
    return [
        Job(
            name=point.cell.name,
            seed=point.seed,
            hash=point.facts.hash,
            folder=str(point.folder(found.out)),
            overrides=tuple(point.words),
        )
        for point in found.points
    ]


def write_jobs(path: Path, jobs: Sequence[Job]) -> None:
    """Write jobs, whole or not at all.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    write_text(path, "".join(json.dumps(asdict(job)) + "\n" for job in jobs))


def read_jobs(path: Path) -> list[Job]:
    """Read a file of jobs.

    Raises:
        DataError: there is no such file.
        IntegrityError: a line that is no job, or no line at all.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise _broken(path, 1, "bytes that are not UTF-8") from error
    except OSError as error:
        raise DataError(
            f"Expected a file of jobs, but got {error.strerror}",
            where=path,
            todo="write one: python -m benchmark run ... --dry-run --write jobs.jsonl",
        ) from error
    if not lines:
        raise _broken(path, 1, "an empty file")
    return [_job(line, path, number) for number, line in enumerate(lines, 1)]


def _job(line: str, path: Path, number: int) -> Job:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _broken(path, number, f"no JSON ({error})") from error
    if not isinstance(value, dict) or set(value) != {field.name for field in fields(Job)}:
        raise _broken(path, number, "other keys")
    words, seed = value["overrides"], value["seed"]
    if not (
        all(isinstance(value[key], str) for key in ("name", "hash", "folder"))
        and isinstance(words, list)
        and all(isinstance(word, str) for word in words)
        and isinstance(seed, int)
        and not isinstance(seed, bool)
    ):
        raise _broken(path, number, "values of other types")
    return Job(**value | {"overrides": tuple(words)})


def _broken(path: Path, number: int, got: str) -> IntegrityError:
    return IntegrityError(
        f"Expected a job on line {number}, but got {got}",
        where=path,
        todo="write the file again: python -m benchmark run ... --dry-run --write jobs.jsonl",
    )


def at(jobs: Sequence[Job], index: int, where: Any) -> Job:
    """The job of a number, counted from 0.

    Raises:
        UsageError: there are not so many.
    """
    if not 0 <= index < len(jobs):
        raise UsageError(
            f"Expected a number in [0, {len(jobs)}), but got {index}",
            where=where,
            todo=f"an array of all jobs is 0-{len(jobs) - 1}",
        )
    return jobs[index]
