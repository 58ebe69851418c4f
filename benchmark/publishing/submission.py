"""A submission, "submission/1": a method that was not trained here, with its predictions; no torch.

Its scores follow from the predictions beside it. All else is as the authors state it, and what they
do not state is None.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from benchmark import __version__
from benchmark.errors import BenchError
from benchmark.publishing.block_files import MAX_BYTES, load_model
from benchmark.publishing.evaluation import Evaluation
from benchmark.publishing.target import Target
from benchmark.recording.record_models import Block, Name, PositiveCount, Sha256, Track
from benchmark.statistics.metrics import Count

SCHEMA, FILE = "submission/1", "submission.json"
SUBMISSIONS = Path("leaderboards") / "submissions"

Line = Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(min_length=20, max_length=3000, strip_whitespace=True)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s<>\"'`\\]+$", max_length=300)]


class Details(Block):
    """What the authors say of their method; None is "not stated".

    Attributes:
        method: its name.
        description: what it does, in a few sentences.
        track: where images beyond the real training images come from.
        authors: who made it.
        paper: title and venue.
        url: of the paper or a page.
        code: where its code is.
        training_data: which images it was trained on.
        knowledge: outside knowledge: data and models beyond the training images; empty is none.
        backbone: the network.
        parameters: of the network that was evaluated.
        recipe: optimiser, schedule and augmentation, by name or in a few words.
        epochs: passes over the training images.
        images_added: beyond the real training images.
        cost: what training and image generation took.
    """

    method: Line
    description: Text
    track: Track
    authors: Line
    paper: Line | None
    url: Url | None
    code: Url | None
    training_data: Line
    knowledge: tuple[Line, ...]
    backbone: Line
    parameters: PositiveCount | None
    recipe: Line
    epochs: Annotated[float, Field(gt=0)] | None
    images_added: Count | None
    cost: Line | None


class Submitted(Block):
    """One seed: its evaluation, and the hash of the predicted classes alone."""

    evaluation: Evaluation
    predicted_sha256: Sha256


class Submission(Block):
    """A method with one evaluation for each seed, in order of seeds.

    Raises:
        ValidationError: a key, type or range is wrong, or the evaluations do not go together.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True
    )

    schema_version: Literal["submission/1"] = Field(default="submission/1", alias="schema")
    bench: Name = __version__
    details: Details
    runs: Annotated[tuple[Submitted, ...], Field(min_length=1, max_length=1000)]

    @model_validator(mode="after")
    def _together(self) -> "Submission":
        problem = apart([run.evaluation.target for run in self.runs])
        if problem:
            raise ValueError(problem)
        return self

    @property
    def target(self) -> Target:
        """The rows of the first seed."""
        return self.runs[0].evaluation.target

    @property
    def group(self) -> tuple[str, int, str]:
        """What submissions of one table share: data set, protocol and split rule."""
        return self.target.name, self.target.protocol, self.target.split.rule_hash


def apart(targets: Sequence[Target]) -> str | None:
    """Why evaluations cannot be seeds of one method; None where they can."""
    first, seeds = targets[0], [target.seed for target in targets]
    if len(set(seeds)) != len(seeds) or seeds != sorted(seeds):
        return f"Expected different seeds in order, but got {', '.join(map(str, seeds))}"
    for target in targets:
        if target.rows != "test":
            return f"Expected test rows, but got {target.rows} ones"
        if _shared(target) != _shared(first):
            return f"Expected one data set, but got {first.name} and another {target.name}"
    return None


def _shared(target: Target) -> tuple[object, ...]:
    rule = target.split.rule_hash
    return (target.name, target.config, target.protocol, target.classes, target.design, rule)


def load(path: Path) -> Submission:
    """Read and validate a submission.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is damaged or does not follow the schema; names the first problem.
    """
    return load_model(Submission, path, SCHEMA)


def read_all(root: Path = SUBMISSIONS) -> list[Submission]:
    """Every submission below a folder, in path order; none if there is no folder.

    Raises:
        IntegrityError: one of them is broken.
    """
    return [load(path) for path in sorted(root.rglob(FILE))]


def others(root: Path, but: Path) -> list[tuple[Path, Submission]]:
    """The submissions below a folder that can be read, without the one of a path."""
    found = []
    for path in sorted(root.rglob(FILE)):
        if path.resolve() == but.resolve():
            continue
        try:
            found.append((path, load(path)))
        except BenchError:
            # a broken one is named by a check of its own
            continue
    return found


def is_submission(path: Path) -> bool:
    """Whether a JSON file calls itself a submission."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return False
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(value, dict) and str(value.get("schema")).startswith("submission/")
