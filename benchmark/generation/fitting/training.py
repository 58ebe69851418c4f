"""Training one adapter after another; a killed fit goes on where its last checkpoint is.

Every draw of a step comes from a stream named by seed, adapter and step, so a resumed fit takes
the same steps as one that was never stopped, and no generator state is saved.
"""

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_

from benchmark.errors import BenchError, IntegrityError, Interrupted, UsageError
from benchmark.generation.fitting.adapter import Adapter
from benchmark.generation.fitting.draws import Draws
from benchmark.generation.fitting.inversion import Inversion
from benchmark.generation.fitting.latents import Latents, encode
from benchmark.generation.fitting.lora import Lora
from benchmark.generation.fitting.objective import Prompts, denoising_loss, training_schedule
from benchmark.generation.fitting.request import FitRequest, adapter_name, token
from benchmark.generation.pipelines import quiet
from benchmark.seeds import torch_generator
from benchmark.system.interrupts import StopFlag
from benchmark.system.progress import Tracker
from benchmark.training import checkpoints

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SECONDS = 60.0
MAX_GRADIENT = 1.0


@dataclass
class FitProgress:
    """How far a fit has come.

    Attributes:
        unit: adapters that are finished.
        step: steps done for the next one.
        seconds: time of encoding and training, over all processes.
    """

    unit: int = 0
    step: int = 0
    seconds: float = 0.0


@dataclass
class Fit:
    """A fit under way.

    Attributes:
        request: what is asked for.
        folder: where it is kept.
        pipe: the base pipeline.
        stop: whether somebody asked to stop.
        progress: how far it has come.
        tracker: shows it.
    """

    request: FitRequest
    folder: Path
    pipe: Any
    stop: StopFlag
    progress: FitProgress
    tracker: Tracker
    saved_at: float = field(default_factory=time.perf_counter)

    @property
    def checkpoint(self) -> Path:
        """The file that holds the state of an unfinished fit."""
        return self.folder / CHECKPOINT

    def run(self, saved: dict[str, Any] | None) -> None:
        """Train all adapters that are not finished.

        Args:
            saved: content of the checkpoint, if there is one.

        Raises:
            Interrupted: SIGTERM or Ctrl-C; the state was saved and the same command continues it.
            BenchError: the loss is not finite.
        """
        units = list(self.request.units.items())
        for unit, labels in units[self.progress.unit :]:
            adapter = new_adapter(self.pipe, self.request, unit, labels)
            try:
                self._train(adapter, unit, labels, saved)
                adapter.save(self.folder / adapter_name(unit))
            finally:
                adapter.remove()
            saved = None
            self.progress.unit, self.progress.step = self.progress.unit + 1, 0
            self._save({})

    def _train(
        self, adapter: Adapter, unit: str, labels: tuple[int, ...], saved: dict[str, Any] | None
    ) -> None:
        optimizer = self._optimizer(adapter, saved)
        started, before = time.perf_counter(), self.progress.seconds
        draws, latents = self._data(unit, labels)
        fixed = not adapter.encodes
        prompts = Prompts(self.pipe, _texts(self.request), fixed)
        schedule = training_schedule(self.pipe.scheduler)
        weights = list(adapter.weights().values())
        for step in range(self.progress.step, draws.steps):
            rng, rows = torch_generator(draws.seed, "fit", unit, step), draws.rows(step)
            embeddings = prompts.embed([int(draws.labels[row]) for row in rows])
            clean = latents.sample(rows, rng)
            loss = denoising_loss(self.pipe.unet, schedule, clean, embeddings, rng)
            _check_finite(loss, unit, step)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            clip_grad_norm_(weights, MAX_GRADIENT)
            optimizer.step()
            self.progress.step = step + 1
            self.progress.seconds = before + time.perf_counter() - started
            self.tracker.advance(note=unit)
            self._pause(adapter, optimizer)

    def _data(self, unit: str, labels: tuple[int, ...]) -> tuple[Draws, Latents]:
        request = self.request
        draws = new_draws(request, unit, labels)
        images, size = request.images, request.base.size
        return draws, encode(self.pipe.vae, images, draws.used, size, self._check_stop)

    def _optimizer(self, adapter: Adapter, saved: dict[str, Any] | None) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(
            list(adapter.weights().values()),
            lr=self.request.config.lr,
            weight_decay=adapter.weight_decay,
        )
        if saved and saved["weights"]:
            adapter.restore(saved["weights"])
            optimizer.load_state_dict(saved["optimizer"])
        return optimizer

    def _pause(self, adapter: Adapter, optimizer: torch.optim.Optimizer) -> None:
        """Save where it is time, and stop where somebody asked for it."""
        if self.stop.raised or time.perf_counter() - self.saved_at > CHECKPOINT_SECONDS:
            self._save({"weights": adapter.state(), "optimizer": optimizer.state_dict()})
        self._check_stop()

    def _save(self, state: dict[str, Any]) -> None:
        empty: dict[str, Any] = {"weights": {}, "optimizer": {}}
        checkpoints.save(self.checkpoint, empty | state | {"progress": asdict(self.progress)})
        self.saved_at = time.perf_counter()

    def _check_stop(self) -> None:
        if self.stop.raised:
            progress = self.progress
            raise Interrupted(
                f"Stopped at step {progress.step} of {self.request.config.steps} of adapter "
                f"{progress.unit + 1} of {len(self.request.units)}",
                where=self.folder,
                todo="run the same command again to continue",
            )


def load_progress(path: Path, device: torch.device) -> tuple[FitProgress, dict[str, Any] | None]:
    """How far a fit came, and the state to go on from.

    Raises:
        IntegrityError: the checkpoint is damaged.
    """
    if not path.exists():
        return FitProgress(), None
    saved = checkpoints.load(path, device)
    try:
        return FitProgress(**saved["progress"]), saved
    except (KeyError, TypeError) as error:
        raise IntegrityError(
            f"Expected the checkpoint of a fit, but got {error!r}",
            where=path,
            todo="delete the file; the fit then starts from the beginning",
        ) from error


def new_adapter(pipe: Any, request: FitRequest, unit: str, labels: tuple[int, ...]) -> Adapter:
    """An untrained adapter on a pipeline."""
    config = request.config
    with quiet():
        if config.kind == "textual_inversion":
            names = [request.classes[label] for label in labels]
            return Inversion(pipe, [token(label) for label in labels], names)
        return Lora(
            pipe,
            rank=config.rank,
            text_encoder=config.text_encoder,
            seed=request.seed,
            unit=unit,
        )


def new_draws(request: FitRequest, unit: str, labels: tuple[int, ...]) -> Draws:
    """Which rows an adapter's training sees."""
    return Draws(
        labels=request.labels,
        classes=labels,
        steps=request.config.steps,
        batch_size=request.config.batch_size,
        seed=request.seed,
        unit=unit,
    )


def _texts(request: FitRequest) -> list[str]:
    return [request.config.prompt(name) for name in request.prompt_names]


def _check_finite(loss: torch.Tensor, unit: str, step: int) -> None:
    if not bool(torch.isfinite(loss)):
        raise BenchError(
            f"Expected a finite loss, but got {float(loss.detach())}",
            where=f"fit of adapter '{unit}', step {step}",
            todo="use a smaller lr",
        )


def out_of_memory(batch_size: int) -> UsageError:
    """The error for a device that is too small for a step."""
    return UsageError(
        f"Expected memory for {batch_size} training images at a time, but the device ran out",
        where="fit.batch_size",
        todo=f"use a batch_size of {max(batch_size // 2, 1)}, or a smaller generator.size",
    )
