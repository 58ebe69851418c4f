"""Rows that predictions are scored on: those of a data set of the suite; no torch."""

import dataclasses
import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.config import parse
from benchmark.data.cards import Card
from benchmark.data.dataset import Dataset, LongTailedData
from benchmark.data.rows import ImageTable
from benchmark.data.splits import SplitInfo
from benchmark.errors import DataError, UsageError
from benchmark.recording.record_models import (
    Block,
    Design,
    Name,
    Plain,
    PositiveCount,
    Sha256,
    Split,
)
from benchmark.registry import DATASETS
from benchmark.statistics.metrics import Count, Group

RowsName = Literal["test", "val", "heldout"]


class Target(Block):
    """The rows of an evaluation, and the classes by which it is read.

    ``config`` makes the data set again; ``labels_sha256`` is the hash of the rows' true classes.
    """

    name: Name
    config: Plain
    rows: RowsName
    protocol: PositiveCount
    seed: Count
    n: PositiveCount
    classes: tuple[str, ...]
    counts_real: tuple[Count, ...]
    conventions: dict[str, tuple[Group, ...]]
    design: Design
    split: Split
    labels_sha256: Sha256


@dataclass(frozen=True)
class Scored:
    """Rows at hand.

    Attributes:
        target: what is said of them.
        card: facts of the data set.
        table: images, true classes and ids.
    """

    target: Target
    card: Card
    table: ImageTable

    @property
    def labels(self) -> NDArray[np.int64]:
        """The true class of each row, int64 (n,)."""
        return self.table.labels


def dataset_of(config: dict[str, Any]) -> Dataset:
    """The data set that a configuration, as records hold it, describes.

    Raises:
        UsageError: a kind that is not installed, or settings that it does not take.
    """
    cls = DATASETS.load(str(config.get("kind")))
    known = {field.name for field in dataclasses.fields(cls.Config)}
    # the card's protocol stands beside the settings
    own = {
        key: value
        for key, value in config.items()
        if key != "kind" and (key != "protocol" or key in known)
    }
    made: Dataset = cls(parse(cls.Config, own, "dataset"))
    return made


def load_rows(config: dict[str, Any], seed: int, rows: RowsName = "test") -> Scored:
    """The rows of a data set at one seed.

    Args:
        config: kind and settings.
        seed: the split replicate, for data sets whose split follows it.
        rows: which of its rows; never those that are trained on.

    Raises:
        DataError: the data set is not prepared; names the command.
        UsageError: it has no such rows.
    """
    data = dataset_of(config).load(seed)
    table = _table(data, rows)
    return Scored(_target(config, seed, rows, data, table.labels), data.card, table)


def _table(data: LongTailedData, rows: RowsName) -> ImageTable:
    table: ImageTable | None = getattr(data, rows)
    if table is None or not len(table):
        raise UsageError(f"{data.card.name} has no {rows} rows", where="rows", todo="score others")
    return table


def _target(
    config: dict[str, Any],
    seed: int,
    rows: RowsName,
    data: LongTailedData,
    labels: NDArray[np.int64],
) -> Target:
    card = data.card
    return Target(
        name=card.name if rows == "test" else f"{card.name}@{rows}",
        config=config,
        rows=rows,
        protocol=card.protocol,
        seed=seed,
        n=len(labels),
        classes=card.classes,
        counts_real=card.counts,
        conventions=card.groups,
        design=card.design,
        split=split_block(data.split),
        labels_sha256=labels_hash(labels),
    )


def split_block(split: SplitInfo) -> Split:
    """How rows were chosen, as records hold it."""
    return Split(**dataclasses.asdict(split))


def labels_hash(labels: NDArray[Any]) -> str:
    """SHA-256 of class numbers in row order, as 64 hex digits."""
    return hashlib.sha256(np.asarray(labels).astype("<i8").tobytes()).hexdigest()


def at_hand(target: Target) -> Scored | str:
    """The rows of a target, or in one line why they cannot be had here."""
    try:
        return load_rows(target.config, target.seed, target.rows)
    except (DataError, UsageError) as error:
        return error.problem
