"""The training loop: stages, epochs, steps. It knows hooks, not components.

Every draw of a step comes from a stream named by seed, stage and step, so a resumed run takes the
same steps as one that was never stopped, and no generator state is saved.
"""

import csv
import io
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmark import checkpoints
from benchmark.component import Net, Stage, Step, Task
from benchmark.config import BackboneConfig, RecipeConfig
from benchmark.data.batches import TrainSet
from benchmark.errors import BenchError, IntegrityError, Interrupted
from benchmark.files import write_text
from benchmark.interrupts import StopFlag, stop_flag
from benchmark.logs import Logger
from benchmark.models import build_backbone
from benchmark.optim import stage_optimizer, stage_schedule
from benchmark.progress import Tracker
from benchmark.seeds import scoped_global_seed, seed_torch
from benchmark.stack import Stack


@dataclass(frozen=True)
class Job:
    """Everything the loop needs.

    Attributes:
        stack: the method.
        task: the problem.
        rows: all training rows.
        recipe: what all methods share.
        backbone: the model to train.
        seed: the run's seed.
        device: where to train.
        folder: the run's folder; checkpoints and the history go there.
        checkpoint_seconds: time between checkpoints.
        compile: whether to compile the network.
        progress: whether to show a progress bar.
        logger: where curves go besides the history file.
    """

    stack: Stack
    task: Task
    rows: TrainSet
    recipe: RecipeConfig
    backbone: BackboneConfig
    seed: int
    device: torch.device
    folder: Path
    checkpoint_seconds: float
    compile: bool
    progress: bool
    logger: Logger

    @property
    def checkpoint(self) -> Path:
        """The file that holds the state of an unfinished run."""
        return self.folder / "checkpoint.pt"


@dataclass(frozen=True)
class StagePlan:
    """A stage with its rows and lengths."""

    stage: Stage
    rows: TrainSet
    steps: int
    per_epoch: int

    @property
    def epochs(self) -> int:
        """Passes over the stage's rows, the last one possibly cut short."""
        return math.ceil(self.steps / self.per_epoch)


@dataclass
class Progress:
    """How far a run has come; saved with the weights."""

    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    resumed: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    stage_seconds: list[float] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def base_steps(recipe: RecipeConfig, rows: int) -> int:
    """Optimiser steps of a stage of share 1 on ``rows`` training rows."""
    per_epoch = math.ceil(rows / recipe.batch_size)
    amount = recipe.steps.amount
    return amount * per_epoch if recipe.steps.unit == "epochs" else amount


def plan_stages(stack: Stack, rows: TrainSet, recipe: RecipeConfig, seed: int) -> list[StagePlan]:
    """The stages of a run with their rows and steps; a share of the base stage's steps each."""
    total = base_steps(recipe, len(rows))
    plans = []
    for stage in stack.stages([Stage("base")]):
        chosen = rows.select(stage.rows, seed, stage.name)
        per_epoch = math.ceil(len(chosen) / recipe.batch_size)
        plans.append(StagePlan(stage, chosen, max(1, round(stage.share * total)), per_epoch))
    return plans


def train(job: Job) -> tuple[Net, Progress, list[StagePlan]]:
    """Run every stage, from the checkpoint if there is one.

    Raises:
        Interrupted: SIGTERM or Ctrl-C; the state was saved and ``run`` continues it.
        BenchError: the loss is not finite.
    """
    plans = plan_stages(job.stack, job.rows, job.recipe, job.seed)
    saved = checkpoints.load(job.checkpoint, job.device) if job.checkpoint.exists() else None
    progress = Progress(**saved["progress"]) if saved else Progress()
    progress.resumed += saved is not None
    net = _new_net(job, "base")
    # on its way out of the block torch's global generator is restored
    with stop_flag() as stop, scoped_global_seed(job.seed):
        for number, plan in enumerate(plans):
            if number > progress.stage:
                progress.stage, progress.step = number, 0
                progress.loss_sum, progress.loss_count = 0.0, 0
            # stages already over are entered again so that the network has their modules
            net = _enter_stage(job, net, plan)
            if number == progress.stage:
                restored = (
                    saved if number == (saved or {}).get("progress", {}).get("stage") else None
                )
                _run_stage(job, net, plan, progress, restored, stop)
    write_history(job.folder / "history.csv", progress.history)
    net.requires_grad_(True)
    return net, progress, plans


def _new_net(job: Job, stage: str) -> Net:
    with scoped_global_seed(job.seed, "init", stage):
        net = job.stack.build(build_backbone(job.backbone), job.task)
    return net.to(job.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _enter_stage(job: Job, net: Net, plan: StagePlan) -> Net:
    previous = None
    if plan.stage.init == "fresh":
        previous, net = net, _new_net(job, plan.stage.name)
    with scoped_global_seed(job.seed, "start", plan.stage.name):
        job.stack.start_stage(net, plan.rows, _step(job, plan, 0, previous))
    return net.to(job.device)


def _step(job: Job, plan: StagePlan, index: int, previous: nn.Module | None = None) -> Step:
    return Step(
        stage=plan.stage,
        task=job.task,
        index=index,
        total=plan.steps,
        epoch=index // plan.per_epoch,
        epochs=plan.epochs,
        seed=job.seed,
        device=job.device,
        previous=previous,
    )


def _run_stage(
    job: Job,
    net: Net,
    plan: StagePlan,
    progress: Progress,
    restored: dict[str, Any] | None,
    stop: StopFlag,
) -> None:
    """Take the stage's remaining steps."""
    optimizer = stage_optimizer(net, job.recipe, plan.stage)
    schedule = stage_schedule(optimizer, job.recipe, plan.stage, plan.steps, plan.epochs)
    ema = _average(net, job.recipe.ema) if job.recipe.ema else None
    parts = {"net": net, "optimizer": optimizer} | ({"ema": ema} if ema else {})
    if restored:
        _restore(job, parts, restored)
    runner = torch.compile(net) if job.compile else net
    begun, saved_at = time.perf_counter(), time.perf_counter()
    before, meter = progress.seconds, _Meter(job, plan, progress)
    for index, order, aux in _steps(job, plan, progress.step):
        step = _step(job, plan, index)
        lr = schedule.set(step=index, epoch=step.epoch)
        loss = _take_step(job, runner, net, plan, step, order, aux, optimizer)
        if ema:
            ema.update_parameters(net)
        if (index + 1) % plan.per_epoch == 0 or index + 1 == plan.steps:
            job.stack.end_epoch(net, plan.rows, step)
        progress.step, progress.images = index + 1, progress.images + len(order)
        progress.seconds = before + time.perf_counter() - begun
        meter.add(loss, lr, step, len(order))
        if stop.raised or time.perf_counter() - saved_at > job.checkpoint_seconds:
            meter.keep(progress)
            _save(job, parts, progress)
            saved_at = time.perf_counter()
        if stop.raised:
            meter.close()
            raise Interrupted(
                f"Stopped at step {index + 1} of {plan.steps} of stage '{plan.stage.name}'",
                where=job.folder,
                todo="run the same command again to continue",
            )
    meter.close()
    if ema:
        net.load_state_dict(ema.module.state_dict())
    progress.stage_seconds.append(round(progress.seconds - sum(progress.stage_seconds), 3))


def _average(net: nn.Module, decay: float) -> AveragedModel:
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(net, multi_avg_fn=average, use_buffers=True)


def _restore(job: Job, parts: dict[str, Any], saved: dict[str, Any]) -> None:
    try:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise IntegrityError(
            "Expected a checkpoint of this run, but it holds another network or optimiser",
            where=job.checkpoint,
            todo="delete the file; the run then starts from the beginning",
        ) from error


def _save(job: Job, parts: dict[str, Any], progress: Progress) -> None:
    state = {name: part.state_dict() for name, part in parts.items()}
    checkpoints.save(job.checkpoint, state | {"progress": asdict(progress)})


def _steps(job: Job, plan: StagePlan, start: int) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Step number, row positions and auxiliary positions of every step from ``start`` on."""
    size, drawn = job.recipe.batch_size, -1
    for index in range(start, plan.steps):
        epoch, offset = divmod(index, plan.per_epoch)
        if epoch != drawn:
            order, aux = _epoch_rows(job, plan, _step(job, plan, epoch * plan.per_epoch))
            drawn = epoch
        rows = order[offset * size : (offset + 1) * size]
        if aux is None:
            yield index, rows, None
        else:
            yield (
                index,
                rows,
                aux[torch.arange(offset * size, offset * size + len(rows)) % len(aux)],
            )


def _epoch_rows(job: Job, plan: StagePlan, step: Step) -> tuple[Tensor, Tensor | None]:
    labels = plan.rows.labels.cpu()
    streams = job.stack.streams(step, labels, step.rng("streams"))
    main = streams.main
    if main is None:
        main = torch.randperm(len(labels), generator=step.rng("order"))
    if len(main) < len(labels):
        raise BenchError(
            f"Expected a main row stream of {len(labels)} rows, but got {len(main)}",
            where=f"hook 'streams' in stage '{plan.stage.name}'",
            todo="return as many rows as the stage has; draw with replacement if need be",
        )
    return main[: len(labels)], streams.aux


def _take_step(
    job: Job,
    runner: Any,
    net: Net,
    plan: StagePlan,
    step: Step,
    order: Tensor,
    aux: Tensor | None,
    optimizer: torch.optim.Optimizer,
) -> Tensor:
    """One optimiser step; returns the detached loss."""
    seed_torch(job.seed, "step", plan.stage.name, step.index)
    _mode(net, plan.stage)
    batch = plan.rows.batch(order, step.rng("augment"))
    if job.stack.mixes(plan.stage):
        other = None if aux is None else plan.rows.batch(aux, step.rng("augment aux"))
        batch = job.stack.mix(batch, other, step)
    half = job.recipe.precision == "bf16"
    with torch.autocast(job.device.type, dtype=torch.bfloat16, enabled=half):
        loss = job.stack.loss(runner, batch, step)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    job.stack.after_step(net, step)
    return loss.detach()


def _mode(net: nn.Module, stage: Stage) -> None:
    net.train()
    if stage.batch_norm == "eval":
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


class _Meter:
    """Loss and speed of a stage: progress bar, history rows, logger; sums stay on the device."""

    def __init__(self, job: Job, plan: StagePlan, progress: Progress) -> None:
        self.job, self.plan, self.progress = job, plan, progress
        # double, so that a sum kept in a checkpoint goes on exactly
        self.sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=job.device)
        self.count, self.images = progress.loss_count, 0
        self.begun = time.perf_counter()
        self.note = ""
        self.bar = Tracker(
            plan.stage.name, plan.steps, "steps", done=progress.step, enabled=job.progress
        )

    def add(self, loss: Tensor, lr: float, step: Step, images: int) -> None:
        """Count a step, and close the epoch's row where it ends."""
        self.sum, self.count, self.images = self.sum + loss, self.count + 1, self.images + images
        self.bar.advance(1, self.note)
        last = step.index + 1
        if last % self.plan.per_epoch == 0 or last == self.plan.steps:
            self._epoch(lr, step)

    def _epoch(self, lr: float, step: Step) -> None:
        loss = float(self.sum / self.count)
        if not math.isfinite(loss):
            self.close()
            raise BenchError(
                f"The loss became {loss} in epoch {step.epoch + 1} of stage '{step.stage.name}'",
                where=self.job.folder,
                todo="lower recipe.optimizer.lr, or use recipe.precision=fp32",
            )
        speed = self.images / max(time.perf_counter() - self.begun, 1e-9)
        row = {"stage": step.stage.name, "epoch": step.epoch + 1, "step": step.index + 1,
               "loss": round(loss, 6), "lr": lr, "images_per_s": round(speed, 1)}  # fmt: skip
        self.progress.history.append(row)
        self.job.logger.log(row)
        self.note = f"loss {loss:.3f} {speed:,.0f} images/s"
        self.sum, self.count, self.images = torch.zeros_like(self.sum), 0, 0
        self.begun = time.perf_counter()

    def keep(self, progress: Progress) -> None:
        """Keep the epoch's sums with the run's state."""
        progress.loss_sum, progress.loss_count = float(self.sum), self.count

    def close(self) -> None:
        """Remove the bar."""
        self.bar.__exit__(None, None, None)


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """The loss curve as CSV: stage, epoch, step, loss, lr, images_per_s."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, text.getvalue())
