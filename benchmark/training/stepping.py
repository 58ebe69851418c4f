"""One optimiser step, whoever shares its batch: a process alone, several, in pieces or not.

The loss of the whole batch is what is minimised in any case: each part counts by its rows. Where an
allocation fails, the step is taken again from the same state, with the batch in twice as many
pieces.
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from benchmark.component import Batch, Net, Stage, Step
from benchmark.errors import one_line
from benchmark.seeds import seed_torch
from benchmark.system.console import say
from benchmark.training.job import Job, Progress
from benchmark.training.memory import OutOfMemory, is_out_of_memory, tidy
from benchmark.training.pieces import cuts, rows_at_once
from benchmark.training.sharing import Gradients, Norms

# the optimiser's state joins after the first step, so that the second one needs the most
PROVED_AFTER = 2


class Stepper:
    """Takes the steps of one stage.

    Args:
        job: what is trained.
        net: the network.
        runner: the network as the loss sees it.
        optimizer: of the stage.
        progress: its ``pieces`` grow where memory is short.
    """

    def __init__(
        self, job: Job, net: Net, runner: Any, optimizer: torch.optim.Optimizer, progress: Progress
    ) -> None:
        self.job, self.net, self.runner = job, net, runner
        self.optimizer, self.progress = optimizer, progress
        self.whole = job.stack.needs_whole_batch()
        self.buffers = Buffers([] if self.whole else list(net.buffers()))
        self.gradients = None if job.team.alone else Gradients(net, self._loss, job.team)
        self.norms = Norms(net, job.team, job.device)
        self.unproved = 0 if job.team.alone else PROVED_AFTER

    def take(self, batch: Batch, share: float, step: Step) -> Tensor:
        """One step; returns the loss of the whole batch, detached.

        Args:
            batch: the rows of this process.
            share: their part of the whole batch, in [0, 1].
            step: where training stands.

        Raises:
            OutOfMemory: the batch cannot be taken in smaller pieces.
        """
        if self.unproved:
            self._prove(batch, share, step)
            self.unproved -= 1
        with self.norms.shared():
            if self.gradients is None:
                loss = self._retried(batch, step, lambda: self._learn(batch, share, step))
            else:
                loss = self._together_or_never(batch, share, step)
        self.optimizer.step()
        self.norms.average()
        self.job.stack.after_step(self.net, step)
        return loss

    def _loss(self, batch: Batch, step: Step) -> Tensor:
        kind, half = self.job.device.type, self.job.half
        with torch.autocast(kind, dtype=torch.bfloat16) if half else nullcontext():
            return self.job.stack.loss(self.runner, batch, step)

    def _learn(self, batch: Batch, share: float, step: Step) -> Tensor:
        """Gradients of the loss of this process's rows, added up over pieces; that loss."""
        self._begin(step.stage)
        total = torch.zeros((), device=self.job.device)
        for piece, part in self._pieces(batch, share):
            loss = self._loss(piece, step)
            if part != 1.0:
                loss = loss * part
            loss.backward()
            total = loss.detach() if part == 1.0 else total + loss.detach()
        return total

    def _together_or_never(self, batch: Batch, share: float, step: Step) -> Tensor:
        try:
            return self._learn_together(batch, share, step)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemory(
                f"Out of memory in step {step.index + 1}, after steps like it had fit",
                where=self._place(step),
                todo="free some memory; the same command goes on from the last checkpoint",
            ) from error

    def _learn_together(self, batch: Batch, share: float, step: Step) -> Tensor:
        """Gradients of the loss of the whole batch, the same on every process; that loss."""
        assert self.gradients is not None
        self._begin(step.stage)
        total = torch.zeros((), device=self.job.device)
        pieces = list(self._pieces(batch, share))
        for number, (piece, part) in enumerate(pieces, 1):
            with nullcontext() if number == len(pieces) else self.gradients.apart():
                # gradients of the processes are averaged, not added
                loss = self.gradients(piece, step) * part
                (loss * self.job.team.size).backward()
            total = total + loss.detach()
        return self.job.team.add(total)

    def _begin(self, stage: Stage) -> None:
        self.net.train()
        if stage.batch_norm == "eval":
            for module in self.net.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        self.optimizer.zero_grad(set_to_none=True)

    def _pieces(self, batch: Batch, share: float) -> Iterator[tuple[Batch, float]]:
        """The parts of a batch that pass through the network at once, with their shares."""
        rows = len(batch.index)
        found = cuts(rows, self._limit())
        if len(found) == 1:
            yield batch, share
            return
        for each in found:
            yield batch.piece(each), share * (each.stop - each.start) / rows

    def _limit(self) -> int:
        return rows_at_once(self.job.recipe.batch_size, self.job.team.size, self.progress.pieces)

    def _retried(self, batch: Batch, step: Step, attempt: Callable[[], Tensor]) -> Tensor:
        self.buffers.keep()
        while True:
            try:
                return attempt()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = one_line(error)
            # outside the handler: the error holds on to what the attempt had allocated
            self._again(step)
            self._more_pieces(len(batch.index), reason, step)

    def _prove(self, batch: Batch, share: float, step: Step) -> None:
        """See whether every process can take a step like this, before they depend on each other.

        An allocation that fails in the middle of an exchange would leave the others waiting.
        """
        self.buffers.keep()
        while True:
            reason = ""
            try:
                self._learn(batch, share, step)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = one_line(error)
            self._again(step)
            if not self.job.team.any(bool(reason)):
                return
            self._more_pieces(len(batch.index), reason or "on another process", step)

    def _again(self, step: Step) -> None:
        """Go back to the state before the step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.buffers.restore()
        seed_step(self.job, step)

    def _place(self, step: Step) -> str:
        return f"stage '{step.stage.name}' on {self.job.device.type}"

    def _more_pieces(self, rows: int, reason: str, step: Step) -> None:
        tidy()
        place = self._place(step)
        size, before = self.job.recipe.batch_size, min(self._limit(), rows)
        if self.whole and before > 1:
            raise OutOfMemory(
                f"A batch of {size} rows does not fit into memory, and '{self.whole[0]}' needs it "
                "whole",
                where=place,
                todo="lower recipe.batch_size, or choose a smaller backbone",
            )
        if before == 1:
            raise OutOfMemory(
                f"Not even one row of a batch fits into memory ({reason})",
                where=place,
                todo="choose a smaller backbone, or free some memory",
            )
        while min(self._limit(), rows) == before:
            self.progress.pieces *= 2
        say("note", f"out of memory in {place}: from here on {self._limit()} of the {size} rows of "
            "a batch pass through the network at once; gradients are added up, batch norm sees the "
            "smaller pieces")  # fmt: skip


def seed_step(job: Job, step: Step) -> None:
    """Seed torch's global generator for what a step draws from it, such as dropout."""
    own = () if job.team.first else (f"process {job.team.here.rank}",)
    seed_torch(job.seed, "step", step.stage.name, step.index, *own)


class Buffers:
    """What a forward pass changes by itself, to be put back after one that failed.

    Args:
        live: the buffers; their copies are made once.
    """

    def __init__(self, live: list[Tensor]) -> None:
        kinds = sorted({str(each.dtype) for each in live})
        self.live = [[each for each in live if str(each.dtype) == kind] for kind in kinds]
        self.kept = [[each.clone() for each in group] for group in self.live]

    def keep(self) -> None:
        """Note the values."""
        self._copy(self.live, self.kept)

    def restore(self) -> None:
        """Put the noted values back."""
        self._copy(self.kept, self.live)

    @staticmethod
    @torch.no_grad()
    def _copy(source: list[list[Tensor]], target: list[list[Tensor]]) -> None:
        for one, other in zip(source, target, strict=True):
            torch._foreach_copy_(other, one)
