"""All that builds a deployed network again, without the data it was trained on; no torch."""

from typing import Literal

from pydantic import ConfigDict, Field

from benchmark import __version__
from benchmark.data.cards import Card, Triple
from benchmark.recording.record_models import (
    Block,
    Name,
    Part,
    Plain,
    PositiveCount,
    Record,
    Sha256,
    Track,
)
from benchmark.statistics.metrics import Count

SCHEMA = "network/1"
KEY = "synaug-bench"


class Blueprint(Block):
    """What stands in the header of a weights file.

    Attributes:
        schema_version: of this block.
        bench: version of the suite that trained the network.
        experiment: hash of the experiment.
        label: the method as printed.
        seed: of the run.
        words: the run's words on the command line, without plumbing.
        dataset: name of the data set, with the rows that were scored if not the test set.
        classes: readable names in label order.
        counts_real: real training images of each class.
        keep: real images of each class after the budget.
        add: images added to each class.
        track: decided by the origin of the added images.
        fixed_rows: see ``benchmark.training.job.plan_stages``.
        image_size: height and width in pixels.
        modifiers: name of the modifier set.
        mean: of each channel on the [0, 1] scale, used to normalise.
        std: of each channel on the [0, 1] scale.
        stack: the components with their settings.
        backbone: the model's name and options.
        recipe: the training settings.
        trained_sha256: hash of the weights as trained, as in the record.
        state_sha256: hash of the tensors of the file.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True
    )

    schema_version: Literal["network/1"] = Field(default="network/1", alias="schema")
    bench: Name = __version__
    experiment: Name
    label: Name
    seed: Count
    words: tuple[str, ...]
    dataset: Name
    classes: tuple[str, ...]
    counts_real: tuple[Count, ...]
    keep: tuple[Count, ...]
    add: tuple[Count, ...]
    track: Track
    fixed_rows: PositiveCount | None
    image_size: PositiveCount
    modifiers: Name
    mean: Triple
    std: Triple
    stack: tuple[Part, ...]
    backbone: Plain
    recipe: Plain
    trained_sha256: Sha256
    state_sha256: Sha256


def blueprint(
    record: Record, card: Card, modifiers: str, fixed_rows: int | None, state_sha256: str
) -> Blueprint:
    """The blueprint of the network that a run evaluated.

    Args:
        record: of the run.
        card: facts of its data set.
        modifiers: name of the data set's modifier set.
        fixed_rows: rows that epochs were counted on, where not the run's own.
        state_sha256: hash of the deployed network's tensors.
    """
    backbone = record.experiment.config["backbone"]
    assert isinstance(backbone, dict)
    return Blueprint(
        experiment=record.experiment.hash,
        label=record.experiment.label,
        seed=record.seed,
        words=record.experiment.overrides,
        dataset=record.dataset.name,
        classes=record.dataset.classes,
        counts_real=record.dataset.counts_real,
        keep=record.budget.keep,
        add=record.budget.add,
        track=record.method.track,
        fixed_rows=fixed_rows,
        image_size=card.image_size,
        modifiers=modifiers,
        mean=card.mean,
        std=card.std,
        stack=record.method.stack,
        backbone=backbone,
        recipe=record.recipe.config,
        trained_sha256=record.final_weights_sha256,
        state_sha256=state_sha256,
    )
