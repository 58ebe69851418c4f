"""Do bf16 and torch.compile change results? Final accuracy, paired by seed.

python -m tests.perf.numerics --out DIR [--digits N] [--cifar N] [--arms fp32,bf16,...]

The first arm is the reference of the others. Runs that are finished are skipped. Nothing is shared
between runs, so that each trains all its stages. CIFAR-100-LT must be prepared.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import api
from benchmark.boards.text import difference, estimate, markdown_table, number
from benchmark.statistics import stats

Values = dict[int, float]
SHORT = ("recipe=cifar_short", "recipe.steps.amount=5", "backbone=resnet8")
ARMS = {
    "fp32": ("recipe.precision=fp32",),
    "bf16": ("recipe.precision=bf16",),
    "fp32+compile": ("recipe.precision=fp32", "compile=true"),
    "bf16+compile": ("recipe.precision=bf16", "compile=true"),
}
HEADER = ["problem", "arm", "accuracy", "minus the first", "seeds", "p"]


@dataclass(frozen=True)
class Problem:
    """What is trained in every arm.

    Attributes:
        name: as shown.
        words: of the command line.
        seeds: of every arm, from seed 0.
    """

    name: str
    words: tuple[str, ...]
    seeds: int


def problems(digits: int, cifar: int) -> list[Problem]:
    """Digits by two methods, and CIFAR-100-LT with a small network; 0 seeds leave one out."""
    words = ("method=ce", "dataset=cifar100lt", *SHORT)
    found = [
        Problem("digits, ce", ("method=ce", "dataset=digitslt"), digits),
        Problem("digits, synaug", ("method=synaug", "dataset=digitslt"), digits),
        Problem("CIFAR-100-LT, ce, ResNet-8, 5 epochs", words, cifar),
    ]
    return [each for each in found if each.seeds]


def accuracies(problem: Problem, arm: str, out: Path) -> Values:
    """Accuracy by seed of the runs of an arm; those that are missing are trained."""
    # compile is no setting of the experiment, so each arm has a folder of its own
    words = [*problem.words, *ARMS[arm], f"out={out / arm}", "share_stages=false", "threads=1"]
    plumbing = ["save_weights=false", "progress=false"]
    found = [api.run(*words, *plumbing, f"seed={seed}") for seed in range(problem.seeds)]
    return {record.seed: record.metrics.accuracy for record in found}


def rows(problem: Problem, found: dict[str, Values]) -> list[list[str]]:
    """The lines of a problem: the reference's accuracy, then each arm's and its difference."""
    reference = next(iter(found.values()))
    return [_cells(problem.name, arm, values, reference) for arm, values in found.items()]


def _cells(name: str, arm: str, values: Values, reference: Values) -> list[str]:
    shown = [name, arm, estimate(stats.estimate(list(values.values())))]
    if values is reference:
        return [*shown, "-", str(len(values)), "-"]
    gap = stats.paired(values, reference)
    assert gap is not None
    return [*shown, difference(gap), str(gap.n), number(gap.p, 2)]


def table(lines: Sequence[list[str]]) -> str:
    """Means in percent with their 95 % intervals, differences in points."""
    return markdown_table(HEADER, list(lines), left=2)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--digits", type=int, default=20, help="seeds")
    parser.add_argument("--cifar", type=int, default=5, help="seeds")
    parser.add_argument("--arms", default="fp32,bf16", help=f"of {', '.join(ARMS)}")
    given = parser.parse_args()
    arms, lines = given.arms.split(","), []
    if unknown := set(arms) - set(ARMS):
        parser.error(f"no arm {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    for problem in problems(given.digits, given.cifar):
        lines += rows(problem, {arm: accuracies(problem, arm, given.out) for arm in arms})
    print(table(lines))


if __name__ == "__main__":
    main()
