"""A finished run as its record: facts gathered from the experiment, its data and its outcome."""

import resource
import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import torch
from torch import nn

from benchmark.component import Net
from benchmark.data.batches import Meter
from benchmark.experiments.experiment import Experiment
from benchmark.experiments.supply import Supplied
from benchmark.generation.budget import label as budget_label
from benchmark.generation.protocols import limit_of
from benchmark.identity import describe_component
from benchmark.recording import environment, record_models
from benchmark.registry import COMPONENTS
from benchmark.statistics import metrics
from benchmark.system import hardware
from benchmark.training.checkpoints import weights_hash
from benchmark.training.job import Progress, StagePlan
from benchmark.vocabulary.words import plumbing_names


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        net: the trained network.
        deployed: what was evaluated.
        progress: times, counts and curves.
        plans: the stages as they were run.
        scores: predictions on the test rows.
        eval_seconds: time that evaluation took.
        meter: what was read of the training rows.
        device: where the run took place.
    """

    net: Net
    deployed: nn.Module
    progress: Progress
    plans: list[StagePlan]
    scores: metrics.Predictions
    eval_seconds: float
    meter: Meter
    device: torch.device


def build_record(
    experiment: Experiment,
    split: Any,
    added: Supplied | None,
    outcome: Outcome,
    predictions: record_models.PredictionFile,
) -> record_models.Record:
    """The record of a finished run; validated as it is built.

    Args:
        experiment: what was run.
        split: how the long-tailed subset was drawn.
        added: images that were added, or None.
        outcome: what training and evaluation left behind.
        predictions: the file the metrics can be recomputed from.
    """
    card = experiment.card
    groups = card.groups
    return record_models.Record(
        protocol=card.protocol,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command(experiment),
        experiment=_experiment_block(experiment),
        seed=experiment.seed,
        dataset=_dataset_block(experiment, split, groups, len(outcome.scores.labels)),
        method=_method_block(experiment, added),
        budget=_budget_block(experiment),
        pool=record_models.Pool(**added.pool) if added and added.pool else None,
        backbone=_backbone_block(experiment, outcome),
        recipe=_recipe_block(experiment, outcome),
        stages=_stage_blocks(outcome),
        selection="last",
        search=experiment.chosen.search if experiment.chosen else None,
        metrics=metrics.compute(outcome.scores, card.n_classes, groups),
        predictions=predictions,
        cost=record_models.Cost(
            generation=added.cost if added else None, training=_training_cost(outcome)
        ),
        environment=environment.gather(),
        resumed=outcome.progress.resumed,
        final_weights_sha256=weights_hash(outcome.net),
    )


def command(experiment: Experiment) -> str:
    """The command that makes this run, from its overrides; plumbing is left out."""
    words = [*science_words(experiment.settings.overrides), f"seed={experiment.seed}"]
    return f"python -m benchmark run {' '.join(map(shlex.quote, words))}"


def science_words(overrides: Iterable[str]) -> tuple[str, ...]:
    """The overrides without plumbing and seed: no record holds a path of the machine it ran on."""
    hidden = plumbing_names() | {"seed"}
    return tuple(text for text in overrides if text.lstrip("+").partition("=")[0] not in hidden)


def _experiment_block(experiment: Experiment) -> record_models.Experiment:
    return record_models.Experiment(
        hash=experiment.hash,
        label=experiment.label,
        config=experiment.science,
        overrides=science_words(experiment.settings.overrides),
    )


def _budget_block(experiment: Experiment) -> record_models.BudgetSpent:
    allocation, protocol = experiment.allocation, experiment.protocol
    return record_models.BudgetSpent(
        label=budget_label(experiment.budget),
        keep=allocation.keep,
        add=allocation.add,
        protocol=protocol,
        limit=limit_of(experiment.budget, protocol),
        cut_rule=allocation.cut_rule,
    )


def _backbone_block(experiment: Experiment, outcome: Outcome) -> record_models.Backbone:
    parameters = sum(weight.numel() for weight in outcome.deployed.parameters())
    return record_models.Backbone(name=experiment.settings.backbone.name, parameters=parameters)


def _dataset_block(
    experiment: Experiment, split: Any, groups: dict[str, Any], test_n: int
) -> record_models.Dataset:
    card = experiment.card
    return record_models.Dataset(
        name=experiment.dataset_name,
        n_train=sum(experiment.task.counts_train),
        counts_real=experiment.task.counts_real,
        counts_train=experiment.task.counts_train,
        classes=card.classes,
        test_n=test_n,
        split=record_models.Split(
            rule=split.rule,
            replicate=split.replicate,
            rule_hash=split.rule_hash,
            rows_hash=split.rows_hash,
            source_hash=split.source_hash,
        ),
        conventions=groups,
        design=card.design,
    )


def _method_block(experiment: Experiment, added: Supplied | None) -> record_models.Method:
    stack = tuple(
        record_models.Part(
            name=part.name,
            version=part.version,
            origin=COMPONENTS.entry(part.name).origin,
            settings=describe_component(part)["settings"],
        )
        for part in experiment.stack.components
    )
    asked = experiment.request.knowledge if experiment.request else ()
    drawn = added.cost.knowledge if added and added.cost else ()
    knowledge = tuple(sorted({*asked, *drawn}))
    return record_models.Method(stack=stack, track=experiment.track, knowledge=knowledge)  # type: ignore[arg-type]


def _recipe_block(experiment: Experiment, outcome: Outcome) -> record_models.Recipe:
    recipe = experiment.settings.recipe
    return record_models.Recipe(
        name=recipe.name,
        config=experiment.science["recipe"],
        steps_total=sum(plan.steps for plan in outcome.plans),
        steps_rule=recipe.steps.unit,
    )


def _stage_blocks(outcome: Outcome) -> tuple[record_models.StageDone, ...]:
    return tuple(
        record_models.StageDone(
            name=plan.stage.name,
            steps=plan.steps,
            epochs=plan.epochs,
            rows=len(plan.rows),
            seconds=seconds,
            shared=plan.stage.name in outcome.progress.shared,
        )
        for plan, seconds in zip(outcome.plans, outcome.progress.stage_seconds, strict=True)
    )


def _training_cost(outcome: Outcome) -> record_models.TrainingCost:
    progress, meter, device = outcome.progress, outcome.meter, outcome.device
    seconds = max(progress.seconds, 1e-9)
    return record_models.TrainingCost(
        seconds=round(seconds, 3),
        images=progress.images,
        images_per_second=round(progress.images / seconds, 1),
        input_share=round(min(meter.input_seconds / seconds, 1.0), 6),
        peak_memory_bytes=_peak_memory(device),
        device=_device_name(device),
        eval_seconds=round(outcome.eval_seconds, 3),
        processes=progress.processes,
        pieces=progress.pieces,
    )


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name() if device.type == "cuda" else hardware.cpu_name()
