"""The ``run`` verb: one experiment as a Hydra app, or with ``-m`` every combination of choices."""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from benchmark import compose, errors, finished, records
from benchmark.dry_run import SWEEP, swept
from benchmark.experiment import resolve
from benchmark.grid_run import checked_launcher
from benchmark.grid_status import to_run
from benchmark.launching import run_beside, run_composed
from benchmark.paths import config_dir
from benchmark.report.console import show_runs
from benchmark.runner import RECORD
from benchmark.sweeps import run_plan

FLAGS = (*SWEEP, "-c", "--cfg", "--resolve", "-p", "--package", "-h", "--help", "--hydra-help",
         "-i", "--info")  # fmt: skip


def main(args: Sequence[str]) -> int:
    """Run the command line ``args`` (without the verb) and return the exit code.

    Raises:
        BenchError: what cannot be run, before anything is; or why a single run failed.
    """
    compose.quiet_libraries()
    words = compose.with_neutral(list(args) or compose.main_job())
    flags = [word for word in words if word.startswith("-")]
    for flag in flags:
        if flag.partition("=")[0] not in FLAGS:
            raise errors.unknown("flag", flag, FLAGS, where="python -m benchmark run")
    if set(flags) & set(SWEEP):
        for flag in set(flags) - set(SWEEP):
            raise errors.UsageError("Expected no flag but -m in a sweep", where=flag)
        return _sweep(words)
    _refuse_launcher(words)
    if flags:
        compose.check_overrides([word for word in words if word not in flags and "=" in word])
        return _by_hydra(words)
    return _single(words)


def _sweep(words: Sequence[str]) -> int:
    found = swept(words)
    code = run_plan(found, to_run(found))
    paths = [point.folder(found.out) / RECORD for point in found.points]
    show_runs([records.load(path) for path in paths if path.exists()])
    return code


def _single(words: Sequence[str]) -> int:
    """One experiment, composed once."""
    asked = compose.settings(words)
    again = (resolve(asked).folder / RECORD).exists()
    show_runs(run_beside(asked))
    if again:
        finished.remember(words)
    return 0


def _by_hydra(words: Sequence[str]) -> int:
    """What Hydra does with its flags, such as showing the configuration."""
    done: list[records.Record] = []
    failed: list[Exception] = []

    @hydra.main(config_path=str(config_dir()), config_name="run", version_base="1.3")
    def app(values: DictConfig) -> None:
        try:
            done.extend(run_composed(values, HydraConfig.get().overrides.task))
        except Exception as error:  # Hydra would turn it into exit code 1
            failed.append(error)

    sys.argv = ["python -m benchmark run", *words]
    app()
    if failed:
        raise failed[0]
    show_runs(done)
    return 0


def _refuse_launcher(words: Sequence[str]) -> None:
    launcher = checked_launcher(words)
    if launcher:
        raise errors.UsageError(
            "Expected a launcher beside -m or grid=NAME only",
            where=" ".join(launcher),
            todo="put -m before the words of a sweep",
        )
