"""One experiment from its data to its record; a finished one is skipped, a killed one resumed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.component import HOOKS, fills
from benchmark.data.augmentation import check_views
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.data.dataset import LongTailedData
from benchmark.data.rows import ImageTable
from benchmark.errors import (
    BenchError,
    Interrupted,
    Occupied,
    UsageError,
    one_line,
)
from benchmark.experiments.experiment import Experiment, choose_rows
from benchmark.experiments.record_builder import Outcome, build_record
from benchmark.experiments.supply import Supplied, check_supply, supply
from benchmark.experiments.trials import STATE, searched, trials
from benchmark.generation.budget import label as budget_label
from benchmark.models import build_backbone, check_backbone
from benchmark.recording import record_models, records
from benchmark.recording.blueprint import blueprint
from benchmark.recording.sums import SUMS, require, write_sums
from benchmark.recording.weights_file import WEIGHTS, write_weights
from benchmark.seeds import scoped_global_seed
from benchmark.statistics import metrics
from benchmark.system import locks
from benchmark.system.console import say
from benchmark.system.failures import ERROR, keep_failure
from benchmark.system.files import sha256_file
from benchmark.training import distributed
from benchmark.training.checkpoints import weights_hash
from benchmark.training.evaluate import logits
from benchmark.training.half_precision import say_if_slow
from benchmark.training.job import Job
from benchmark.training.logs import make_logger
from benchmark.training.memory import OutOfMemory, is_out_of_memory
from benchmark.training.optim import make_optimizer
from benchmark.training.ranks import rank_here
from benchmark.training.sharing import check_sharing
from benchmark.training.stage_store import default_store
from benchmark.training.train import train

LOCK_SECONDS = 2.0
RECORD, PREDICTIONS = "record.json", "preds.npz"


def run_experiment(experiment: Experiment) -> records.Record:
    """Run one experiment with its seed, or return the record of the finished run.

    Of several processes that torchrun started, the first locks, writes and says; all return the
    record.

    Raises:
        BenchError: whatever stops it; ``error.json`` says why, and nothing finished is lost.
    """
    with distributed.team().together():
        return _run_or_find(experiment)


def _run_or_find(experiment: Experiment) -> records.Record:
    folder = experiment.folder
    done = _of_first(lambda: _finished(experiment))
    if done is None:
        preflight(experiment)
        with _locked(folder) if distributed.team().first else nullcontext():
            # whoever held the lock may have finished it
            done = _of_first(lambda: _finished(experiment))
            if done is None:
                return _explained(experiment)
    say("done", f"{experiment.label}, seed {experiment.seed}: already finished in {folder}")
    return done


def _of_first(find: Callable[[], records.Record | None]) -> records.Record | None:
    """A record of the first process, where ``find`` is called."""
    if distributed.team().alone:
        return find()

    def text() -> str:
        found = find()
        return found.model_dump_json() if found else ""

    said = distributed.team().from_first(text)
    return records.Record.model_validate_json(said) if said else None


def preflight(experiment: Experiment) -> None:
    """Refuse what cannot work before time is spent; a finished run needs nothing.

    Raises:
        BenchError: what is wrong and what to do.
    """
    if _finished(experiment) is not None:
        return
    check_supply(experiment)
    trials(experiment)
    chosen = experiment.settings
    check_sharing(chosen, rank_here())
    _device(experiment)
    check_views(chosen.stack.views(chosen.recipe))
    check_backbone(chosen.backbone, experiment.card.image_size)
    with scoped_global_seed(experiment.seed):
        net = chosen.stack.build(build_backbone(chosen.backbone), experiment.task)
    chosen.stack.check_head(net)
    make_optimizer([nn.Parameter(torch.zeros(1, 1))], chosen.recipe.optimizer)


def _finished(experiment: Experiment) -> records.Record | None:
    """The record of the finished run; none where it is to run again, which then replaces it."""
    path = experiment.folder / RECORD
    if experiment.settings.plumbing.on_existing == "rerun" or not path.exists():
        return None
    found = records.load(path)
    require(path)
    return found


def _run_in_memory(experiment: Experiment) -> records.Record:
    """Run; an allocation that fails where pieces are no help is one line, too."""
    try:
        return _run(experiment)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(
            f"Out of memory ({one_line(error)})",
            where=experiment.folder,
            todo="free some memory, choose a smaller backbone, or lower recipe.batch_size",
        ) from error


def _explained(experiment: Experiment) -> records.Record:
    """Run; an error is kept in the folder, for ``status``."""
    folder = experiment.folder
    try:
        record = _run_in_memory(experiment)
    except Interrupted:
        raise
    except BenchError as error:
        if distributed.team().first:
            keep_failure(folder, str(error), error.exit_code)
        raise
    if not distributed.team().first:
        return record
    for name in (ERROR, "checkpoint.pt", STATE):
        (folder / name).unlink(missing_ok=True)
    return record


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # `status` holds each lock for an instant
    lock = locks.attempt(folder / ".lock", LOCK_SECONDS)
    if lock is None:
        raise Occupied(
            "Another process is running this experiment",
            where=folder,
            todo=locks.advice(folder / ".lock"),
        )
    try:
        yield
    finally:
        lock.release()


def _run(experiment: Experiment) -> records.Record:
    say("run", f"{experiment.label} on {experiment.dataset_name}, seed {experiment.seed}, "
        f"experiment {experiment.hash}")  # fmt: skip
    device = _device(experiment)
    if experiment.settings.recipe.precision == "bf16" and distributed.team().first:
        say_if_slow(device, "recipe.precision")
    data = experiment.settings.dataset.load(experiment.seed)
    scored = _held_rows(experiment, data, "score_on")
    if experiment.settings.search_trials:
        _held_rows(experiment, data, "search_on")
        experiment = searched(experiment, _run_trial)
    _say_counts(experiment)
    added = distributed.team().first_alone(lambda: supply(experiment, data))
    rows = _rows(experiment, data, added, device)
    _say_stack(experiment)
    outcome = _train_and_score(experiment, rows, scored, device)
    record = _of_first(lambda: _write(experiment, data, added, outcome))
    assert record is not None
    return record


def _run_trial(trial: Experiment) -> records.Record:
    """Run a trial of a search; its weights are nobody's."""
    plumbing = replace(trial.settings.plumbing, save_weights=False)
    return run_experiment(replace(trial, settings=replace(trial.settings, plumbing=plumbing)))


def _device(experiment: Experiment) -> torch.device:
    wanted, threads = experiment.settings.plumbing.device, experiment.settings.plumbing.threads
    if threads:
        torch.set_num_threads(threads)
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "Expected a CUDA device, but got none", where="device", todo="set device=cpu"
        )
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if not distributed.team().alone:
        torch.cuda.set_device(rank_here().local_rank)
    return torch.device("cuda")


def _say_counts(experiment: Experiment) -> None:
    real, allocation = experiment.task.counts_real, experiment.allocation
    say(
        "data", f"{sum(real):,} real images of {len(real)} classes, {max(real)} to {min(real)} each"
    )
    if experiment.request:
        say("budget", f"{budget_label(experiment.budget)}: {sum(allocation.keep):,} real kept, "
            f"{sum(allocation.add):,} {experiment.request.origin} added")  # fmt: skip
    for note in allocation.notes:
        say("note", note)


def _say_stack(experiment: Experiment) -> None:
    for part in experiment.stack.components:
        hooks = [hook for hook in HOOKS if fills(part, hook)]
        say("component", f"{part.name}: {', '.join(hooks) or 'no hook, plain cross-entropy'}")


def _rows(
    experiment: Experiment, data: LongTailedData, added: Supplied | None, device: torch.device
) -> TrainSet:
    keep = _first_of_each(data.train.labels, experiment.allocation.keep)
    parts = [Part.of("real", data.train.select(keep))]
    if added:
        parts.append(added.part)
    recipe = experiment.settings.recipe
    views = experiment.stack.views(recipe)
    card = experiment.card
    workers = experiment.settings.plumbing.decode_workers
    return train_set(parts, card.mean, card.std, recipe.augmentation, views, device, workers)


def _first_of_each(labels: np.ndarray, keep: tuple[int, ...]) -> np.ndarray:
    """Positions of the first ``keep[k]`` rows of each class: the cutting rule "subset order"."""
    rows = [np.flatnonzero(labels == label)[:wanted] for label, wanted in enumerate(keep)]
    return np.sort(np.concatenate(rows))


def _train_and_score(
    experiment: Experiment, rows: TrainSet, scored: ImageTable, device: torch.device
) -> Outcome:
    chosen, folder = experiment.settings, experiment.folder
    name = f"{experiment.card.name}/{experiment.label}/s{experiment.seed}"
    team = distributed.team()
    mode = chosen.plumbing.wandb if team.first else "disabled"
    logger = make_logger(mode, folder, name, experiment.science)
    job = Job(
        stack=experiment.stack,
        task=experiment.task,
        rows=rows,
        recipe=chosen.recipe,
        fixed_rows=experiment.fixed_rows,
        backbone=chosen.backbone,
        seed=experiment.seed,
        device=device,
        folder=folder,
        checkpoint_seconds=60 * chosen.plumbing.checkpoint_minutes,
        compile=chosen.plumbing.compile,
        progress=chosen.plumbing.progress,
        logger=logger,
        # what several processes train differs in rounding from what one trains
        shared=default_store() if chosen.plumbing.share_stages and team.alone else None,
        team=team,
    )
    net, progress, plans = train(job)
    begun = time.perf_counter()
    deployed = experiment.stack.deploy(net, experiment.task)
    scores = _score(experiment, deployed, scored, device)
    seconds = time.perf_counter() - begun
    logger.finish({"accuracy": float(np.mean(scores.labels == scores.predicted))})
    return Outcome(net, deployed, progress, plans, scores, seconds, rows.meter, device)


def _held_rows(experiment: Experiment, data: LongTailedData, key: str) -> ImageTable:
    """Rows that are not trained on; ``key`` is the setting that names them."""
    settings = experiment.settings
    name = settings.score_on if key == "score_on" else settings.search_on
    rows: ImageTable | None = getattr(data, name)
    if rows is None or len(rows.labels) == 0:
        kept = len(data.heldout.labels) > 0
        # carving again would give no more
        carved = name == "val" and getattr(settings.dataset.config, "val", "none") != "none"
        raise UsageError(
            f"{data.card.name} has no {name} rows",
            where=key,
            todo=choose_rows(settings, experiment.request, key, heldout=kept, val=not carved),
        )
    return rows


def _score(
    experiment: Experiment, net: nn.Module, test: ImageTable, device: torch.device
) -> metrics.Predictions:
    card, team = experiment.card, distributed.team()
    found = logits(net, np.asarray(test.images), card.mean, card.std, device, team)
    return metrics.predictions_from_logits(found, test.labels)


def _write(
    experiment: Experiment, data: LongTailedData, added: Supplied | None, outcome: Outcome
) -> records.Record:
    path = experiment.folder / PREDICTIONS
    # what a run leaves belongs together, so an old record goes before its companions do
    for name in (RECORD, WEIGHTS, SUMS):
        (experiment.folder / name).unlink(missing_ok=True)
    metrics.save_predictions(path, outcome.scores)
    kept = record_models.PredictionFile(file=PREDICTIONS, sha256=sha256_file(path))
    record = build_record(experiment, data.split, added, outcome, kept)
    if experiment.settings.plumbing.save_weights:
        _keep_weights(experiment, record, outcome.deployed)
    write_sums(experiment.folder, records.dumps(record))
    records.save(experiment.folder / RECORD, record)
    say("saved", str(experiment.folder / RECORD))
    return record


def _keep_weights(experiment: Experiment, record: records.Record, deployed: nn.Module) -> None:
    """Write the deployed network beside the record; what prevents it costs the weights only."""
    modifiers, state = experiment.settings.modifiers, weights_hash(deployed)
    plan = blueprint(record, experiment.card, modifiers, experiment.fixed_rows, state)
    try:
        write_weights(experiment.folder / WEIGHTS, deployed, plan)
    except BenchError as error:
        say("note", f"the weights are not kept: {error}")
