"""``run`` of a run that is finished: found by its words, without torch.

What words stand for is remembered in the cache (``expansion``); until it is, and wherever a word
says more than which run is meant, the run is looked for the long way, by composing it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.training.ranks import rank_here

if TYPE_CHECKING:
    from benchmark.recording.record_models import Record

RECORD = "record.json"
# plumbing that a finished run has no use for, whatever its value
_IDLE = ("out", "progress")


def finished(words: Sequence[str]) -> "Record | None":
    """The record of the run that words stand for, if it is finished and that is easily told.

    Raises:
        IntegrityError: the run's files are not what was written.
    """
    if not words or any(word.startswith("-") for word in words) or rank_here().size > 1:
        return None
    found = _folder(words)
    if found is None or not (found / RECORD).is_file():
        return None
    from benchmark.recording import records
    from benchmark.recording.sums import require
    from benchmark.system.console import say

    path = found / RECORD
    record = records.load(path)
    require(path)
    own = record.experiment
    say("done", f"{own.label}, seed {record.seed}: already finished in {found}")
    return record


def remember(words: Sequence[str]) -> None:
    """Keep what the words of a run stand for, so that it is found the short way."""
    from benchmark.experiments.expansion import Expansions

    with Expansions() as known:
        known.facts(_asked(words))


def _asked(words: Sequence[str]) -> tuple[str, ...]:
    from benchmark.grid.grid_run import science

    return science([word for word in words if not word.startswith("seed=")])


def _folder(words: Sequence[str]) -> Path | None:
    """Where the run is; None if the words alone do not tell."""
    from benchmark.experiments.expansion import Expansions
    from benchmark.grid.grid_run import value_of
    from benchmark.grid.grids import run_defaults
    from benchmark.vocabulary.words import plumbing_names

    plumbing = {word.partition("=")[0] for word in words} & plumbing_names()
    seed = value_of(words, "seed") or run_defaults()["seed"]
    if plumbing - set(_IDLE) or not seed.isdecimal():
        return None
    out, asked = Path(value_of(words, "out") or run_defaults()["out"]), _asked(words)
    # to know what words stand for, all sources are read: not where nothing of the seed is finished
    if not any(out.glob(f"*/*/*/s{seed}/{RECORD}")):
        return None
    known = Expansions()
    return out / known.facts(asked).folder / f"s{seed}" if known.knows(asked) else None
