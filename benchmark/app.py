"""The ``run`` verb: a Hydra app over ``benchmark.runner``."""

import sys
from collections.abc import Sequence

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


class _Session:
    """What the jobs of one command have come to."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], Record] = {}
        self.exit_code = 0
        self.stopped = False

    def job(self, values: DictConfig, overrides: Sequence[str]) -> None:
        """Run one job of the command; a failure is reported and the others go on."""
        if self.stopped:
            return
        try:
            for record in run_job(values, tuple(overrides)):
                self.records[record.experiment.hash, record.seed] = record
        except errors.BenchError as error:
            print(f"error: {error}", file=sys.stderr)
            self.exit_code = error.exit_code
            self.stopped = isinstance(error, errors.Interrupted)


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
    words = list(args) or compose.main_job()
    overrides = [word for word in words if not word.startswith("-") and "=" in word]
    compose.check_overrides(overrides)
    if not any(word.startswith("-") for word in words):
        # composing twice costs a tenth of a second and turns Hydra's errors into one line
        resolve(compose.settings(overrides))
    session = _Session()

    @hydra.main(config_path=str(config_dir()), config_name="run", version_base="1.3")
    def app(values: DictConfig) -> None:
        session.job(values, HydraConfig.get().overrides.task)

    sys.argv = ["python -m benchmark run", *words]
    app()
    if session.records:
        Console().print(console_table(list(session.records.values())))
    return session.exit_code


