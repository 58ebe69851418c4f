"""Records on disk against their schema, their versions and their predictions."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.errors import BenchError, DataError
from benchmark.system.files import read_json

RECORDS = Path("leaderboards") / "records"


@dataclass(frozen=True)
class Checked:
    """Outcome of a check of records.

    Attributes:
        valid: records that pass the schema and its cross-checks.
        recomputed: those whose predictions were at hand and give the same metrics.
        problems: one line for each fault, the file first.
        migrated: those of an older form, which were brought to the newest one.
        outdated: how many records have what is older than this code, by what it is.
    """

    valid: int
    recomputed: int
    problems: tuple[str, ...]
    migrated: int = 0
    outdated: Mapping[str, int] = field(default_factory=dict)


def check_records(folder: Path = RECORDS) -> Checked:
    """Validate every record below ``folder``; recompute metrics where predictions are at hand.

    Raises:
        DataError: there is no such folder.
    """
    from benchmark.recording import migrations, records, versions

    if not folder.is_dir():
        todo = "name it: python -m benchmark check records DIR"
        raise DataError("Expected a folder of records, but found none", where=folder, todo=todo)
    valid = recomputed = migrated = 0
    problems: list[str] = []
    outdated: Counter[str] = Counter()
    for path, found in records.find(folder):
        if isinstance(found, BenchError):
            problems.append(f"{path}: {found.problem}")
            continue
        valid += 1
        migrated += migrations.form_of(read_json(path)) != migrations.NEWEST
        outdated.update(versions.outdated(found))
        if (path.parent / found.predictions.file).exists():
            faults = records.verify(path)
            recomputed += not faults
            problems += [f"{path}: {fault}" for fault in faults]
    counts = dict(sorted(outdated.items()))
    return Checked(valid, recomputed, tuple(problems), migrated, counts)
