"""The schema of a record, "record/2": frozen, complete, and consistent across its fields.

Accuracies are floats in [0, 1]. NaN, infinity and unknown keys are refused everywhere.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from annotated_types import Gt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from benchmark.generation.budget import CutRule
from benchmark.generation.cost import GenerationCost
from benchmark.generation.protocols import NEUTRAL, Protocol
from benchmark.statistics import metrics
from benchmark.statistics.metrics import Count, Group, Metrics, Share

SCHEMA = "record/2"
TOLERANCE = 1e-9
Track = Literal["real", "synthetic", "web", "oracle"]
TRACKS: tuple[Track, ...] = ("real", "synthetic", "web", "oracle")
Design = Literal["independent", "blocked"]


def sorted_keys(value: Any) -> Any:
    """The same plain value with the keys of every mapping in order."""
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


Name = Annotated[str, StringConstraints(min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
UtcTime = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$")
]
Seconds = Annotated[float, Field(ge=0)]
PositiveCount = Annotated[int, Gt(0)]
Plain = Annotated[dict[str, JsonValue], AfterValidator(sorted_keys)]


class Block(BaseModel):
    """Base of every part of a record."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Experiment(Block):
    """The hashed science settings and how they were asked for; ``label`` is for tables."""

    hash: Name
    label: Name
    config: Plain
    overrides: tuple[str, ...]


class Split(Block):
    """How the LT subset was drawn: rows of one ``rule_hash`` share a table."""

    rule: Name
    replicate: Count
    rule_hash: Name
    rows_hash: Name
    source_hash: Name


class Dataset(Block):
    """The data as trained on. ``conventions`` name the shot group of each class."""

    name: Name
    n_train: PositiveCount
    counts_real: tuple[Count, ...]
    counts_train: tuple[Count, ...]
    classes: tuple[str, ...]
    test_n: PositiveCount
    split: Split
    conventions: Annotated[dict[str, tuple[Group, ...]], Field(min_length=1)]
    design: Design


class Part(Block):
    """One component of the stack; ``origin`` is its distribution and version."""

    name: Name
    version: int
    origin: str
    settings: Plain


class Method(Block):
    """The resolved stack, its track, and the outside knowledge it brings."""

    stack: tuple[Part, ...]
    track: Track
    knowledge: tuple[str, ...]


class BudgetSpent(Block):
    """Images kept and added in each class.

    ``protocol`` says what is equal across methods, and ``limit`` what a derived budget may spend:
    network calls under "iso_nfe", device-seconds under "iso_seconds". ``cut_rule`` says which real
    images stay where not all do.
    """

    label: Name
    keep: tuple[Count, ...]
    add: tuple[Count, ...]
    protocol: Protocol = NEUTRAL
    limit: Seconds | None = None
    cut_rule: CutRule = "subset_order"


class Pool(Block):
    """Where added images come from; a pool that does not follow the seed is a fixed condition."""

    key: Name
    pool_seed: int
    ids_hash: Name
    images: Count
    generator: Plain
    replicated_with_seed: bool


class Backbone(Block):
    """The network by name, and the parameters of what is evaluated, trained or not."""

    name: Name
    parameters: PositiveCount


class Recipe(Block):
    """What all methods share; the step rule says what is equal across methods."""

    name: Name
    config: Plain
    steps_total: Count
    steps_rule: Literal["epochs", "iterations"]


class StageDone(Block):
    """One phase of training as it was run; ``shared``: by another run that began alike."""

    name: Name
    steps: Count
    epochs: Count
    rows: Count
    seconds: Seconds
    shared: bool = False


class Trial(Block):
    """Settings that a search tried, by "component.setting", and its run.

    ``accuracy`` is the macro accuracy on the search's rows, None where the loss diverged;
    ``seconds`` are those of training and scoring, as if nothing had been shared.
    """

    settings: Plain
    accuracy: Share | None
    seconds: Seconds
    hash: Name


class Search(Block):
    """How settings were chosen before the scored run, and what that took.

    The first of ``tried`` is as configured; ``chosen`` is the place of the best, the first of equal
    ones. Fewer tried than ``allowed``: there are no more combinations.
    """

    on: Literal["val", "heldout"]
    allowed: PositiveCount
    tried: Annotated[tuple[Trial, ...], Field(min_length=1)]
    chosen: Count
    seconds: Seconds


class PredictionFile(Block):
    """The file beside the record that all metrics can be recomputed from."""

    file: FileName
    sha256: Sha256


class TrainingCost(Block):
    """What training took; ``input_share`` is the share of time spent waiting for batches.

    A batch was shared by ``processes`` of them, each of which took its share in ``pieces``.
    """

    seconds: Seconds
    images: Count
    images_per_second: Seconds
    input_share: Share
    peak_memory_bytes: Count
    device: Name
    eval_seconds: Seconds
    processes: PositiveCount = 1
    pieces: PositiveCount = 1


class Cost(Block):
    """Both cost blocks; ``generation`` is None if no image was generated."""

    generation: GenerationCost | None
    training: TrainingCost


class Environment(Block):
    """Versions and hardware: recorded, never hashed. None where absent or not known.

    ``instructions`` are those that torch uses of the CPU, such as "AVX512": with others, sums are
    rounded otherwise and a single seed moves.
    """

    python: Name
    bench: Name
    numpy: str | None
    torch: str | None
    torchvision: str | None
    timm: str | None
    diffusers: str | None
    os: Name
    cpu: Name
    cores: PositiveCount
    threads: PositiveCount
    instructions: str | None = None
    memory_bytes: Count | None = None
    gpu: str | None = None
    driver: str | None = None
    git_sha: str | None = None
    dirty: bool | None = None


class Record(Block):
    """One finished run of one experiment with one seed.

    Raises:
        ValidationError: a key, type, range or cross-field sum is wrong.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True
    )

    schema_version: Literal["record/2"] = Field(default="record/2", alias="schema")
    protocol: PositiveCount
    status: Literal["finished"] = "finished"
    created: UtcTime
    command: Name
    experiment: Experiment
    seed: Count
    dataset: Dataset
    method: Method
    budget: BudgetSpent
    pool: Pool | None
    backbone: Backbone
    recipe: Recipe
    stages: tuple[StageDone, ...]
    selection: Literal["last", "val"]
    search: Search | None = None
    metrics: Metrics
    predictions: PredictionFile
    cost: Cost
    environment: Environment
    resumed: Count
    final_weights_sha256: Sha256

    @model_validator(mode="after")
    def _consistent(self) -> "Record":
        _check_lengths(self)
        _check_sums(self)
        _check_accuracies(self)
        if self.search:
            _check_search(self.search)
        return self


def _expect(condition: bool, where: str, expected: object, got: object) -> None:
    if not condition:
        raise ValueError(f"Expected {where} {expected}, but got {got}")


def _check_lengths(record: Record) -> None:
    data, counts = record.dataset, record.metrics.per_class
    lists: dict[str, tuple[Any, ...]] = {
        "dataset.counts_real": data.counts_real,
        "dataset.counts_train": data.counts_train,
        "budget.keep": record.budget.keep,
        "budget.add": record.budget.add,
        "metrics.per_class.n": counts.n,
        "metrics.per_class.correct": counts.correct,
        **{f"dataset.conventions.{name}": found for name, found in data.conventions.items()},
    }
    classes = len(data.classes)
    for where, values in lists.items():
        _expect(len(values) == classes, where, f"of {classes} classes", len(values))
    got = list(record.metrics.groups)
    _expect(got == list(data.conventions), "metrics.groups", list(data.conventions), got)


def _check_sums(record: Record) -> None:
    data, counts, budget = record.dataset, record.metrics.per_class, record.budget
    total = sum(data.counts_train)
    _expect(data.n_train == total, "dataset.n_train", total, data.n_train)
    rows = sum(counts.n)
    _expect(data.test_n == rows, "dataset.test_n", rows, data.test_n)
    for label, (n, correct) in enumerate(zip(counts.n, counts.correct, strict=True)):
        where = f"metrics.per_class.correct[{label}]"
        _expect(correct <= n, where, f"of at most {n}", correct)
    if record.selection == "last":
        spent = tuple(k + a for k, a in zip(budget.keep, budget.add, strict=True))
        _expect(spent == data.counts_train, "dataset.counts_train", "keep + add", data.counts_train)


def best_trial(tried: Sequence[Trial]) -> int | None:
    """The place of the trial with the highest accuracy, the first of equal ones; None without any.

    Accuracies are rounded, so that equal ones do not hang on the last bits of a mean.
    """
    scores = {at: each.accuracy for at, each in enumerate(tried) if each.accuracy is not None}
    return max(scores, key=lambda at: round(scores[at], 9), default=None)


def _check_search(found: Search) -> None:
    tried = len(found.tried)
    _expect(tried <= found.allowed, "search.tried", f"of at most {found.allowed}", tried)
    best = best_trial(found.tried)
    _expect(found.chosen == best, "search.chosen", best, found.chosen)
    total = math.fsum(each.seconds for each in found.tried)
    _expect(abs(found.seconds - total) < 0.01, "search.seconds", total, found.seconds)


def close(first: float | None, second: float | None) -> bool:
    """Whether two metrics agree to 1e-9; None equals None only."""
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _check_accuracies(record: Record) -> None:
    found, counts = record.metrics, record.metrics.per_class
    for name in ("accuracy", "macro", "worst", "harmonic"):
        expected, got = getattr(metrics, name)(counts), getattr(found, name)
        _expect(close(expected, got), f"metrics.{name}", expected, got)
    for name, groups in record.dataset.conventions.items():
        expected = metrics.group_accuracy(counts, groups)
        for group in metrics.GROUPS:
            want, got = getattr(expected, group), getattr(found.groups[name], group)
            _expect(close(want, got), f"metrics.groups.{name}.{group}", want, got)
