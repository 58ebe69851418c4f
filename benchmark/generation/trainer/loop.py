"""The optimiser's loop of one part of a generator; a killed one goes on from its checkpoint."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from benchmark.errors import BenchError, IntegrityError, Interrupted, UsageError
from benchmark.generation.trainer.steps import Loss
from benchmark.system.interrupts import StopFlag
from benchmark.system.progress import Tracker
from benchmark.training import checkpoints

CHECKPOINT_SECONDS = 60.0
LOG_EVERY = 25
MAX_GRADIENT = 1.0


def falling(steps: int, warmup: int, flat: float) -> Callable[[int], float]:
    """The factor of a learning rate: a warm-up, flat, then linear to zero.

    Args:
        steps: in all.
        warmup: steps until the full rate.
        flat: share of the steps before the rate falls.
    """
    until = int(steps * flat)

    def factor(step: int) -> float:
        warm = min(1.0, (step + 1) / max(warmup, 1))
        return warm * min(1.0, (steps - step) / max(steps - until, 1))

    return factor


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        part: parts that are finished.
        step: steps done for the next one.
        seconds: time of training, over all processes.
        log: (part, step, mean loss since the last row, seconds).
    """

    part: int = 0
    step: int = 0
    seconds: float = 0.0
    log: list[tuple[str, int, float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Part:
    """One part of a generator and how it is trained.

    Attributes:
        name: for the log.
        steps: of the optimiser.
        weights: what is trained.
        loss: of a step.
        lr: of AdamW.
        rate: its factor at a step.
        ema: decay of the moving average that the weights end as; 0 keeps the last ones.
    """

    name: str
    steps: int
    weights: list[nn.Parameter]
    loss: Loss
    lr: float
    rate: Callable[[int], float]
    ema: float = 0.0


@dataclass
class Training:
    """A training under way.

    Attributes:
        checkpoint: file of its state.
        key: of what is trained, kept in the checkpoint.
        networks: all of them by name, trained or not.
        device: where they are.
        half: whether the forward pass is bfloat16.
        stop: whether somebody asked to stop.
        tracker: shows progress.
        progress: how far it has come.
        saved: the state of the part under way, until it is taken up.
        saved_at: when the state was last written.
    """

    checkpoint: Path
    key: str
    networks: dict[str, nn.Module]
    device: torch.device
    half: bool
    stop: StopFlag
    tracker: Tracker
    progress: Progress = field(default_factory=Progress)
    saved: dict[str, Any] | None = None
    saved_at: float = field(default_factory=time.perf_counter)

    def resume(self) -> None:
        """Take up the state of the checkpoint, if there is one.

        Raises:
            IntegrityError: it is damaged, or belongs to another training.
        """
        if not self.checkpoint.exists():
            return
        saved = checkpoints.load(self.checkpoint, self.device)
        try:
            if saved["key"] != self.key:
                raise ValueError("another training's")
            self.progress = Progress(**saved["progress"])
            for name, network in self.networks.items():
                network.load_state_dict(saved["networks"][name])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise IntegrityError(
                f"Expected the checkpoint of this training, but got {error}",
                where=self.checkpoint,
                todo="delete the file, and the training starts from the beginning; or give "
                "another folder",
            ) from error
        self.saved = saved
        self.tracker.done = self.tracker.begun_with = self.progress.step

    def run(self, number: int, part: Part) -> None:
        """Take the steps of a part that are left; nothing where it is finished.

        Raises:
            Interrupted: SIGTERM or Ctrl-C; the state was saved and the same command continues it.
            BenchError: the loss is not finite.
            UsageError: the device has too little memory.
        """
        if number < self.progress.part:
            return
        try:
            self._run(part)
        except torch.OutOfMemoryError as error:
            raise UsageError(
                "Expected memory for a step, but the device ran out",
                where=f"fit.{part.name}.batch_size",
                todo="use a smaller one, or another fit=NAME",
            ) from error
        self.progress.part, self.progress.step = number + 1, 0
        self.save({})

    def _run(self, part: Part) -> None:
        optimizer = torch.optim.AdamW(part.weights, lr=part.lr)
        average = EMAModel(part.weights, decay=part.ema) if part.ema else None
        recent = torch.zeros((), device=self.device)
        if self.saved and self.saved["optimizer"]:
            optimizer.load_state_dict(self.saved["optimizer"])
            recent += self.saved["recent"]
            if average:
                average.load_state_dict(self.saved["average"])
                average.to(self.device)
        self.saved = None
        started, before = time.perf_counter(), self.progress.seconds
        for step in range(self.progress.step, part.steps):
            recent += self._step(part, step, optimizer)
            if average:
                average.step(part.weights)
            self.progress.step = step + 1
            self.progress.seconds = before + time.perf_counter() - started
            if (step + 1) % LOG_EVERY == 0 or step + 1 == part.steps:
                self._note(part, step, recent)
                recent.zero_()
            self._pause(optimizer, average, recent)
            self.tracker.advance(note=part.name)
        if average:
            average.copy_to(part.weights)

    def _step(self, part: Part, step: int, optimizer: torch.optim.Optimizer) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = part.lr * part.rate(step)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            loss = part.loss(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        clip_grad_norm_(part.weights, MAX_GRADIENT)
        optimizer.step()
        return loss.detach()

    def _note(self, part: Part, step: int, recent: Tensor) -> None:
        mean = float(recent) / ((step % LOG_EVERY) + 1)
        if not torch.isfinite(recent):
            raise BenchError(
                f"Expected a finite loss, but got {mean}",
                where=f"fit.{part.name}, step {step + 1}",
                todo=f"use a smaller fit.{part.name}.lr",
            )
        self.progress.log.append((part.name, step + 1, mean, self.progress.seconds))

    def _pause(
        self, optimizer: torch.optim.Optimizer, average: EMAModel | None, recent: Tensor
    ) -> None:
        """Save where it is time, and stop where somebody asked for it."""
        if self.stop.raised or time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS:
            state = average.state_dict() if average else {}
            self.save({"optimizer": optimizer.state_dict(), "average": state, "recent": recent})
        self.check_stop()

    def save(self, state: dict[str, Any]) -> None:
        """Write the checkpoint."""
        networks = {name: network.state_dict() for name, network in self.networks.items()}
        empty: dict[str, Any] = {"optimizer": {}, "average": {}}
        known = {"key": self.key, "progress": asdict(self.progress), "networks": networks}
        checkpoints.save(self.checkpoint, empty | state | known)
        self.saved_at = time.perf_counter()

    def check_stop(self) -> None:
        """Stop where somebody asked for it (Interrupted)."""
        if self.stop.raised:
            raise Interrupted(
                f"Stopped at step {self.progress.step} of part {self.progress.part + 1} of 2",
                where=self.checkpoint.parent,
                todo="run the same command again to continue",
            )
