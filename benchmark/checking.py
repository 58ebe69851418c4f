"""Checks of what is on disk."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError, DataError

RECORDS = Path("leaderboards") / "records"


@dataclass(frozen=True)
class Checked:
    """Outcome of a check of records.

    Attributes:
        valid: records that pass the schema and its cross-checks.
        recomputed: those whose predictions were at hand and give the same metrics.
        problems: one line for each fault, the file first.
    """

    valid: int
    recomputed: int
    problems: tuple[str, ...]


def check_records(folder: Path = RECORDS) -> Checked:
    """Validate every record below ``folder``; recompute metrics where predictions are at hand.

    Raises:
        DataError: there is no such folder.
    """
    from benchmark import records

    if not folder.is_dir():
        raise DataError("Expected a folder of records, but found none", where=folder)
    valid = recomputed = 0
    problems: list[str] = []
    for path, found in records.find(folder):
        if path.name == "error.json":
            continue
        if isinstance(found, BenchError):
            problems.append(f"{path}: {found.problem}")
            continue
        valid += 1
        if (path.parent / found.predictions.file).exists():
            faults = records.verify(path)
            recomputed += not faults
            problems += [f"{path}: {fault}" for fault in faults]
    return Checked(valid, recomputed, tuple(problems))
