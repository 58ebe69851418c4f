"""Ranges in which an honest re-implementation should fall, kept as data, and how we stand in them.

A range is of one method on one data set under the recipe that its figures were published with; a
run under any other recipe, however little it differs, gets no verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.published import Percent, read_as
from benchmark.identity import PROTOCOL
from benchmark.recording.record_models import Block, Name, Plain
from benchmark.recording.table_key import TableKey

Basis = Literal["judged", "rule", "none"]
Place = Literal["inside", "below", "above", "no band"]
Words = tuple[Name, ...]
_DECIMALS = 2


class Value(Block):
    """A published accuracy, percent; ``verified`` is False where not seen at its source."""

    value: Percent
    source: Name
    verified: bool = True


class Requirement(Block):
    """The recipe of published figures.

    Attributes:
        what: it is, for readers.
        name: of our recipe.
        backbone: our name of the network.
        words: that choose it on a command line, beside the data set.
        settings: all values of the recipe but its name and precision.
    """

    what: Name
    name: Name
    backbone: Name
    words: Words
    settings: Plain


class Band(Block):
    """A method with its published figures, and the range for the best epoch on the test set.

    Attributes:
        method: as printed.
        words: that choose it on a command line.
        ours: labels of our rows of this method.
        recipes: keys of the requirements, any of which will do.
        published: at least one value.
        low: of a judged range, percent.
        high: of a judged range, percent.
        band: "judged" from the spread of published and repeated values; by the "rule" of the
            file's margin; "none" where neither is sound.
        note: what to know of this row.
    """

    method: Name
    words: Annotated[Words, Field(min_length=1)]
    ours: Annotated[Words, Field(min_length=1)]
    recipes: Annotated[Words, Field(min_length=1)]
    published: Annotated[tuple[Value, ...], Field(min_length=1)]
    low: Percent | None = None
    high: Percent | None = None
    band: Basis
    note: str

    @model_validator(mode="after")
    def _consistent(self) -> "Band":
        given = self.low is not None and self.high is not None
        if given != (self.band == "judged") or (self.low is None) != (self.high is None):
            raise ValueError(f"Expected low and high of a judged band only: {self.method}")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"Expected low below high: {self.method}")
        if self.band == "rule" and not any(each.verified for each in self.published):
            raise ValueError(f"Expected a verified value to set a band by: {self.method}")
        return self


class BandTable(Block):
    """The methods of one data set; ``settings`` are those of the data that must agree."""

    data_set: Name
    words: Words
    settings: Plain
    rows: Annotated[tuple[Band, ...], Field(min_length=1)]


class Bands(Block):
    """The file.

    Attributes:
        shift: percent points added to each end of a range, which is for the best epoch on the
            test set, to get the range of the last epoch.
        margin: by the rule, percent points around the verified published values.
        precisions: of arithmetic that count as the published recipe.
        recipes: requirements by key.
        tables: in the order of the page.
    """

    schema_version: Literal["bands/1"] = Field(alias="schema")
    unit: Literal["top-1 accuracy, percent"]
    shift: float
    margin: Annotated[float, Field(gt=0)]
    precisions: Annotated[Words, Field(min_length=1)]
    recipes: dict[str, Requirement]
    tables: tuple[BandTable, ...]

    @model_validator(mode="after")
    def _known(self) -> "Bands":
        asked = {key for table in self.tables for row in table.rows for key in row.recipes}
        if unknown := sorted(asked - set(self.recipes)):
            raise ValueError(f"Expected a recipe of this file, but got {unknown[0]}")
        return self

    def range_of(self, band: Band) -> tuple[float, float] | None:
        """Lowest and highest accuracy of the last epoch, percent; None without a band."""
        ends = (band.low, band.high)
        if band.band == "rule":
            seen = [each.value for each in band.published if each.verified]
            ends = (min(seen) - self.margin, max(seen) + self.margin)
        low, high = ends
        if low is None or high is None:
            return None
        return round(low + self.shift, _DECIMALS), round(high + self.shift, _DECIMALS)


def load(path: Path) -> Bands:
    """Read and validate the bands.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is not as it should be; names the first problem.
    """
    return read_as(Bands, path, "bands")


@dataclass(frozen=True)
class Verdict:
    """Where a mean lies.

    Attributes:
        place: of the mean.
        reaches: whether the mean is outside, and its interval is not.
    """

    place: Place
    reaches: bool = False


def judge(row: Row, band: tuple[float, float] | None) -> Verdict:
    """Where the mean of a row lies in a band of percent, ends included; rounded as printed."""
    if band is None:
        return Verdict("no band")
    low, high = band
    mean = round(100 * row.accuracy.mean, _DECIMALS)
    if low <= mean <= high:
        return Verdict("inside")
    half = row.accuracy.half_width
    gap = low - mean if mean < low else mean - high
    reaches = half is not None and round(100 * half, _DECIMALS) >= round(gap, _DECIMALS)
    return Verdict("below" if mean < low else "above", reaches)


@dataclass(frozen=True)
class Own:
    """A row of ours of a method, and whether it was made as the figures were."""

    row: Row
    table: Table
    as_published: bool


def ours(bands: Bands, table: BandTable, band: Band, boards: Iterable[Table]) -> list[Own]:
    """Our rows of a method on a data set, in the order of the leaderboards."""
    return [
        Own(row, board, _as_published(bands, band, board.key, row))
        for board in boards
        # rows held back from training are scored under a name of their own, as "cifar100lt@val"
        if board.key.dataset == table.settings["name"]
        and not board.key.budget_rule
        and board.key.selection == "last"
        for row in board.rows
        if row.label in band.ours and _same_data(table, row)
    ]


def _same_data(table: BandTable, row: Row) -> bool:
    found = row.first.experiment.config.get("dataset")
    return isinstance(found, dict) and all(
        found.get(key) == value for key, value in table.settings.items()
    )


def _as_published(bands: Bands, band: Band, key: TableKey, row: Row) -> bool:
    config = dict(row.first.recipe.config)
    name, precision = config.pop("name", None), config.pop("precision", None)
    wanted: Sequence[Requirement] = [bands.recipes[key] for key in band.recipes]
    return (
        precision in bands.precisions
        and key.harness == PROTOCOL
        and any(
            (name, key.backbone, config) == (each.name, each.backbone, each.settings)
            for each in wanted
        )
    )
