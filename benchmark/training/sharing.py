"""What several processes share while they train: gradients and batch-norm statistics."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import torch
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from benchmark.component import Batch, Net, Step
from benchmark.errors import UsageError
from benchmark.training.ranks import Rank
from benchmark.training.team import Team

if TYPE_CHECKING:
    from benchmark.experiments.compose import Settings

Loss = Callable[[Batch, Step], Tensor]


def check_sharing(chosen: "Settings", here: Rank) -> None:
    """Refuse what several processes cannot do together, before any work.

    Raises:
        UsageError: names what stands in the way.
    """
    if here.size == 1:
        return
    whole, gpus = chosen.stack.needs_whole_batch(), torch.cuda.device_count()
    if whole:
        raise UsageError(
            f"'{whole[0]}' needs every batch whole, but {here.size} processes would share it",
            where="method",
            todo="run it without torchrun",
        )
    if chosen.recipe.batch_size < here.size:
        raise UsageError(
            f"Expected a row of each batch for each of {here.size} processes, but got batches of "
            f"{chosen.recipe.batch_size}",
            where="recipe.batch_size",
            todo="start fewer processes",
        )
    if chosen.search_trials:
        raise UsageError(
            f"Expected no search, but got {chosen.search_trials} trials for {here.size} processes",
            where="search_trials",
            todo="run it without torchrun, or set search_trials=0",
        )
    if chosen.plumbing.device != "cpu" and 0 < gpus < here.local_size:
        raise UsageError(
            f"Expected a GPU for each of {here.local_size} processes, but got {gpus}",
            where="device",
            todo=f"start {gpus} processes on this machine, or set device=cpu",
        )


class _Objective(nn.Module):
    """The loss as a module around the network, since losses call parts of it by name."""

    def __init__(self, net: Net, loss: Loss) -> None:
        super().__init__()
        self.net, self._loss = net, loss

    def forward(self, batch: Batch, step: Step) -> Tensor:
        """The loss of the rows of this process."""
        return self._loss(batch, step)


class Gradients:
    """The loss, whose gradients are averaged over the processes as they are computed.

    Args:
        net: its parameters that are trained now are the ones whose gradients are exchanged.
        loss: of a batch.
        team: the processes.
    """

    def __init__(self, net: Net, loss: Loss, team: Team) -> None:
        with warnings.catch_warnings():
            # its successor is not in every release of torch that we support
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            # a loss may leave parts of the network out, and some do so in some steps only
            self._module = DistributedDataParallel(
                _Objective(net, loss), broadcast_buffers=False, find_unused_parameters=True
            )

    def __call__(self, batch: Batch, step: Step) -> Tensor:
        """The loss of the rows of this process."""
        loss: Tensor = self._module(batch, step)
        return loss

    def apart(self) -> AbstractContextManager[None]:
        """Inside the block gradients are added up and not exchanged."""
        return self._module.no_sync()


class Norms:
    """Batch norm under several processes.

    On GPUs its statistics are those of the whole batch (SyncBatchNorm). torch has none for CPUs:
    there each process normalises by its own rows, and the running statistics are averaged.

    Args:
        net: the network.
        team: the processes; a single one has nothing to do.
        device: where the network is.
    """

    def __init__(self, net: nn.Module, team: Team, device: torch.device) -> None:
        self.team = team
        self._places: list[tuple[nn.Module, str, nn.Module, nn.Module]] = []
        self._running: list[Tensor] = []
        if team.alone:
            return
        if device.type == "cuda":
            self._places = list(synchronised(net))
        else:
            norms = [module for module in net.modules() if isinstance(module, _BatchNorm)]
            found = [each for module in norms for each in module.buffers()]
            self._running = [each for each in found if each.is_floating_point()]

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside the block the network's batch norms are those of the whole batch, if they can."""
        for parent, name, _, whole in self._places:
            setattr(parent, name, whole)
        try:
            yield
        finally:
            for parent, name, own, _ in self._places:
                setattr(parent, name, own)

    def average(self) -> None:
        """Average running statistics that the processes have made of their own rows."""
        self.team.average(self._running)


def synchronised(net: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Module, nn.Module]]:
    """Every batch norm as (parent, name, itself, one that is synchronised).

    Both have the same parameters and running statistics, so either can stand in the network.
    """
    for parent in list(net.modules()):
        for name, own in list(parent.named_children()):
            if isinstance(own, _BatchNorm):
                yield parent, name, own, convert_sync_batchnorm(own)
