"""digitslt: scikit-learn's bundled 8-pixel digits, with a tail that changes with the seed."""

import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from annotated_types import Ge
from numpy.typing import NDArray

from benchmark.data import profiles, splits
from benchmark.data.assemble import concatenated
from benchmark.data.cards import Card
from benchmark.data.dataset import Dataset, LongTailedData, PrepareReport, refuse_split
from benchmark.data.groups import scaled
from benchmark.data.rows import Images, ImageTable
from benchmark.data.splits import Rows, SplitInfo
from benchmark.seeds import numpy_generator

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZE = 8
RULE = "digits-blocked"
SMALLEST_CLASS = 174
# maps to [-1, 1]: no constant is measured on images that may be test images
MEAN, STD = (0.5,) * 3, (0.5,) * 3


@cache
def read_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All digits: uint8 (1797, 8, 8, 3) and int64 labels (1797,), read-only."""
    pixels, targets = _bundled()
    grey = np.round(pixels.reshape(-1, SIZE, SIZE) * 255 / 16).astype(np.uint8)
    images, labels = np.repeat(grey[..., None], 3, axis=3), targets.astype(np.int64)
    images.setflags(write=False)
    labels.setflags(write=False)
    return images, labels


def _bundled() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixels in [0, 16], (1797, 64), and labels (1797,), from scikit-learn's own file."""
    library = importlib.util.find_spec("sklearn")
    assert library is not None and library.origin is not None
    path = Path(library.origin).parent / "datasets" / "data" / "digits.csv.gz"
    if path.is_file():
        # importing the library takes as long as a quarter of a run
        rows: NDArray[np.float64] = np.loadtxt(path, delimiter=",")
        return rows[:, :-1], rows[:, -1]
    from sklearn.datasets import load_digits

    pixels, targets = load_digits(return_X_y=True)
    return pixels, targets


class Digits(Dataset):
    """Digits; each seed draws its own order of classes, training rows and balanced test set."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            n_max: images of the head class; the test set shrinks as it grows.
            imbalance: n_max over the tail count, >= 1.
        """

        name: str
        n_max: Literal[50, 100]
        imbalance: Annotated[float, Ge(1)]

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        available = [config.n_max] * len(NAMES)
        self._profile = profiles.induced("exponential", config.n_max, config.imbalance, available)

    def card(self, seed: int = 0) -> Card:
        """Facts; the counts of the classes follow ``seed``."""
        config = self.config
        return Card(
            name=config.name,
            title=f"scikit-learn digits, long-tailed, imbalance {config.imbalance:g}",
            classes=NAMES,
            class_ids=tuple(str(label) for label in range(len(NAMES))),
            counts=tuple(self._profile[rank] for rank in _ranks(seed)),
            image_size=SIZE,
            colour="L",
            mean=MEAN,
            std=STD,
            conventions=scaled(config.n_max),
            protocol=1,
            licence="CC BY 4.0 (UCI), bundled with scikit-learn (BSD-3-Clause)",
            url="https://archive.ics.uci.edu/dataset/80",
            citation="Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI, 1998",
            n_test_per_class=SMALLEST_CLASS - config.n_max,
            split_rule="exponential profile over a class order drawn from the seed; rows of each "
            "class shuffled by the seed, the first n_max for training, the rest for testing",
            design="blocked",
        )

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Do nothing: the images come with scikit-learn."""
        refuse_split(split, self.config.name)
        rows = {"images": len(read_digits()[1])}
        return PrepareReport(self.config.name, False, rows=rows, note="bundled with scikit-learn")

    def load(self, seed: int) -> LongTailedData:
        """The rows of a seed: its class order, its training rows, its balanced test set."""
        card, (images, labels) = self.card(seed), read_digits()
        train, heldout, test = self._split(seed, labels, card)
        rows = concatenated(train)
        info = SplitInfo(
            rule=RULE,
            replicate=seed,
            rule_hash=splits.rule_hash(RULE, counts=list(self._profile), n_max=self.config.n_max),
            rows_hash=splits.rows_hash(images[rows].reshape(len(rows), -1), labels[rows]),
            source_hash=hashlib.sha256(images.tobytes() + labels.tobytes()).hexdigest()[:16],
        )
        everything = _everything()
        return LongTailedData(
            card=card,
            train=everything.select(rows),
            val=None,
            heldout=everything.select(concatenated(heldout)),
            test=everything.select(concatenated(test)),
            split=info,
        )

    def _split(self, seed: int, labels: NDArray[np.int64], card: Card) -> tuple[Rows, Rows, Rows]:
        n_max, n_test = self.config.n_max, SMALLEST_CLASS - self.config.n_max
        train, heldout, test = [], [], []
        for label, count in enumerate(card.counts):
            own = np.flatnonzero(labels == label).astype(np.int64)
            rows = numpy_generator(seed, "digits", "rows", label).permutation(own)
            train.append(rows[:count])
            heldout.append(rows[count:n_max])
            test.append(rows[n_max : n_max + n_test])
        return train, heldout, test


def _ranks(seed: int) -> list[int]:
    """The place of each label in the seed's class order; 0 is the head."""
    order = numpy_generator(seed, "digits", "class order").permutation(len(NAMES))
    return [int(rank) for rank in np.argsort(order)]


@cache
def _everything() -> ImageTable:
    images, labels = read_digits()
    ids = np.asarray([f"digit-{row:04d}" for row in range(len(labels))])
    return ImageTable(Images(images), labels, ids)
