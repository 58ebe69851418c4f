"""Published figures, kept as data, and our own rows that stand beside them.

They are never ranked together: data, network, length and augmentation differ, which is what the
tags of a figure are for.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import imbalance
from benchmark.errors import DataError, IntegrityError
from benchmark.paths import config_dir
from benchmark.recording.record_models import Block, Name, PositiveCount, Record, Track
from benchmark.statistics import stats
from benchmark.system.yaml_text import read_yaml

# of a data set's settings: what else than the imbalance factor says how long-tailed it is
_SHAPE = ("n_max", "profile", "val")
Percent = Annotated[float, Field(ge=0, le=100)]
_Model = TypeVar("_Model", bound=BaseModel)


class Figure(Block):
    """Accuracies in percent at one imbalance factor; None where not published."""

    imbalance: PositiveCount | None = None
    all: Percent
    many: Percent | None = None
    medium: Percent | None = None
    few: Percent | None = None


class Groups(Block):
    """The convention that a row's groups follow, found from their sizes in its published sum."""

    convention: Name
    sizes: tuple[PositiveCount, PositiveCount, PositiveCount]


class PublishedRow(Block):
    """One line of a published table.

    Attributes:
        method: as printed there.
        ours: the label of our row of this method.
        source: the component whose citation is the source of the row.
        backbone: the network, which is not always the one that the table's head says.
        epochs: length of training; None where not stated.
        augmentation: of real images; None where not stated.
        knowledge: tags of what the method knows beyond the training set.
        track: where its added images come from.
        groups: None where the row has no groups.
        steps: diffusion steps of its generator, where the table is about them.
        numbers: one for each imbalance factor.
        note: what to know of this row.
    """

    method: Name
    ours: str | None
    source: Name
    backbone: Name
    epochs: str | None
    augmentation: str | None
    knowledge: tuple[str, ...]
    track: Track
    groups: Groups | None
    steps: PositiveCount | None = None
    numbers: Annotated[tuple[Figure, ...], Field(min_length=1)]
    note: str


class PublishedTable(Block):
    """A table of the paper, with what was found about it."""

    name: Name
    what: Name
    data_set: Name
    rows: Annotated[tuple[PublishedRow, ...], Field(min_length=1)]
    notes: tuple[str, ...]


class Reading(Block):
    """A figure that was published without numbers, and what it is said to show."""

    name: Name
    data_set: Name
    what: Name
    says: str


class Published(Block):
    """The file: ``data_sets`` gives our name of each; ``paper`` is a component that cites it."""

    schema_version: Literal["published/1"] = Field(alias="schema")
    unit: Literal["top-1 accuracy, percent"]
    paper: Name
    data_sets: dict[str, str]
    tables: tuple[PublishedTable, ...]
    readings: tuple[Reading, ...]


def load(path: Path) -> Published:
    """Read and validate published figures.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is not as it should be; names the first problem.
    """
    return read_as(Published, path, "published figures")


def read_as(model: type[_Model], path: Path, what: str) -> _Model:
    """Read and validate a file of the repository, called ``what`` where it is missing.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is not as it should be; names the first problem.
    """
    try:
        return model.model_validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        todo = "restore it from the repository"
        raise DataError(
            f"Expected {what}, but got {error.strerror}", where=path, todo=todo
        ) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        at = ".".join(map(str, first["loc"]))
        raise IntegrityError(f"{at or 'file'}: {first['msg']}", where=path) from None


@dataclass(frozen=True)
class Beside:
    """A row of ours that has the same data, imbalance and method as a published figure."""

    row: Row
    table: Table

    def group(self, name: str, convention: str | None) -> float | None:
        """Mean accuracy of a shot group under a convention; None where the row has none such."""
        found = [record.metrics.groups.get(convention or "") for record in self.row.records]
        values = [getattr(each, name) for each in found if each]
        present = [value for value in values if value is not None]
        return stats.mean(present) if present else None


def beside(
    tables: Iterable[Table],
    data_set: str,
    label: str | None,
    factor: float | None,
    steps: int | None = None,
) -> list[Beside]:
    """Our rows beside a published figure, in the order of the tables.

    Args:
        tables: leaderboards; those with a budget rule of their own are left out.
        data_set: our name of it.
        label: of the row; None for a method we have not.
        factor: the imbalance factor; None for a data set without one.
        steps: diffusion steps of the generator, where that matters.
    """
    return [
        Beside(row, table)
        for table in tables
        if table.key.dataset == data_set and not table.key.budget_rule
        for row in table.rows
        if row.label == label and _fits(row.first, factor, steps)
    ]


def _fits(record: Record, factor: float | None, steps: int | None) -> bool:
    drawn = record.pool.generator.get("steps") if record.pool else None
    return imbalance(record) == factor and steps in (None, drawn) and _as_shipped(record)


def _as_shipped(record: Record) -> bool:
    """Whether the long tail has the shape that figures are published for, at any factor."""
    own = record.experiment.config.get("dataset")
    shipped = _shipped(record.dataset.name)
    return isinstance(own, dict) and all(
        own.get(key, shipped.get(key)) == shipped.get(key) for key in _SHAPE
    )


@cache
def _shipped(name: str) -> Mapping[str, object]:
    path = config_dir() / "dataset" / f"{name}.yaml"
    found = read_yaml(path).get("dataset") if path.is_file() else None
    return found if isinstance(found, dict) else {}


def factors(rows: Sequence[PublishedRow]) -> list[int | None]:
    """The imbalance factors of a table, in the order of its first rows."""
    return list(dict.fromkeys(each.imbalance for row in rows for each in row.numbers))
