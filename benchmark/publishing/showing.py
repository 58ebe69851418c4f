"""Rows shown to a network: brought to its size, normalised as it expects, batch by batch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.data.cards import Triple
from benchmark.errors import UsageError, one_line
from benchmark.publishing.target import Scored
from benchmark.statistics.metrics import Predictions, predictions_from_logits
from benchmark.system.progress import Tracker
from benchmark.training import evaluate

Device = Literal["auto", "cpu", "cuda"]
Resize = Literal["bicubic", "bilinear", "nearest"]


@dataclass(frozen=True)
class Shown:
    """How images are shown to a network: normalised, and brought to a size."""

    mean: Triple
    std: Triple
    size: int
    resize: Resize

    def __str__(self) -> str:
        mean, std = (",".join(f"{value:g}" for value in each) for each in (self.mean, self.std))
        return f"mean {mean}; std {std}; size {self.size}, {self.resize}"


class Adapted(nn.Module):
    """A network behind a change of size and before a choice of outputs.

    Args:
        net: images to logits.
        size: that images are brought to.
        resize: how; sizes that fit are left alone.
        outputs: the output of each class; None for all, in order.
    """

    def __init__(
        self, net: nn.Module, size: int, resize: Resize, outputs: list[int] | None = None
    ) -> None:
        super().__init__()
        self.net, self.size, self.resize = net, size, resize
        self.outputs = outputs

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, h, w), normalised -> logits (batch, classes)."""
        if tuple(images.shape[-2:]) != (self.size, self.size):
            smooth = self.resize != "nearest"
            images = functional.interpolate(
                images, (self.size, self.size), mode=self.resize, antialias=smooth
            )
        logits: Tensor = self.net(images)
        return logits if self.outputs is None else logits[:, self.outputs]


def score_network(
    net: nn.Module,
    scored: Scored,
    shown: Shown,
    outputs: list[int] | None = None,
    *,
    batch_size: int = evaluate.BATCH,
    device: Device = "auto",
) -> Predictions:
    """What a network says to the rows.

    Args:
        net: images to logits.
        scored: the rows.
        shown: how images are shown to it.
        outputs: the output of each class; None for all, in order.
        batch_size: images at once, at most ``evaluate.BATCH``.
        device: where; "auto" takes a GPU where there is one.

    Raises:
        UsageError: it cannot take such images, or has another number of outputs.
        DataError: a logit is NaN or infinite.
    """
    place = torch.device(_device(device))
    adapted = Adapted(net.to(place), shown.size, shown.resize, outputs)
    _check_network(adapted, scored, place)
    images, found = scored.table.images, []
    with Tracker("evaluate", len(images), "images") as bar:
        for start in range(0, len(images), batch_size):
            part = np.asarray(images[start : start + batch_size])
            found.append(evaluate.logits(adapted, part, shown.mean, shown.std, place))
            bar.advance(len(part))
    return predictions_from_logits(np.concatenate(found), scored.labels)


def _device(wanted: Device) -> str:
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise UsageError(
            "Expected a CUDA device, but got none", where="device", todo="set device=cpu"
        )
    return "cuda" if there and wanted != "cpu" else "cpu"


def _check_network(net: nn.Module, scored: Scored, device: torch.device) -> None:
    """Show the network two images before it sees all."""
    size, n = scored.card.image_size, scored.card.n_classes
    try:
        with torch.inference_mode():
            shape = tuple(net.eval()(torch.zeros(2, 3, size, size, device=device)).shape)
    except Exception as error:  # each model fails in its own way
        raise UsageError(
            f"The network cannot take images of {size} pixels: {one_line(error)}",
            where="model",
            todo="size=N resizes them; map=FILE must name outputs that there are",
        ) from error
    if shape != (2, n):
        raise UsageError(
            f"Expected logits of {n} classes, but the network has {shape[-1]} outputs",
            where="model",
            todo="map=FILE names the output of each class, one a line",
        )
