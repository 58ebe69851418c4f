"""Training rows, resident on the training device or read from disk, and batches of them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from benchmark.component import ORIGINS, Batch, Origin, Rows
from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import VIEWS, Asked, Shown, check_views, pad_images
from benchmark.data.rows import Images, ImageTable
from benchmark.data.streaming.ahead import Ahead
from benchmark.data.streaming.images import StreamedImages
from benchmark.data.streaming.pictures import JoinedPictures, Pictures
from benchmark.data.transfers import to_device
from benchmark.errors import UsageError
from benchmark.seeds import torch_generator


@dataclass
class Meter:
    """Counts the rows that components looked at, beside the seconds spent making batches."""

    rows_read: int = 0
    input_seconds: float = 0.0


class TrainImages(Protocol):
    """All images of a run: ``PaddedImages``, which are resident, or ``StreamedImages``."""

    def shown(
        self, asked: Asked, views: tuple[str, ...], config: AugmentationConfig
    ) -> list[tuple[Shown, Tensor]]:
        """What each view is made of, and where in it the rows are."""
        ...

    def announce(
        self, upcoming: Iterable[Asked], views: tuple[str, ...], config: AugmentationConfig
    ) -> None:
        """Batches to come."""
        ...

    def content(self) -> tuple[Tensor, ...]:
        """What decides the pixels, for a hash of them."""
        ...


@dataclass(frozen=True)
class TrainSet:
    """Training rows of one run, or of one stage of it.

    Attributes:
        images: all images of the run, shared by every stage.
        index: int64 (n,), the rows of this set, as positions in ``images``; where these are.
        labels: int64 (n,).
        origins: uint8 (n,), indices into ``ORIGINS``.
        augmentation: the recipe's augmentation.
        views: names of the augmentations made of each row; the first is the training image.
        meter: shared count of what was read.
    """

    images: TrainImages
    index: Tensor
    labels: Tensor
    origins: Tensor
    augmentation: AugmentationConfig
    views: tuple[str, ...] = ("weak",)
    meter: Meter = field(default_factory=Meter)

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, rows: Tensor, rng: torch.Generator, needed: slice | None = None) -> Batch:
        """Augmented batch of the given positions.

        Args:
            rows: int64 (batch,).
            rng: source of all that is drawn, for the whole batch in any case.
            needed: the part whose images will be used, if not all are; others may be black.
        """
        begin = time.perf_counter()
        where = self.index[rows.to(self.index.device)]
        rows = to_device(rows, self.labels.device)
        labels = self.labels[rows]
        shown = self.images.shown(Asked(where, rng, needed), self.views, self.augmentation)
        images = [
            VIEWS[view](each, at, self.augmentation, rng)
            for view, (each, at) in zip(self.views, shown, strict=True)
        ]
        ones = torch.ones(len(rows), device=labels.device)
        targets = ((labels, ones),)
        self.meter.input_seconds += time.perf_counter() - begin
        return Batch(images[0], targets, self.origins[rows], rows, tuple(images[1:]))

    def announce(self, upcoming: Iterable[tuple[Tensor, torch.Generator, slice | None]]) -> None:
        """Say what ``batch`` will be asked for, in its order; only time depends on it.

        Args:
            upcoming: the arguments of ``batch``, the generator in the state in which ``batch``
                will be given one. Read bit by bit, as the batches before are taken.
        """
        asked = (
            Asked(self.index[rows.to(self.index.device)], rng, needed)
            for rows, rng, needed in upcoming
        )
        self.images.announce(asked, self.views, self.augmentation)

    def batches(self, batch_size: int = 256, rng: torch.Generator | None = None) -> Iterator[Batch]:
        """Every row once, in order, augmented if ``rng`` is given: what components may see."""
        shown = self if rng is not None else replace(self, views=("plain",))
        for start in range(0, len(self), batch_size):
            rows = torch.arange(start, min(start + batch_size, len(self)))
            self.meter.rows_read += len(rows)
            yield shown.batch(rows, rng or torch.Generator())

    def subset(self, keep: Tensor) -> "TrainSet":
        """The rows at the given positions, sharing the images."""
        return replace(
            self, index=self.index[keep], labels=self.labels[keep], origins=self.origins[keep]
        )

    def select(self, rows: Rows, seed: int, stage: str) -> "TrainSet":
        """The rows of a stage.

        Raises:
            UsageError: no row is left, or a class has fewer rows than ``per_class`` asks.
        """
        keep = _of_origin(self.origins, rows)
        if rows.per_class is not None and len(keep):
            keep = keep[_per_class(self.labels[keep].cpu(), rows.per_class, seed, stage)]
        if len(keep) == 0:
            raise UsageError(f"The stage '{stage}' has no training rows of origin {rows.origin}")
        return self.subset(keep.to(self.index.device))


def _of_origin(origins: Tensor, rows: Rows) -> Tensor:
    real = origins.cpu() == ORIGINS.index("real")
    mask = {"all": torch.ones_like(real), "real": real, "added": ~real}[rows.origin]
    return mask.nonzero()[:, 0]


def _per_class(labels: Tensor, per_class: int | str, seed: int, stage: str) -> Tensor:
    counts = torch.bincount(labels)
    smallest = int(counts[counts > 0].min())
    wanted = smallest if per_class == "min" else int(per_class)
    if wanted > smallest:
        raise UsageError(
            f"The stage '{stage}' keeps {wanted} rows of each class, but class "
            f"{int((counts == smallest).nonzero()[0])} has {smallest}",
            todo="keep fewer, or all of the smallest class with 'min'",
        )
    order = torch.randperm(len(labels), generator=torch_generator(seed, "stage rows", stage))
    picked = [order[labels[order] == label][:wanted] for label in labels.unique()]
    return torch.cat(picked).sort().values


@dataclass(frozen=True)
class Part:
    """Images of one origin.

    Attributes:
        origin: of the images.
        images: uint8 (n, h, w, 3).
        labels: int64 (n,).
        pictures: the same images whole; where they are given, training reads these.
    """

    origin: Origin
    images: np.ndarray | Images
    labels: np.ndarray
    pictures: Pictures | None = None

    @classmethod
    def of(cls, origin: Origin, table: ImageTable) -> "Part":
        """All rows of a table; pixels are read here unless they are streamed."""
        images = table.images if table.pictures else np.asarray(table.images)
        return cls(origin, images, table.labels, table.pictures)


def train_set(
    parts: list[Part],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    augmentation: AugmentationConfig,
    views: tuple[str, ...],
    device: torch.device,
    workers: int = 0,
) -> TrainSet:
    """Real and added images as one set: on the device, or on disk if they come as pictures.

    Args:
        parts: the images of each origin.
        mean: of each channel on the [0, 1] scale.
        std: of each channel on the [0, 1] scale.
        augmentation: the recipe's.
        views: augmentations made of each row.
        device: where batches go.
        workers: threads that decode pictures; 0 is one a core.

    Raises:
        UsageError: a view that does not exist.
    """
    check_views(views)
    labels = torch.from_numpy(np.concatenate([part.labels for part in parts])).long().to(device)
    origins = [np.full(len(part.labels), ORIGINS.index(part.origin), np.uint8) for part in parts]
    streamed = _streamed(parts, mean, std, device, workers)
    return TrainSet(
        images=streamed or _resident(parts, mean, std, augmentation, device),
        # positions on disk are for the CPU: asking the device for them would wait for its work
        index=torch.arange(len(labels), device=None if streamed else device),
        labels=labels,
        origins=torch.from_numpy(np.concatenate(origins)).to(device),
        augmentation=augmentation,
        views=views,
    )


def _resident(
    parts: list[Part],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    augmentation: AugmentationConfig,
    device: torch.device,
) -> TrainImages:
    images = torch.from_numpy(np.concatenate([part.images for part in parts])).to(device)
    return pad_images(images, augmentation.pad, mean, std, augmentation.border)


def _streamed(
    parts: list[Part],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
    workers: int,
) -> TrainImages | None:
    """The images as pictures on disk, where all parts are; None otherwise."""
    given = tuple(part.pictures for part in parts if part.pictures is not None)
    if not given:
        return None
    if len(given) < len(parts):
        # real and added images would take different paths
        raise ValueError("expected pictures of all parts or of none")
    pictures = JoinedPictures(given)
    ahead = Ahead(pictures, parts[0].images.shape[1], workers, device.type == "cuda")
    return StreamedImages(pictures, torch.from_numpy(pictures.sizes), ahead, mean, std, device)
