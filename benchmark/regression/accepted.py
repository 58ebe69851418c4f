"""The log of accepted changes of the reference: one JSON object a line, never rewritten."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from benchmark.errors import IntegrityError
from benchmark.regression.policy import METRICS
from benchmark.regression.samples import Runs
from benchmark.statistics import stats
from benchmark.system.files import write_text

NAME = "accepted.jsonl"
DECIMALS = 6


class Means(BaseModel):
    """Means over seeds, shares; None for a metric that the data set has not."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    n: int
    accuracy: float | None
    few: float | None
    ece: float | None


class Accepted(BaseModel):
    """One move of the reference.

    ``old`` is None for an experiment that had no reference; ``created`` is that of the newest run;
    ``really`` says that it was accepted although it was not shown to be equivalent. ``moved`` is
    the change of each metric as it was compared: at common seeds where seeds were paired.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    hash: str
    label: str
    dataset: str
    old: Means | None
    new: Means
    reason: Annotated[str, MinLen(1)]
    git_sha: str
    created: str
    really: bool = False
    moved: dict[str, float] = Field(default_factory=dict)

    def change(self, metric: str) -> float | None:
        """New minus old of a metric, a share; None where it was not measured twice."""
        before, now = getattr(self.old, metric, None), getattr(self.new, metric)
        return self.moved.get(metric, None if before is None or now is None else now - before)


def log_path(records_dir: Path) -> Path:
    """The log of a folder of records: beside it."""
    return records_dir.parent / NAME


def means(runs: Runs) -> Means:
    """The means of an experiment, rounded so that they can be compared."""
    found = {}
    for metric in METRICS:
        values = list(runs.values(metric).values())
        found[metric] = round(stats.mean(values), DECIMALS) if values else None
    return Means(n=len(runs.seeds), **found)


def read_log(path: Path) -> list[Accepted]:
    """Every accepted change, oldest first; none where there is no log.

    Raises:
        IntegrityError: a line is no accepted change.
    """
    if not path.exists():
        return []
    found = []
    # bytes that are not UTF-8 are no JSON either
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(Accepted.model_validate_json(line, strict=True))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            raise IntegrityError(
                f"Expected an accepted change, but got {first['msg']} in '{name}'",
                where=f"{path}:{number}",
                todo="restore the file from the repository",
            ) from None
    return found


def append(path: Path, lines: Sequence[Accepted]) -> None:
    """Add changes to the log, all of them or none."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    added = "".join(json.dumps(each.model_dump(), ensure_ascii=False) + "\n" for each in lines)
    write_text(path, before + added)


def of_experiment(log: Iterable[Accepted], name: str) -> list[Accepted]:
    """The changes of one experiment since its reference was last begun anew, oldest first."""
    found: list[Accepted] = []
    for each in log:
        if each.hash == name:
            found = [each] if each.old is None else [*found, each]
    return found
