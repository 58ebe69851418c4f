"""The trials of a search: ordinary runs, scored on rows held back from training and test."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from benchmark.errors import Diverged, IntegrityError
from benchmark.experiments import search
from benchmark.experiments.compose import Settings, from_values
from benchmark.experiments.experiment import Chosen, Experiment, resolve
from benchmark.identity import plain
from benchmark.recording import record_models
from benchmark.system.console import say
from benchmark.system.files import read_sealed, write_sealed

STATE = "search.json"
Run = Callable[[Experiment], record_models.Record]


def trials(experiment: Experiment) -> list[Experiment]:
    """The runs that a search consists of; none without a search.

    Raises:
        UsageError: some of the settings to try cannot be.
    """
    chosen = experiment.settings
    if not chosen.search_trials:
        return []
    allowed = experiment.search_space
    first = search.configured(chosen.stack.components, allowed)
    found = search.candidates(first, allowed, chosen.search_trials, chosen.seed)
    changes = [{path: each[path] for path in each if each[path] != first[path]} for each in found]
    return [resolve(_settings(chosen, each)) for each in changes]


def _settings(chosen: Settings, changes: search.Values) -> Settings:
    """The settings of a trial: its words composed, without asking Hydra again."""
    method = {name: dict(given or {}) for name, given in chosen.values["method"].items()}
    for path, value in changes.items():
        name, _, key = path.partition(".")
        method[name][key] = plain(value)
    own = {"method": method, "score_on": chosen.search_on, "search_trials": 0}
    words = search.words(chosen.overrides, changes, chosen.search_on)
    return from_values(chosen.values | own, words)


def searched(experiment: Experiment, run: Run) -> Experiment:
    """The experiment with the settings that did best; unchanged without a search.

    The choice is kept in the run's folder until the run has its record, so that a run killed after
    its search goes on with the same settings.

    Args:
        experiment: what is to be run.
        run: runs one trial, or returns the record of a finished one.

    Raises:
        BenchError: what stopped a trial; those already finished are not run again.
    """
    found = trials(experiment)
    if not found:
        return experiment
    path = experiment.folder / STATE
    block = _stored(path, found) if path.exists() else _search(experiment, found, run)
    write_sealed(path, block.model_dump(mode="json"))
    best = found[block.chosen]
    accuracy = block.tried[block.chosen].accuracy or 0.0
    say("search", f"best of {len(found)}: {best.label}, {100 * accuracy:.1f} % on {block.on}")
    return replace(experiment, chosen=Chosen(best.settings.stack, block))


def _stored(path: Path, found: Sequence[Experiment]) -> record_models.Search:
    """The search that an earlier process finished."""
    try:
        block = record_models.Search.model_validate(read_sealed(path))
    except ValidationError:
        block = None
    if block is None or [each.hash for each in block.tried] != [each.hash for each in found]:
        raise IntegrityError(
            "Expected the outcome of this search, but got something else",
            where=path,
            todo="delete the run's folder; trials that finished are not run again",
        )
    return block


def _search(experiment: Experiment, found: Sequence[Experiment], run: Run) -> record_models.Search:
    tried = []
    for number, trial in enumerate(found, 1):
        say("search", f"{experiment.label}, seed {experiment.seed}: trial {number} of {len(found)}")
        tried.append(_try(experiment, trial, run))
    chosen = record_models.best_trial(tried)
    if chosen is None:
        raise Diverged(
            f"The loss became no number in each of {len(found)} trials",
            where=experiment.folder,
            todo="lower recipe.optimizer.lr",
        )
    return record_models.Search(
        on=experiment.settings.search_on,  # type: ignore[arg-type]
        allowed=experiment.settings.search_trials,
        tried=tuple(tried),
        chosen=chosen,
        seconds=round(sum(each.seconds for each in tried), 3),
    )


def _try(experiment: Experiment, trial: Experiment, run: Run) -> record_models.Trial:
    begun = time.perf_counter()
    try:
        record = run(trial)
    except Diverged as error:
        say("note", f"{error.problem}: this trial is not chosen")
        accuracy, seconds = None, round(time.perf_counter() - begun, 3)
    else:
        training = record.cost.training
        accuracy, seconds = record.metrics.macro, round(training.seconds + training.eval_seconds, 3)
    values = search.configured(trial.settings.stack.components, experiment.search_space)
    return record_models.Trial(
        settings=plain(values), accuracy=accuracy, seconds=seconds, hash=trial.hash
    )
