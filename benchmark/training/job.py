"""What the loop is given, and how far it has come: jobs, stages with their rows, progress."""

import math
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmark.component import Net, Stage, Task
from benchmark.config import BackboneConfig, RecipeConfig
from benchmark.data.batches import TrainSet
from benchmark.stack import Stack
from benchmark.training.logs import Logger
from benchmark.training.team import ALONE, Team


class SharedStages(Protocol):
    """Where trained stages are kept for other runs that begin alike."""

    def keys(self, job: "Job", plans: "list[StagePlan]") -> list[str]:
        """A key for each stage that stands for all that decides its weights."""
        ...

    def load(self, key: str, net: Net, job: "Job") -> dict[str, Any] | None:
        """Put a stored stage's weights into ``net``; what it took, or None where there is none."""
        ...

    def save(self, key: str, net: Net, took: dict[str, Any]) -> None:
        """Keep a trained stage with what it took."""
        ...


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
        fixed_rows: see ``plan_stages``.
        shared: trained stages of other runs; None trains every stage.
        team: the processes that share every batch.
        pieces: in how many pieces each takes its part of a batch to begin with.
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
    fixed_rows: int | None = None
    shared: SharedStages | None = None
    team: Team = ALONE
    pieces: int = 1

    @property
    def half(self) -> bool:
        """Whether forward passes are in bfloat16."""
        return self.recipe.precision == "bf16"

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
    batch_size: int

    @property
    def epochs(self) -> int:
        """Passes over the stage's rows, the last one possibly cut short."""
        return math.ceil(self.steps / self.per_epoch)

    @property
    def images(self) -> int:
        """Rows that the stage's steps take in all."""
        whole, rest = divmod(self.steps, self.per_epoch)
        return whole * len(self.rows) + min(rest * self.batch_size, len(self.rows))


@dataclass
class Progress:
    """How far a run has come; saved with the weights.

    ``shared`` names the stages that were taken over from another run; their time counts as theirs.
    ``processes`` is how many shared a batch, and ``pieces`` in how many pieces each took its part
    of it; of a run that was resumed, the most. ``rests_on`` is the key of the last stage as the run
    began, which stands for the source, settings and rows of all.
    """

    stage: int = 0
    step: int = 0
    seconds: float = 0.0
    images: int = 0
    resumed: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    stage_seconds: list[float] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    processes: int = 1
    pieces: int = 1
    rests_on: str = ""


def base_steps(recipe: RecipeConfig, rows: int) -> int:
    """Optimiser steps of a stage of share 1 on ``rows`` training rows."""
    per_epoch = math.ceil(rows / recipe.batch_size)
    amount = recipe.steps.amount
    return amount * per_epoch if recipe.steps.unit == "epochs" else amount


def plan_stages(
    stack: Stack, rows: TrainSet, recipe: RecipeConfig, seed: int, fixed_rows: int | None = None
) -> list[StagePlan]:
    """The stages of a run with their rows and steps; a share of the base stage's steps each.

    Args:
        stack: the method.
        rows: all training rows.
        recipe: what all methods share.
        seed: of the run.
        fixed_rows: rows of the plain long-tailed set, to make every method take the same steps:
            epochs are counted on them, and the shares are scaled to add up to 1. None counts
            epochs on ``rows``, and a further stage adds its share.
    """
    stages = stack.stages([Stage("base")])
    total = base_steps(recipe, fixed_rows or len(rows))
    shares = [stage.share for stage in stages]
    lengths = _split(shares, total) if fixed_rows else [round(share * total) for share in shares]
    plans = []
    for stage, steps in zip(stages, lengths, strict=True):
        chosen = rows.select(stage.rows, seed, stage.name)
        per_epoch = math.ceil(len(chosen) / recipe.batch_size)
        plans.append(StagePlan(stage, chosen, max(1, steps), per_epoch, recipe.batch_size))
    return plans


def _split(shares: list[float], total: int) -> list[int]:
    """``total`` steps in proportion to ``shares``, none lost to rounding."""
    ends = [round(total * end / sum(shares)) for end in accumulate(shares)]
    return [end - start for start, end in pairwise([0, *ends])]
