"""Training rows resident on the training device, and the batches made from them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from benchmark.component import ORIGINS, Batch, Origin, Rows
from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import VIEWS, PaddedImages, check_views, pad_images
from benchmark.errors import UsageError
from benchmark.seeds import torch_generator


@dataclass
class Meter:
    """Counts the rows that components looked at, beside the seconds spent making batches."""

    rows_read: int = 0
    input_seconds: float = 0.0


@dataclass(frozen=True)
class TrainSet:
    """Training rows of one run, or of one stage of it.

    Attributes:
        images: all images of the run, padded, shared by every stage.
        index: int64 (n,), the rows of this set, as positions in ``images``.
        labels: int64 (n,).
        origins: uint8 (n,), indices into ``ORIGINS``.
        augmentation: the recipe's augmentation.
        views: names of the augmentations made of each row; the first is the training image.
        meter: shared count of what was read.
    """

    images: PaddedImages
    index: Tensor
    labels: Tensor
    origins: Tensor
    augmentation: AugmentationConfig
    views: tuple[str, ...] = ("weak",)
    meter: Meter = field(default_factory=Meter)

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, rows: Tensor, rng: torch.Generator) -> Batch:
        """Augmented batch of the given positions, int64 (batch,)."""
        begin = time.perf_counter()
        rows = rows.to(self.index.device)
        where, labels = self.index[rows], self.labels[rows]
        images = [VIEWS[view](self.images, where, self.augmentation, rng) for view in self.views]
        ones = torch.ones(len(rows), device=labels.device)
        targets = ((labels, ones),)
        self.meter.input_seconds += time.perf_counter() - begin
        return Batch(images[0], targets, self.origins[rows], rows, tuple(images[1:]))

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
    """Images of one origin: uint8 (n, h, w, 3) and labels int64 (n,)."""

    origin: Origin
    images: np.ndarray
    labels: np.ndarray


def train_set(
    parts: list[Part],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    augmentation: AugmentationConfig,
    views: tuple[str, ...],
    device: torch.device,
) -> TrainSet:
    """Put real and added images on the device as one set.

    Raises:
        UsageError: a view that does not exist.
    """
    check_views(views)
    images = torch.from_numpy(np.concatenate([part.images for part in parts])).to(device)
    labels = torch.from_numpy(np.concatenate([part.labels for part in parts])).long().to(device)
    origins = [np.full(len(part.labels), ORIGINS.index(part.origin), np.uint8) for part in parts]
    return TrainSet(
        images=pad_images(images, augmentation.pad, mean, std, augmentation.border),
        index=torch.arange(len(labels), device=device),
        labels=labels,
        origins=torch.from_numpy(np.concatenate(origins)).to(device),
        augmentation=augmentation,
        views=views,
    )
