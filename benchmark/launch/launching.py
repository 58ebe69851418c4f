"""Runs handed to one of Hydra's launchers: in this process, on this machine's cores, on a cluster.

A launcher decides where and when; what is run, and that finished runs are left alone, is decided
here. Nothing a launcher gives back is a result: those are the records in the run folders.
"""

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf

from benchmark import errors
from benchmark.experiments import compose
from benchmark.system.console import say
from benchmark.system.hardware import cores
from benchmark.vocabulary.launchers import LAUNCHERS, chosen

if TYPE_CHECKING:
    from benchmark.recording.records import Record


@dataclass(frozen=True)
class JobResult:
    """What a job came to, small enough to travel between machines.

    Attributes:
        code: exit code; 0 for a finished run.
        error: why there is no record, on one line.
        bug: its traceback where the suite itself is at fault.
    """

    code: int = 0
    error: str = ""
    bug: str = ""


def run_composed(values: DictConfig, overrides: Sequence[str] = ()) -> "list[Record]":
    """Run a composed experiment after the ones it is printed beside; see ``run_beside``."""
    plain = OmegaConf.to_container(values, resolve=True)
    assert isinstance(plain, dict)
    return run_beside(compose.from_values(plain, tuple(overrides)))  # type: ignore[arg-type]


def run_beside(main: compose.Settings) -> "list[Record]":
    """Run an experiment after the ones it is printed beside.

    Raises:
        BenchError: what stops it; what can be told before is told before any of them begins.
    """
    from benchmark.experiments.experiment import resolve
    from benchmark.experiments.runner import preflight, run_experiment

    others = [compose.settings(_instead(main.overrides, name)) for name in main.plumbing.beside]
    experiments = [resolve(settings) for settings in (*others, main)]
    for experiment in experiments:
        preflight(experiment)
    return [run_experiment(experiment) for experiment in experiments]


def _instead(overrides: Sequence[str], method: str) -> list[str]:
    """The overrides with another method and its own budget."""
    kept = [
        text
        for text in overrides
        if not text.lstrip("+").startswith(("method", "budget", "beside"))
    ]
    return [*kept, f"method={method}"]


def job(values: DictConfig) -> JobResult:
    """One job of a launcher, in whatever process that runs it; its failure is its result.

    Raises:
        KeyboardInterrupt: it was asked to stop, and so were the jobs that would follow.
    """
    compose.quiet_libraries()
    try:
        run_composed(values, HydraConfig.get().overrides.task)
    except errors.Interrupted as error:
        raise KeyboardInterrupt(str(error)) from error
    except errors.BenchError as error:
        say("failed", str(error))
        return JobResult(error.exit_code, str(error))
    return JobResult()


def launch(points: Sequence[Sequence[str]], words: Sequence[str], out: Path) -> list[JobResult]:
    """Run command lines through the launcher that ``words`` choose; waits until all have ended.

    Args:
        points: the words of each run.
        words: ``hydra/launcher=NAME`` and ``hydra.launcher.KEY=VALUE``, checked; without any,
            one after the other in this process.
        out: the folder of runs, where launchers keep their logs.

    Returns:
        one result a point.

    Raises:
        UsageError: a setting that the launcher has not.
        BenchError: the launcher itself failed, as when one of its processes was killed.
        KeyboardInterrupt: it was stopped.
    """
    jobs = [compose.with_neutral(point) for point in points]
    for point in jobs:
        # entries of plugins are composed from a store that jobs inherit
        compose.check_overrides(point)
    with compose.hydra_session():
        launcher = _launcher([*words, f"out={_quoted(out)}"])
        try:
            found = _in_waves(launcher, jobs, LAUNCHERS[chosen(words)].at_once)
        except Exception as error:  # of whatever kind its library raises
            raise errors.BenchError(
                f"The launcher stopped: {errors.one_line(error)}",
                where=" ".join(words) or None,
                todo="finished runs are kept; run the same command again",
            ) from error
    return [_result(each) for each in found]


def _in_waves(launcher: Any, jobs: Sequence[Sequence[str]], at_once: bool) -> Sequence[JobReturn]:
    """Launch all jobs, or as many as there are cores after each other."""
    size = cores() if at_once else len(jobs)
    found: list[JobReturn] = []
    for start in range(0, len(jobs), size):
        found += launcher.launch(jobs[start : start + size], start)
    return found


def _quoted(out: Path) -> str:
    """A path as a value that Hydra's grammar takes whatever characters it has."""
    text = str(out).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _launcher(words: Sequence[str]) -> Any:
    """The launcher as Hydra makes it from its own configuration group."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    try:
        config = hydra.compose_config("run", list(words), RunMode.MULTIRUN)
    except Exception as error:  # Hydra's and OmegaConf's own kinds
        raise errors.UsageError(
            errors.one_line(error), where=" ".join(words), todo="see docs/sweeps.md"
        ) from None
    HydraConfig.instance().set_config(config)
    context = HydraContext(config_loader=hydra.config_loader, callbacks=Callbacks())
    return Plugins.instance().instantiate_launcher(
        hydra_context=context, task_function=job, config=config
    )


def _result(done: JobReturn) -> JobResult:
    if done.status is JobStatus.COMPLETED and isinstance(done._return_value, JobResult):
        return done._return_value
    error = done._return_value
    if not isinstance(error, BaseException):
        return JobResult(errors.BUG, f"Expected a result, but got {type(error).__name__}")
    return JobResult(errors.BUG, errors.one_line(error), "".join(traceback.format_exception(error)))
