"""The training loop: stages, epochs, steps. It knows hooks, not components.

Every draw of a step comes from a stream named by seed, stage and step, so a resumed run takes the
same steps as one that was never stopped, and no generator state is saved.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmark.component import Batch, Net, Step
from benchmark.data.batches import TrainSet
from benchmark.data.transfers import to_device
from benchmark.errors import BenchError, IntegrityError, Interrupted
from benchmark.models import build_backbone
from benchmark.seeds import scoped_global_seed
from benchmark.system.interrupts import StopFlag, stop_flag
from benchmark.training import checkpoints
from benchmark.training.checkpoints import weights_hash
from benchmark.training.compiling import compiled
from benchmark.training.curves import Curve, write_history
from benchmark.training.features import FeatureRows, OnFeatures, feature_rows
from benchmark.training.job import Job, Progress, StagePlan, plan_stages
from benchmark.training.optim import stage_optimizer, stage_schedule
from benchmark.training.pieces import own_rows
from benchmark.training.stepping import Stepper, seed_step


def train(job: Job) -> tuple[Net, Progress, list[StagePlan]]:
    """Run every stage, from the checkpoint if there is one.

    Raises:
        Interrupted: SIGTERM or Ctrl-C; the state was saved and ``run`` continues it.
        BenchError: the loss is not finite.
    """
    plans = plan_stages(job.stack, job.rows, job.recipe, job.seed, job.fixed_rows)
    saved = checkpoints.load(job.checkpoint, job.device) if job.checkpoint.exists() else None
    progress = Progress(**saved["progress"]) if saved else Progress()
    progress.resumed += saved is not None
    progress.processes = max(progress.processes, job.team.size)
    progress.pieces = max(progress.pieces, job.pieces)
    job.team.same("the checkpoint", f"{progress.stage} {progress.step} {progress.images}")
    keys = job.shared.keys(job, plans) if job.shared else []
    if keys and saved and progress.rests_on != keys[-1]:
        # part of it was trained by other code or on other threads: nobody else's run begins so
        keys = []
    progress.rests_on = keys[-1] if keys else ""
    net = _new_net(job, "base")
    # on its way out of the block torch's global generator is restored
    with stop_flag(patient=not job.team.alone) as stop, scoped_global_seed(job.seed):
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
                key = keys[number] if keys else None
                if restored or not _take_over(job, net, plan, progress, key):
                    waited = job.rows.meter.input_seconds
                    _run_stage(job, net, plan, progress, restored, stop)
                    _share(job, net, plan, progress, key, waited)
    if job.team.first:
        write_history(job.folder / "history.csv", progress.history)
    if not job.team.alone:
        job.team.same("the trained weights", weights_hash(net))
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


def _take_over(job: Job, net: Net, plan: StagePlan, progress: Progress, key: str | None) -> bool:
    """Use the stage as another run trained it, and count what it took there."""
    took = job.shared.load(key, net, job) if job.shared and key else None
    if took is None:
        return False
    progress.shared.append(plan.stage.name)
    progress.step = plan.steps
    progress.images += plan.images
    progress.seconds += took["seconds"]
    progress.stage_seconds.append(took["seconds"])
    progress.history += took["history"]
    job.rows.meter.input_seconds += took["input_seconds"]
    return True


def _share(
    job: Job, net: Net, plan: StagePlan, progress: Progress, key: str | None, waited: float
) -> None:
    # in pieces, batch norm saw smaller batches: others did not ask for that
    if job.shared and key and progress.pieces == 1:
        took = {
            "seconds": progress.stage_seconds[-1],
            "input_seconds": job.rows.meter.input_seconds - waited,
            "history": [row for row in progress.history if row["stage"] == plan.stage.name],
        }
        job.shared.save(key, net, took)


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
    source, runner = _source(job, net, plan)
    begun, saved_at = time.perf_counter(), time.perf_counter()
    before, meter = progress.seconds, Curve(job, plan, progress)
    stepper = Stepper(job, net, runner, optimizer, progress)
    for index, order, aux in _steps(job, plan, progress.step):
        step = _step(job, plan, index)
        lr = schedule.set(step=index, epoch=step.epoch)
        loss = stepper.take(*_batch(job, source, step, order, aux), step)
        if ema:
            ema.update_parameters(net)
        if (index + 1) % plan.per_epoch == 0 or index + 1 == plan.steps:
            job.stack.end_epoch(net, plan.rows, step)
        progress.step, progress.images = index + 1, progress.images + len(order)
        progress.seconds = before + time.perf_counter() - begun
        meter.add(loss, lr, step, len(order))
        stopping = job.team.any(stop.raised)
        if stopping or time.perf_counter() - saved_at > job.checkpoint_seconds:
            meter.keep(step)
            _save(job, parts, progress)
            saved_at = time.perf_counter()
        if stopping:
            meter.close()
            # the others may only end once the state is on disk
            job.team.meet()
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
    if not job.team.first:
        return
    state = {name: part.state_dict() for name, part in parts.items()}
    checkpoints.save(job.checkpoint, state | {"progress": asdict(progress)})


def _steps(job: Job, plan: StagePlan, start: int) -> Iterator[tuple[int, Tensor, Tensor | None]]:
    """Step number, row positions and auxiliary positions of every step from ``start`` on."""
    drawn = -1
    for index in range(start, plan.steps):
        epoch = index // plan.per_epoch
        if epoch != drawn:
            order, aux = _epoch_rows(job, plan, _step(job, plan, epoch * plan.per_epoch))
            drawn = epoch
            if not plan.stage.cached_passes:
                plan.rows.announce(_asked(job, plan, index, order, aux))
        yield index, *_rows_of(job, plan, index, order, aux)


def _rows_of(
    job: Job, plan: StagePlan, index: int, order: Tensor, aux: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Row positions and auxiliary positions of a step, out of those of its epoch."""
    size = job.recipe.batch_size
    first = index % plan.per_epoch * size
    rows = order[first : first + size]
    if aux is None:
        return rows, None
    return rows, aux[torch.arange(first, first + len(rows), device=aux.device) % len(aux)]


def _asked(
    job: Job, plan: StagePlan, start: int, order: Tensor, aux: Tensor | None
) -> Iterator[tuple[Tensor, torch.Generator, slice | None]]:
    """What the steps from ``start`` to the end of the epoch will ask of the rows."""
    end = min(plan.steps, (start // plan.per_epoch + 1) * plan.per_epoch)
    for index in range(start, end):
        step, (rows, other) = _step(job, plan, index), _rows_of(job, plan, index, order, aux)
        yield rows, step.rng("augment"), _needed(job, step, rows)
        if other is not None and job.stack.mixes(step.stage):
            yield other, step.rng("augment aux"), None


def _needed(job: Job, step: Step, rows: Tensor) -> slice | None:
    """The part of a batch whose pixels this process uses; None for all of it."""
    if job.team.alone or job.stack.mixes(step.stage):
        return None
    return own_rows(len(rows), job.team.here.rank, job.team.size)[0]


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
    # copied once an epoch: a copy in every step would wait for the device in every step
    aux, where = streams.aux, plan.rows.index.device
    return to_device(main[: len(labels)], where), None if aux is None else to_device(aux, where)


def _source(job: Job, net: Net, plan: StagePlan) -> tuple[TrainSet | FeatureRows, Any]:
    """Where batches come from, and the network as the loss sees it."""
    if plan.stage.cached_passes:
        step = _step(job, plan, 0)
        return feature_rows(net, plan.rows, step, job.half), OnFeatures(net)
    if not job.compile:
        return plan.rows, net
    whole = min(plan.batch_size, len(plan.rows))
    own, _ = own_rows(whole, job.team.here.rank, job.team.size)
    return plan.rows, compiled(net, own.stop - own.start, job.device, job.team.alone)


def _batch(
    job: Job, source: TrainSet | FeatureRows, step: Step, order: Tensor, aux: Tensor | None
) -> tuple[Batch, float]:
    """What this process takes of the rows at ``order``, augmented and mixed; its share of them.

    Every process draws and mixes the whole batch alike, then keeps its own rows. Torch's global
    generator is seeded for the step.
    """
    seed_step(job, step)
    own, share = own_rows(len(order), job.team.here.rank, job.team.size)
    if isinstance(source, FeatureRows):
        batch = source.batch(order, step.epoch)
    else:
        batch = source.batch(order, step.rng("augment"), _needed(job, step, order))
        if job.stack.mixes(step.stage):
            other = None if aux is None else source.batch(aux, step.rng("augment aux"))
            batch = job.stack.mix(batch, other, step)
    return (batch if job.team.alone else batch.piece(own)), share
