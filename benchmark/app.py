"""The ``run`` verb: a Hydra app over ``benchmark.runner``."""

import sys
from collections.abc import Callable, Iterable, Sequence

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from benchmark import compose, errors
from benchmark.experiment import resolve
from benchmark.paths import config_dir
from benchmark.records import Record
from benchmark.report.console import console_table
from benchmark.runner import preflight, run_experiment

SWEEP = ("-m", "--multirun")
FLAGS = (*SWEEP, "-c", "--cfg", "--resolve", "-p", "--package", "-h", "--help", "--hydra-help",
         "-i", "--info")  # fmt: skip


class _Session:
    """What the jobs of one command have come to."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], Record] = {}
        self.exit_code = 0
        self.stopped = False
        self.bug: Exception | None = None

    def job(self, values: DictConfig, overrides: Sequence[str]) -> None:
        """Run one job of the command; a failure is reported and the others go on."""
        self.take(lambda: run_job(values, tuple(overrides)))

    def take(self, work: Callable[[], list[Record]]) -> None:
        """Do a piece of work and keep its records, or why there are none."""
        if self.stopped:
            return
        try:
            for record in work():
                self.records[record.experiment.hash, record.seed] = record
        except errors.BenchError as error:
            print(f"error: {error}", file=sys.stderr)
            self.exit_code = error.exit_code
            self.stopped = isinstance(error, errors.Interrupted)
        except Exception as error:  # Hydra would turn it into exit code 1
            self.bug, self.stopped = error, True


def run_job(values: DictConfig, overrides: tuple[str, ...] = ()) -> list[Record]:
    """Run the composed experiment after the ones it is printed beside."""
    plain = OmegaConf.to_container(values, resolve=True)
    assert isinstance(plain, dict)
    main = compose.from_values(plain, overrides)  # type: ignore[arg-type]
    others = [compose.settings(_instead(overrides, name)) for name in main.plumbing.beside]
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


def main(args: Sequence[str]) -> int:
    """Run the command line ``args`` (without the verb) and return the exit code."""
    compose.quiet_libraries()
    words = compose.with_neutral(_sweep_first(list(args) or compose.main_job()))
    session = _Session()
    _check(words)
    _sweep(words, session)
    if session.bug:
        raise session.bug
    if session.records:
        Console().print(console_table(list(session.records.values())))
    return session.exit_code


def _sweep(words: Sequence[str], session: _Session) -> None:
    """One experiment, or with ``-m`` every combination, as Hydra expands them."""

    @hydra.main(config_path=str(config_dir()), config_name="run", version_base="1.3")
    def app(values: DictConfig) -> None:
        session.job(values, HydraConfig.get().overrides.task)

    sys.argv = ["python -m benchmark run", *words]
    app()


def _sweep_first(words: list[str]) -> list[str]:
    """The words with ``-m`` in front, the only place where Hydra takes it."""
    return sorted(words, key=lambda word: word not in SWEEP)


def _unlike(points: Iterable[Sequence[str]]) -> list[list[str]]:
    """One point for each experiment of a sweep: what the seed cannot change is checked once."""
    found: dict[tuple[str, ...], list[str]] = {}
    for point in points:
        key = tuple(word for word in point if not word.startswith("seed="))
        found.setdefault(key, list(point))
    return list(found.values())


def _check(words: Sequence[str]) -> None:
    """Refuse the whole command line before its first job starts, each error in one line."""
    flags = [word for word in words if word.startswith("-")]
    for flag in flags:
        if flag.partition("=")[0] not in FLAGS:
            raise errors.unknown("flag", flag, FLAGS, where="python -m benchmark run")
    if set(flags) <= set(SWEEP):
        overrides = [word for word in words if word not in flags]
        compose.check_overrides(overrides)
        # composing twice costs a tenth of a second a job
        for point in _unlike(compose.sweep_points(overrides)) if flags else [overrides]:
            resolve(compose.settings(point))
    else:
        compose.check_overrides([word for word in words if word not in flags and "=" in word])
