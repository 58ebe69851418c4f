"""Training and evaluation as a usual script for long-tailed recognition does them, to compare with.

A data set of arrays that become PIL images, torchvision's transforms, a DataLoader without workers,
fp32 in the default memory layout, and book-keeping that reads the loss after every step. Network,
batch size, loss and optimiser are those of the suite.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmark.component import Net, linear_net
from benchmark.config import BackboneConfig
from benchmark.models import build_backbone
from benchmark.tiny import tiny_task

Sample = tuple[Tensor, int]


class PilRows(Dataset[Sample]):
    """Rows that are decoded, changed and normalised one by one.

    Args:
        images: uint8 (n, h, w, 3).
        labels: int64 (n,).
        transform: a PIL image to a tensor (3, h, w).
    """

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        transform: Callable[[Image.Image], Tensor],
    ) -> None:
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Sample:
        return self.transform(Image.fromarray(self.images[row])), int(self.labels[row])


def plain(mean: tuple[float, ...], std: tuple[float, ...]) -> Any:
    """The transform of test images."""
    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])


def augmented(mean: tuple[float, ...], std: tuple[float, ...], size: int = 32) -> Any:
    """The usual transform of CIFAR training images."""
    return transforms.Compose(
        [
            transforms.RandomCrop(size, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def usual_net(backbone: str, classes: int) -> Net:
    """The suite's network in torch's default memory layout."""
    torch.manual_seed(0)
    return linear_net(build_backbone(BackboneConfig(name=backbone)), tiny_task((1,) * classes))


def sgd(net: nn.Module, lr: float, decay: float) -> torch.optim.Optimizer:
    """SGD with a momentum of 0.9."""
    return torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=decay)


class UsualLoop:
    """Steps over a shuffled DataLoader, epoch after epoch.

    Args:
        net: images to logits.
        rows: what is trained on.
        optimizer: of the network.
        batch_size: rows of a step.
        shuffle: whether epochs are permutations.
    """

    def __init__(
        self,
        net: nn.Module,
        rows: PilRows,
        optimizer: torch.optim.Optimizer,
        batch_size: int = 128,
        shuffle: bool = True,
    ) -> None:
        self.net, self.optimizer = net, optimizer
        self.loader = DataLoader(rows, batch_size, shuffle=shuffle, num_workers=0, drop_last=True)
        self.losses: list[float] = []
        self.right = 0
        self._batches = self._endless()

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self.loader

    def take(self, steps: int) -> None:
        """Take some steps, and note loss and accuracy of each."""
        for _ in range(steps):
            images, labels = next(self._batches)
            self.net.train()
            out = self.net(images)
            loss = functional.cross_entropy(out, labels)
            self.right += int((out.argmax(1) == labels).sum().item())
            self.losses.append(loss.item())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()


@torch.no_grad()
def usual_predictions(net: nn.Module, rows: PilRows, batch_size: int = 100) -> NDArray[np.int64]:
    """The predicted class of every row, with the loss read for each batch."""
    net.eval()
    found, losses = [], []
    for images, labels in DataLoader(rows, batch_size, shuffle=False, num_workers=0):
        out = net(images)
        losses.append(functional.cross_entropy(out, labels).item())
        found.append(out.argmax(1).cpu().numpy())
    return np.concatenate(found)
