"""What re-trained numbers are judged by: margins, seeds, the core set. Read from a YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Gt, Le

from benchmark.config import OpenShare, PositiveFloat, PositiveInt, parse
from benchmark.errors import DataError, UsageError
from benchmark.system.yaml_text import read_yaml

POLICY = Path("leaderboards") / "regression.yaml"
Metric = Literal["accuracy", "few", "ece"]
METRICS: tuple[Metric, ...] = ("accuracy", "few", "ece")
# a lower calibration error is better
SIGNS: Mapping[Metric, int] = {"accuracy": 1, "few": 1, "ece": -1}


@dataclass(frozen=True, kw_only=True)
class Margins:
    """How much worse each metric may get without being called worse, in points.

    Attributes:
        accuracy: of all test rows.
        few: of the few-shot classes, under the data set's first convention.
        ece: of the expected calibration error, upwards.
        why: the reason for these numbers.
    """

    accuracy: PositiveFloat
    few: PositiveFloat
    ece: PositiveFloat
    why: str


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviation over seeds of a re-run minus the first run at the same seed, in points.

    Known only where runs were repeated under other rounding; ``why`` names the command.
    """

    accuracy: PositiveFloat
    few: PositiveFloat
    ece: PositiveFloat
    why: str


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What decides whether new runs are as good as the reference.

    Attributes:
        margins: for every data set.
        dataset_margins: instead of those, for the data sets named.
        alpha: chance of a false alarm over all looks and comparisons of a run.
        looks: how often one may look; each look gets ``alpha / looks``.
        seeds: runs of each experiment at the first look, at least 3.
        most_seeds: runs of each experiment at the last look.
        core: words of the experiments that are re-trained where none are named.
        noise: of re-runs at the same seed, by data set; for the power table only.
    """

    margins: Margins
    dataset_margins: dict[str, Margins] = field(default_factory=dict)
    alpha: OpenShare = 0.05
    looks: Annotated[int, Gt(0), Le(5)] = 2
    seeds: Annotated[int, Gt(2)] = 5
    most_seeds: PositiveInt = 10
    core: tuple[tuple[str, ...], ...] = ()
    noise: dict[str, Noise] = field(default_factory=dict)

    @property
    def level(self) -> float:
        """The one-sided level of a single look."""
        return self.alpha / self.looks

    def margin(self, dataset: str, metric: Metric) -> float:
        """The margin of a metric on a data set, as a share."""
        chosen = self.dataset_margins.get(dataset, self.margins)
        return float(getattr(chosen, metric)) / 100


def read_policy(path: Path = POLICY) -> Policy:
    """Read a policy.

    Raises:
        DataError: there is no such file.
        UsageError: no YAML, or a key or value that cannot be meant.
    """
    if not path.is_file():
        todo = "run in a checkout, or name the file: --policy FILE"
        raise DataError("Expected a policy, but found none", where=path, todo=todo)
    values = read_yaml(path, UsageError)
    found = parse(Policy, values if isinstance(values, Mapping) else {}, str(path))
    if found.most_seeds < found.seeds:
        raise UsageError(
            f"Expected most_seeds of at least {found.seeds}, but got {found.most_seeds}",
            where=path,
            todo="raise most_seeds or lower seeds",
        )
    return found
