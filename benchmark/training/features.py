"""Features computed once, for stages that train the head of a frozen backbone."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.component import Batch, Net, Step
from benchmark.data.batches import TrainSet
from benchmark.training.memory import Halving, rows_in_cache

BATCH = 500


@dataclass(frozen=True)
class FeatureRows:
    """Rows of a stage as features instead of images.

    Attributes:
        rows: the rows.
        passes: features of each augmented pass over them, (n, ...) each.
    """

    rows: TrainSet
    passes: tuple[Tensor, ...]

    def batch(self, order: Tensor, epoch: int) -> Batch:
        """The features of the given rows, int64 (batch,), in the pass whose turn it is."""
        order = order.to(self.rows.labels.device)
        labels = self.rows.labels[order]
        ones = torch.ones(len(order), device=labels.device)
        features = self.passes[epoch % len(self.passes)][order]
        return Batch(features, ((labels, ones),), self.rows.origins[order], order)


class OnFeatures:
    """A network that is handed features: all but the backbone is the network's own."""

    def __init__(self, net: Any) -> None:
        self._net = net

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)

    def features(self, features: Tensor) -> Tensor:
        """What it is given."""
        return features

    def __call__(self, features: Tensor) -> Any:
        """The head's output."""
        return self._net.head(features)


@torch.no_grad()
def feature_rows(net: Net, rows: TrainSet, step: Step, half: bool) -> FeatureRows:
    """Features of ``step.stage.cached_passes`` augmented passes, in evaluation mode.

    A stage of fewer epochs takes one pass for each, which costs no more than live features.

    Args:
        net: its backbone is not changed.
        rows: of the stage.
        step: the stage's first; each pass is augmented by a stream of its own.
        half: whether the backbone runs in bfloat16; features are float32 in any case.
    """
    net.eval()
    found = []
    for number in range(min(step.stage.cached_passes, step.epochs)):
        rng = step.rng(f"features {number}")
        with torch.autocast(step.device.type, dtype=torch.bfloat16, enabled=half):
            found.append(torch.cat(list(_features(net, rows, rng))))
    return FeatureRows(rows, tuple(found))


def _features(net: Net, rows: TrainSet, rng: torch.Generator) -> Iterator[Tensor]:
    forward = Halving(net.features)
    for start in range(0, len(rows), BATCH):
        batch = rows.batch(torch.arange(start, min(start + BATCH, len(rows))), rng)
        at_once = rows_in_cache(batch.images.shape[-1], batch.images.device) or BATCH
        for first in range(0, len(batch.index), at_once):
            piece = batch.piece(slice(first, first + at_once))
            with net.origins_of(piece):
                yield forward(piece.images).float()
