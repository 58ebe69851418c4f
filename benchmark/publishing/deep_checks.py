"""What can be checked of a record with torch: its words, its stages, the weights beside it."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.config import RecipeConfig, parse
from benchmark.errors import BenchError, DataError
from benchmark.experiments.compose import quiet_libraries, settings
from benchmark.experiments.experiment import Experiment, resolve
from benchmark.publishing.findings import Finding, judged
from benchmark.publishing.network import read_network, stack_of, stand_in
from benchmark.recording import records
from benchmark.recording.blueprint import Blueprint, blueprint
from benchmark.recording.record_models import Record
from benchmark.recording.weights_file import WEIGHTS
from benchmark.stack import Stack
from benchmark.training.job import plan_stages

UNKNOWN_HASH = "0" * 64


def check_deep(path: Path) -> list[Finding]:
    """Compose the run's words again, plan its stages, and read the weights beside it.

    Raises:
        DataError: there is no such file.
        IntegrityError: it is no valid record.
    """
    quiet_libraries()
    record = records.load(path)
    return [*_words(record), *_weights(path, record)]


def _words(record: Record) -> list[Finding]:
    try:
        found = resolve(settings([*record.experiment.overrides, f"seed={record.seed}"]))
    except DataError as error:
        return [Finding("words", "warn", f"not composed: {error.problem}")]
    except BenchError as error:
        return [Finding("words", "fail", error.problem)]
    words = judged("words", _same(record, found), f"they give {found.hash}")
    if words.verdict != "pass":
        return [words]
    try:
        stages = judged("stages", _stages(record, found), "as long as the recipe says")
    except BenchError as error:
        stages = Finding("stages", "fail", error.problem)
    return [words, stages]


def _same(record: Record, found: Experiment) -> Iterator[str]:
    """How the experiment of the words differs from the record's."""
    stated = {
        "hash": (record.experiment.hash, found.hash),
        "data set": (record.dataset.name, found.dataset_name),
        "track": (record.method.track, found.track),
        "real images kept": (record.budget.keep, found.allocation.keep),
        "images added": (record.budget.add, found.allocation.add),
    }
    for name, (old, new) in stated.items():
        if old != new:
            yield f"{name}: {old} in the record, {new} by its words"


def _stages(record: Record, found: Experiment) -> Iterator[str]:
    """Stages planned again, on rows that stand in for the run's."""
    modifiers = found.settings.modifiers
    plan = blueprint(record, found.card, modifiers, found.fixed_rows, UNKNOWN_HASH)
    stack, recipe = _stack(plan, found), parse(RecipeConfig, record.recipe.config, "recipe")
    rows = stand_in(plan, recipe, stack.views(recipe))
    planned = [
        (each.stage.name, each.steps, each.epochs, len(each.rows))
        for each in plan_stages(stack, rows, recipe, record.seed, found.fixed_rows)
    ]
    stated = [(each.name, each.steps, each.epochs, each.rows) for each in record.stages]
    if planned != stated:
        yield f"(name, steps, epochs, rows) are {stated}, but the recipe gives {planned}"


def _stack(plan: Blueprint, found: Experiment) -> Stack:
    """The stack that was trained: with the settings that a search chose, where there was one."""
    return stack_of(plan) if found.settings.search_trials else found.stack


def _weights(path: Path, record: Record) -> list[Finding]:
    file = path.parent / WEIGHTS
    if not file.is_file():
        return []
    try:
        plan = read_network(file)[1]
    except BenchError as error:
        return [Finding("weights", "fail", error.problem)]
    own = (plan.experiment, plan.seed, plan.trained_sha256)
    stated = (record.experiment.hash, record.seed, record.final_weights_sha256)
    problems = [] if own == stated else ["they are those of another run"]
    return [judged("weights", problems, f"{WEIGHTS} is built again, its hash is right")]
