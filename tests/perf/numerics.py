"""Do bf16 and torch.compile change results? Final accuracy, paired by seed.

python -m tests.perf.numerics --out DIR [--digits N] [--cifar N] [--compiled N]

Runs that are finished are skipped. Nothing is shared between runs, so that each trains all its
stages. CIFAR-100-LT must be prepared.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import api, stats
from benchmark.report.text import difference, estimate, markdown_table, number

Values = dict[int, float]
SHORT = ("recipe=cifar_short", "recipe.steps.amount=5", "backbone=resnet8")
ARMS = {
    "fp32": ("recipe.precision=fp32",),
    "bf16": ("recipe.precision=bf16",),
    "bf16 + compile": ("recipe.precision=bf16", "compile=true"),
}
HEADER = ["problem", "arm", "accuracy", "minus fp32", "seeds", "p"]


@dataclass(frozen=True)
class Problem:
    """What is trained in every arm.

    Attributes:
        name: as shown.
        words: of the command line.
        seeds: of the arms, from seed 0, by the arm's name; the first arm is the reference.
    """

    name: str
    words: tuple[str, ...]
    seeds: dict[str, int]


def problems(digits: int, cifar: int, compiled: int) -> list[Problem]:
    """Digits by two methods, and CIFAR-100-LT with a small network; 0 seeds leave one out."""
    both = dict.fromkeys(("fp32", "bf16"), digits)
    found = [
        Problem("digits, ce", ("method=ce", "dataset=digitslt"), both),
        Problem("digits, synaug", ("method=synaug", "dataset=digitslt"), both),
    ]
    arms = dict.fromkeys(("fp32", "bf16"), cifar) | {"bf16 + compile": compiled}
    words = ("method=ce", "dataset=cifar100lt", *SHORT, "threads=1")
    found.append(Problem("CIFAR-100-LT, ce, ResNet-8, 5 epochs", words, arms))
    return [each for each in found if any(each.seeds.values())]


def accuracies(problem: Problem, arm: str, out: Path) -> Values:
    """Accuracy by seed of the runs of an arm; those that are missing are trained."""
    # compile is no setting of the experiment, so each arm has a folder of its own
    folder = out / arm.replace(" ", "")
    words = [*problem.words, *ARMS[arm], f"out={folder}", "share_stages=false"]
    plumbing = ["save_weights=false", "progress=false"]
    found = [api.run(*words, *plumbing, f"seed={seed}") for seed in range(problem.seeds[arm])]
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
    parser.add_argument("--compiled", type=int, default=0, help="seeds of CIFAR with compile")
    given = parser.parse_args()
    lines: list[list[str]] = []
    for problem in problems(given.digits, given.cifar, given.compiled):
        arms = [arm for arm, seeds in problem.seeds.items() if seeds]
        lines += rows(problem, {arm: accuracies(problem, arm, given.out) for arm in arms})
    print(table(lines))


if __name__ == "__main__":
    main()
