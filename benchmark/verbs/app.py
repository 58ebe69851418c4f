"""The ``run`` verb: one experiment as a Hydra app, or with ``-m`` every combination of choices."""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from benchmark import errors
from benchmark.experiments import compose
from benchmark.experiments.experiment import resolve
from benchmark.experiments.runner import RECORD
from benchmark.grid.grid_run import checked_launcher
from benchmark.grid.grid_status import to_run
from benchmark.grid.grids import run_defaults
from benchmark.launch.launching import run_beside, run_composed
from benchmark.launch.sweeps import run_plan
from benchmark.paths import config_dir
from benchmark.recording import records
from benchmark.report.console import show_runs
from benchmark.verbs import finished
from benchmark.verbs.dry_run import SWEEP, swept
from benchmark.vocabulary.words import DRY_RUN, take_flag, unknown_flag

VERB = "python -m benchmark run"
CONFIG, HELP, PACKAGE = ("-c", "--cfg"), ("-h", "--help"), ("-p", "--package")
BARE = (*SWEEP, *HELP, "--resolve")
# what is taken; a part of the configuration, which few ask for, is not offered
FLAGS = (*BARE, *CONFIG, *PACKAGE)
OFFERED = (*BARE, *CONFIG, DRY_RUN)
SHOWN = ("job", "hydra", "all")
SWEEPS = """\
== Sweeps and grids ==
-m method=ce,ldam 'seed=range(3)'    every combination of the values between commas
grid=NAME        a table of the paper; python -m benchmark ls grids
seeds=N          of a grid: N seeds of each experiment in place of its own number
rows=A,B         of a grid: these rows only; columns=A,B likewise
workers=N        of a grid: N processes share the work
shard=i/n        of a grid: every n-th run from the i-th on, as for n machines
--dry-run        print what would be run, what of it is done and what the rest takes
--write FILE     with --dry-run: also write the runs to a file, which `work FILE` runs
--on MACHINE     with --dry-run: the hours on a machine that nothing ran on, such as gpu24
"""


def main(args: Sequence[str]) -> int:
    """Run the command line ``args`` (without the verb) and return the exit code.

    Raises:
        BenchError: what cannot be run, before anything is; or why a single run failed.
    """
    compose.quiet_libraries()
    words = compose.with_neutral(list(args) or compose.main_job())
    flags = [word for word in words if word.startswith("-")]
    for flag in flags:
        name, given, _ = flag.partition("=")
        if name not in FLAGS or (given and name in BARE):
            keys = {*compose.GROUPS, *run_defaults()}
            raise unknown_flag(words, flag, OFFERED, keys, VERB)
    if set(flags) & set(SWEEP):
        for flag in set(flags) - set(SWEEP):
            raise errors.UsageError("Expected no flag but -m in a sweep", where=flag)
        return _sweep(words)
    _refuse_launcher(words)
    if flags:
        _check_shown(words)
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

    sys.argv = [VERB, *words]
    try:
        app()
    except SystemExit:
        # so Hydra leaves once it has printed its own part of the help
        if set(HELP) & set(words):
            print(SWEEPS, end="")
        raise
    if failed:
        raise failed[0]
    show_runs(done)
    return 0


def _check_shown(words: Sequence[str]) -> None:
    """Refuse a flag without its value, which Hydra would take from the next word."""
    for flag in CONFIG:
        _, shown = take_flag(words, flag, "a part of the configuration", "job")
        if shown and shown not in SHOWN:
            raise errors.unknown("part of the configuration", shown, SHOWN, where=flag)
    for flag in PACKAGE:
        _, package = take_flag(words, flag, "a group", "recipe")
        if "=" in package:
            todo = f"--cfg job {flag} recipe"
            raise errors.UsageError(f"Expected a group, but got {package}", where=flag, todo=todo)


def _refuse_launcher(words: Sequence[str]) -> None:
    launcher = checked_launcher(words)
    if launcher:
        raise errors.UsageError(
            "Expected a launcher beside -m or grid=NAME only",
            where=" ".join(launcher),
            todo="put -m before the words of a sweep",
        )
