"""Images of a training set whose pixels stay on disk: the other form of ``PaddedImages``."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import (
    Asked,
    PaddedImages,
    Shown,
    pad_images,
    smallest_area,
    unpadded,
)
from benchmark.data.random_changes import random_boxes
from benchmark.data.streaming.ahead import Ahead, Wanted
from benchmark.data.streaming.pictures import Pictures


@dataclass(frozen=True)
class Crops:
    """Resized crops of one batch, drawn and cut already; what ``PaddedImages`` is to a view.

    Attributes:
        images: the crops in the batch's order, without a border; a view may change them.
    """

    images: PaddedImages

    def whole(self, index: Tensor) -> Tensor:
        """The crops, uint8 (batch, 3, size, size)."""
        return self.images.buffer.permute(0, 3, 1, 2)

    def resized(self, index: Tensor, scale_min: float, rng: torch.Generator) -> Tensor:
        """The crops; nothing is drawn any more."""
        return self.whole(index)

    def shifted(self, index: Tensor, rng: torch.Generator) -> Tensor:
        """The crops; nothing is drawn any more."""
        return self.whole(index)

    def normalise(self, images: Tensor) -> Tensor:
        """uint8 (batch, h, w, 3) -> float (batch, 3, h, w) in channels_last."""
        return self.images.normalise(images)


@dataclass(frozen=True)
class StreamedImages:
    """Pictures on disk as images of a training set.

    All crops of a batch are drawn first, view by view, then what the views draw on their own; so
    the crops of steps to come can be known and decoded before.

    Attributes:
        pictures: real and added ones, as the rows of the training set.
        sizes: heights and widths of the pictures, int64 (n, 2).
        ahead: decodes them.
        mean: of each channel on the [0, 1] scale.
        std: of each channel on the [0, 1] scale.
        device: where batches go.
    """

    pictures: Pictures
    sizes: Tensor
    ahead: Ahead
    mean: tuple[float, ...]
    std: tuple[float, ...]
    device: torch.device

    def shown(
        self, asked: Asked, views: tuple[str, ...], config: AugmentationConfig
    ) -> list[tuple[Shown, Tensor]]:
        """What each view is made of, and where in it the rows are.

        Raises:
            BenchError: a picture is gone or damaged.
        """
        wanted = self._wanted(asked, views, config)
        at = torch.arange(len(asked.index), device=self.device)
        made: list[tuple[Shown, Tensor]] = []
        for pixels, boxes in zip(self.ahead.take(wanted), wanted.boxes, strict=True):
            images = pixels.to(self.device, non_blocking=True)
            if boxes is None:
                shown: Shown = pad_images(images, config.pad, self.mean, self.std, config.border)
            else:
                shown = Crops(unpadded(images, self.mean, self.std))
            made.append((shown, at))
        return made

    def announce(
        self, upcoming: Iterable[Asked], views: tuple[str, ...], config: AugmentationConfig
    ) -> None:
        """Batches to come, each with a generator like the one that will come with it."""
        self.ahead.announce(self._wanted(asked, views, config) for asked in upcoming)

    def content(self) -> tuple[Tensor, ...]:
        """What decides the pixels, for a hash of them."""
        digest = np.frombuffer(bytes.fromhex(self.pictures.digest), np.uint8)
        return torch.from_numpy(digest.copy()), torch.tensor([self.mean, self.std])

    def _wanted(self, asked: Asked, views: tuple[str, ...], config: AugmentationConfig) -> Wanted:
        rows = asked.index.cpu()
        sizes = self.sizes[rows]
        areas = [smallest_area(view, config) for view in views]
        boxes = [None if area is None else _boxes(sizes, area, asked.rng) for area in areas]
        return Wanted(rows.numpy(), tuple(boxes), asked.needed)


def _boxes(sizes: Tensor, area: float, rng: torch.Generator) -> NDArray[np.int64]:
    heights, widths = sizes.unbind(1)
    boxes: NDArray[np.int64] = random_boxes(len(sizes), heights, widths, area, rng).numpy()
    return boxes
