"""The extractor that needs nothing but the training rows: a small network trained on them."""

from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmark.config import AugmentationConfig, BackboneConfig
from benchmark.data.augmentation import PaddedImages, pad_images, weak
from benchmark.errors import DataError
from benchmark.generation.quality.features import NetFeatures
from benchmark.models import build_backbone
from benchmark.seeds import numpy_generator, scoped_global_seed, torch_generator
from benchmark.system.files import content_hash

_HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """How the extractor is trained.

    Attributes:
        backbone: a timm model or one of the suite's.
        steps: optimiser steps.
        batch_size: images a step, drawn evenly over classes.
        lr: peak learning rate of AdamW.
        flip: probability of a horizontal flip; 0 where a mirror image is another class.
        seed: of the initial weights and the batches.
    """

    backbone: str = "cifar_resnet8"
    steps: int = 200
    batch_size: int = 64
    lr: float = 0.01
    flip: float = 0.0
    seed: int = 0


def train_extractor(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    n_classes: int,
    settings: TrainSettings | None = None,
) -> NetFeatures:
    """A network trained on real training rows, classes in equal parts; the same for a seed.

    Args:
        images: uint8 (n, h, h, 3).
        labels: int64 (n,) in [0, n_classes).
        n_classes: of the data set.
        settings: None for the defaults.

    Raises:
        DataError: a class has no image, or images and labels do not fit.
        UsageError: an unknown backbone.
    """
    chosen = settings or TrainSettings()
    _check(images, labels, n_classes)
    with scoped_global_seed(chosen.seed, "quality", "weights"):
        net = build_backbone(BackboneConfig(name=chosen.backbone, options={}))
        head = nn.Linear(int(net.num_features), n_classes)  # type: ignore[arg-type]
        _train(nn.Sequential(net, head), images, labels, chosen)
    summary = content_hash(asdict(chosen), 6)
    name = f"{chosen.backbone} trained {chosen.steps} steps ({summary})"
    return NetFeatures(name, net, head=head, mean=_HALF, std=_HALF)


def _check(images: NDArray[np.uint8], labels: NDArray[np.int64], n_classes: int) -> None:
    if images.shape[:1] != labels.shape or images.ndim != 4:
        raise DataError(
            f"Expected images (n, h, h, 3) and labels (n,), but got shapes {images.shape} and "
            f"{labels.shape}",
            where="quality check",
        )
    absent = sorted(set(range(n_classes)) - set(labels.tolist()))
    if absent:
        raise DataError(
            f"Expected training images of all {n_classes} classes, but class {absent[0]} has none",
            where="quality check",
            todo="give the training rows of the whole data set",
        )


def balanced_rows(labels: NDArray[np.int64], n: int, rng: np.random.Generator) -> Tensor:
    """int64 (n,): rows drawn with replacement, each class equally likely."""
    classes, counts = np.unique(labels, return_counts=True)
    order = np.argsort(labels, kind="stable")
    drawn = rng.integers(len(classes), size=n)
    inside = (rng.random(n) * counts[drawn]).astype(np.int64)
    first = np.concatenate([[0], counts.cumsum()[:-1]])
    return torch.from_numpy(order[first[drawn] + inside])


def _train(
    net: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64], settings: TrainSettings
) -> None:
    pad = images.shape[1] // 8
    padded = pad_images(torch.from_numpy(np.array(images)), pad, _HALF, _HALF)
    targets = torch.from_numpy(np.array(labels, dtype=np.int64))
    optimizer = torch.optim.AdamW(net.parameters(), lr=settings.lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, settings.lr, settings.steps)
    rng = numpy_generator(settings.seed, "quality", "rows")
    net.train()
    for step in range(settings.steps):
        rows = balanced_rows(labels, settings.batch_size, rng)
        loss = functional.cross_entropy(net(_views(padded, rows, settings, step)), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _views(padded: PaddedImages, rows: Tensor, settings: TrainSettings, step: int) -> Tensor:
    augmentation = AugmentationConfig(pad=padded.pad, flip=settings.flip)
    rng = torch_generator(settings.seed, "quality", "views", step)
    return weak(padded, rows, augmentation, rng)
