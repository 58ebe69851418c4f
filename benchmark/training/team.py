"""Processes that share one training run: how they agree, and how they fail together.

Gradients and other tensors go through a torch process group; texts of the first process, waiting
and why one of them failed go through the store that torchrun offers. Waiting has no time limit, as
the first process may draw images for hours; an exchange while training has one.
"""

import json
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from benchmark.errors import BUG, BenchError, DataError, Diverged, Interrupted, one_line
from benchmark.training.ranks import Rank

POLL_SECONDS = 0.1
FAILED = "failed"
CONNECTION = ("gloo", "Connection closed by peer", "Connection reset by peer", "NCCL")


class PeerFailed(BenchError):
    """Another process of the run ended; the exit code is that one's."""

    def __init__(self, problem: str, code: int, todo: str | None = None) -> None:
        super().__init__(problem, todo=todo)
        self.exit_code = code


@dataclass(eq=False)
class Team:
    """The processes that share a run; a single one needs neither store nor process group.

    Attributes:
        here: the place of this process.
        store: a key-value store that all processes reach.
        exchanges: texts and meetings so far, the same number on every process.
        told: whether this process failed and left word of it.
    """

    here: Rank = field(default_factory=Rank)
    store: Any = None
    exchanges: int = 0
    told: bool = False

    @property
    def size(self) -> int:
        """Processes in all."""
        return self.here.size

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.size == 1

    @property
    def first(self) -> bool:
        """Whether this process writes, prints, draws and keeps."""
        return self.here.rank == 0

    def from_first(self, text: Callable[[], str]) -> str:
        """What ``text`` gives on the first process; it is called there only."""
        if self.alone:
            return text()
        key = self._key()
        if self.first:
            said = text()
            self.store.set(key, said)
            return said
        self._await(lambda: bool(self.store.check([key])))
        return str(self.store.get(key).decode())

    def meet(self) -> None:
        """Wait until every process has come here."""
        if self.alone:
            return
        key = self._key()
        self.store.add(key, 1)
        self._await(lambda: int(self.store.add(key, 0)) == self.size)

    def first_alone(self, work: Callable[[], Any]) -> Any:
        """What ``work`` gives, done by the first process before the others do it, too.

        For work that leaves files which the others then find.
        """
        found = work() if self.first else None
        self.meet()
        return found if self.first else work()

    def same(self, what: str, value: str) -> None:
        """Make sure that all processes have the same ``value``.

        Raises:
            DataError: this one has another than the first.
        """
        if self.from_first(lambda: value) != value:
            raise DataError(
                f"Expected {what} as process 0 has it, but process {self.here.rank} has another",
                where="torchrun",
                todo="let all machines share out=DIR and SYNAUG_BENCH_CACHE, and use equal GPUs",
            )

    def _key(self) -> str:
        self.exchanges += 1
        return f"exchange {self.exchanges}"

    def _await(self, ready: Callable[[], bool]) -> None:
        while not ready():
            if self.store.check([FAILED]):
                raise self._peer_failed()
            time.sleep(POLL_SECONDS)

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` holds on any process."""
        if self.alone:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def add(self, value: Tensor) -> Tensor:
        """The sum of ``value`` over all processes, in place."""
        if not self.alone:
            dist.all_reduce(value)
        return value

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace float tensors by their means over all processes, in one exchange."""
        if self.alone or not tensors:
            return
        flat = self.add(torch.cat([each.flatten() for each in tensors])) / self.size
        for each, mean in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
            each.copy_(mean.view_as(each))

    def rows_of_all(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rows (n, k) of all processes, one after the other in their order.

        A process without rows hands over any array of length 0.
        """
        if self.alone:
            return rows
        lengths = [torch.zeros(1, dtype=torch.long) for _ in range(self.size)]
        dist.all_gather(lengths, torch.tensor([len(rows)]))
        width = torch.tensor([rows.shape[1] if len(rows) else 0])
        dist.all_reduce(width, dist.ReduceOp.MAX)
        padded = torch.zeros(int(max(lengths)), int(width))
        padded[: len(rows)] = torch.from_numpy(rows.reshape(len(rows), int(width)))
        found = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(found, padded)
        parts = [part[: int(n)].numpy() for part, n in zip(found, lengths, strict=True)]
        return np.concatenate(parts)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside the block, whatever ends this process ends the others with the same exit code.

        Raises:
            PeerFailed: another process ended.
        """
        if self.alone:
            yield
            return
        before = _on_terminate(self._terminate)
        try:
            yield
        except (Interrupted, Diverged):
            # every process comes to these by itself, in the same step
            _on_terminate(before)
            raise
        except Exception as error:
            # torchrun stops all as soon as one has failed: leave time to say what it was
            _on_terminate(signal.SIG_IGN)
            if _connection_lost(error):
                raise self._peer_failed() from error
            if not isinstance(error, PeerFailed):
                self._tell(error)
            raise
        _on_terminate(before)

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        if not self.store.check([FAILED]):
            raise Interrupted("Stopped", todo="run the same command again to continue")

    def _tell(self, error: Exception) -> None:
        """Leave word of what ended this process; the first such word counts."""
        if not isinstance(error, BenchError) and not self.first:
            traceback.print_exc(file=sys.__stderr__)
        code = getattr(error, "exit_code", BUG)
        said = str(error) if isinstance(error, BenchError) else repr(error)
        word = json.dumps({"rank": self.here.rank, "said": said, "code": code})
        self.store.compare_set(FAILED, "", word)
        self.told = True

    def _peer_failed(self) -> PeerFailed:
        try:
            # the connection may break a moment before the word is there
            time.sleep(POLL_SECONDS)
            word = json.loads(self.store.get(FAILED)) if self.store.check([FAILED]) else None
        except RuntimeError:
            word = None
        if word is None:
            return PeerFailed(
                f"One of the {self.size} processes of this run ended without a word",
                1,
                "see what stopped it; the same command goes on from the last checkpoint",
            )
        said = f"process {word['rank']}: {one_line(ValueError(word['said']), 1000)}"
        return PeerFailed(said, int(word["code"]))


ALONE = Team()


def _on_terminate(handler: Any) -> Any:
    """Set the handler of SIGTERM where Python allows it; the one before."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler)


def _connection_lost(error: Exception) -> bool:
    named = isinstance(error, RuntimeError) and any(part in str(error) for part in CONNECTION)
    return isinstance(error, dist.DistError) or named
