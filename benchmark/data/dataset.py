"""The interface of a data set kind, and what it hands to a run."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.cards import Card
from benchmark.data.rows import ImageTable
from benchmark.data.splits import SplitInfo
from benchmark.errors import UsageError


@dataclass(frozen=True)
class LongTailedData:
    """One long-tailed data set as a run sees it.

    Attributes:
        card: facts, with counts in label order.
        train: the long-tailed subset without validation rows.
        val: validation rows, or None.
        heldout: original training images outside the subset; empty where none were kept.
        test: test images.
        split: how the rows were chosen.
    """

    card: Card
    train: ImageTable
    val: ImageTable | None
    heldout: ImageTable
    test: ImageTable
    split: SplitInfo


@dataclass(frozen=True)
class PrepareReport:
    """What ``prepare`` did.

    Attributes:
        name: the data set.
        done: False if nothing had to be done.
        where: the store's folder; None for bundled data.
        rows: images of each part.
        seconds: time it took.
        bytes: disk space of the store.
        note: anything else worth a line.
    """

    name: str
    done: bool
    where: Path | None = None
    rows: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    bytes: int = 0
    note: str = ""

    def __str__(self) -> str:
        rows = ", ".join(f"{count:,} {part}" for part, count in self.rows.items())
        took = f"prepared in {self.seconds:.1f} s" if self.done else "nothing to do"
        place = f", {self.bytes / 1e6:,.0f} MB in {self.where}" if self.where else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.name}: {took}; {rows}{place}{note}"


class Dataset(ABC):
    """A kind of data set. Concrete kinds are final: one module, one class, one ``Config``.

    Attributes:
        Config: frozen keyword-only dataclass without defaults; its values live in YAML.
    """

    Config: ClassVar[type[Any]]

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def card(self, seed: int = 0) -> Card:
        """Facts, without reading an image.

        Args:
            seed: the run's seed; only data sets whose split follows it look at it.

        Raises:
            UsageError: settings that do not fit together.
            DataError: a data set described by its prepared store is not prepared.
        """

    def content(self) -> str:
        """A hash of the images, where settings do not say which they are; else "".

        It is part of what an experiment is: other images of one's own under an old name are
        another experiment.

        Raises:
            DataError: not prepared.
        """
        return ""

    @abstractmethod
    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Verify, convert and pack the data once; a second call does nothing.

        Args:
            source: folder or archive of images; None for data that is bundled or downloaded.
            split: published lists of rows, where a data set has them.
            progress: show a bar on a terminal.

        Raises:
            DataError: images are absent, or their counts are not as expected.
            IntegrityError: a damaged file.
            StorageError: the disk is full, or the cache cannot be written.
        """

    @abstractmethod
    def load(self, seed: int) -> LongTailedData:
        """The rows of one run.

        Raises:
            DataError: not prepared; names the command to run.
        """


def refuse_split(split: str | None, name: str) -> None:
    """Refuse published lists where a data set has none."""
    if split is not None:
        raise UsageError(
            f"Expected no split lists for {name}, but got one", where="split", todo="leave it out"
        )


def check_root_name(name: str) -> None:
    """Refuse a name of own images that cannot be part of a folder's (UsageError)."""
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(
            f"Expected letters, digits, - and _, but got '{name}'",
            where="dataset.root_name",
            todo="give your images a short name: dataset.root_name=NAME",
        )
