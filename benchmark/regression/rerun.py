"""Missing new runs of tier 2, made here: which seeds, which are out of date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError, UsageError
from benchmark.paths import PACKAGE
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.regression.policy import Policy
from benchmark.regression.samples import Runs, pick
from benchmark.statistics.stats import MIN_SEEDS
from benchmark.system.console import say
from benchmark.system.hardware import code_state


@dataclass(frozen=True)
class Wanted:
    """New runs that are asked for.

    Attributes:
        folder: where they go.
        seeds: runs of each experiment.
        unused: take seeds that the reference has not, in place of its own.
    """

    folder: Path
    seeds: int
    unused: bool = False


def choose_seeds(old: Runs | None, wanted: Wanted) -> list[int]:
    """The seeds of an experiment.

    In a blocked design those of the reference, lowest first, so that each run is compared with the
    one of the same split; else, and with ``unused``, the ones after the reference's.
    """
    if old is None:
        return list(range(wanted.seeds))
    if old.first.dataset.design == "blocked" and not wanted.unused:
        return old.seeds[: wanted.seeds]
    first = 1 + max(old.seeds)
    return list(range(first, first + wanted.seeds))


def experiments(
    policy: Policy, old: Mapping[str, Runs], names: Sequence[str]
) -> list[tuple[str, ...]]:
    """The words of each experiment: those named, else the policy's core set.

    Raises:
        UsageError: no such experiment, or no core set.
    """
    if names:
        return [runs.first.experiment.overrides for runs in pick(old, names).values()]
    if not policy.core:
        raise UsageError("Expected experiments, but got none", todo="name some, or fill 'core'")
    return list(policy.core)


def rerun(lines: Sequence[Sequence[str]], old: Mapping[str, Runs], wanted: Wanted) -> list[str]:
    """Make the runs that are missing or were made by another state of the code.

    Returns:
        The experiments' hashes.

    Raises:
        UsageError: fewer than three seeds.
        BenchError: a run that fails.
    """
    if wanted.seeds < MIN_SEEDS:
        todo = f"give --seeds {MIN_SEEDS} or more"
        raise UsageError(f"Expected at least {MIN_SEEDS} seeds, but got {wanted.seeds}", todo=todo)
    from benchmark import api
    from benchmark.experiments.compose import settings
    from benchmark.experiments.experiment import resolve

    hashes = []
    for number, words in enumerate(lines, 1):
        found = resolve(settings([*words, f"out={wanted.folder}"]))
        seeds = choose_seeds(old.get(found.hash), wanted)
        say("again", f"{number} of {len(lines)}: {found.label}, seeds {', '.join(map(str, seeds))}")
        for seed in seeds:
            stale = _stale(found.folder.parent / f"s{seed}" / "record.json")
            own = [f"seed={seed}", f"out={wanted.folder}", *(["on_existing=rerun"] * stale)]
            api.run(*words, *own)
        hashes.append(found.hash)
    return hashes


def _stale(path: Path) -> bool:
    """Whether a run is there that this state of the code may not have made."""
    if not path.exists():
        return False
    try:
        record = records.load(path)
    except BenchError:
        return True
    return not _made_here(record)


def _made_here(record: Record) -> bool:
    commit, dirty = code_state(PACKAGE)
    made = record.environment
    return made.git_sha == commit and dirty is False and made.dirty is False
