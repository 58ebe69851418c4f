"""The network, compiled for the one batch size of a stage."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree


def compiled(net: nn.Module, size: int, device: torch.device, alone: bool = True) -> Any:
    """A network whose calls run compiled code for batches of ``size`` rows or a multiple.

    The last batch of an epoch, and pieces of one, are other sizes: they run as written, so that
    they neither compile again nor turn the code into one for any size, which is slower. On a GPU a
    process that trains alone replays CUDA graphs, which spares the launches of kernels.

    Args:
        net: the network.
        size: rows of a whole batch, at least 1.
        device: where it runs.
        alone: whether no other process shares its batches.
    """
    graphs = device.type == "cuda" and alone
    code = torch.compile(net, dynamic=False, mode="reduce-overhead" if graphs else "default")
    return OneSize(net, code, size, graphs)


class OneSize:
    """A network by two ways, chosen by the rows of a batch; all else is the network's own.

    Args:
        net: as written.
        code: compiled.
        size: rows that ``code`` is for, or a multiple of them.
        copied: whether outputs are copied: a replayed graph writes them to the same place again.
    """

    def __init__(self, net: nn.Module, code: Any, size: int, copied: bool) -> None:
        self._net, self._code, self._size, self._copied = net, code, size, copied

    def __getattr__(self, name: str) -> Any:
        return getattr(self._net, name)

    def __call__(self, images: Tensor) -> Any:
        """The network's output."""
        if len(images) % self._size:
            return self._net(images)
        out = self._code(images)
        return pytree.tree_map_only(Tensor, Tensor.clone, out) if self._copied else out
