"""False alarms and detections of tier 2, by simulated re-runs.

A board is a set of experiments with a model of what their seeds do. "digits, same seeds": new runs
use the reference's seeds, and each moves by the noise of another machine (SD of the policy), the
same for all experiments or, "uneven noise", in proportion to their spread over seeds.
"digits, fresh seeds": reference and new seeds are drawn from a normal distribution with the
covariance of the committed records, over experiments and metrics at once, so that a seed with an
easy split is easy for all of them. "independent": eight experiments with SD 0.34, one fixed split.

command: python -m tests.regression.simulate [--reruns 200] [BOARD ...]
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.regression import verdicts
from benchmark.regression.policy import METRICS, SIGNS, Policy, read_policy
from benchmark.regression.samples import Runs, read_runs
from benchmark.regression.verdicts import Arm, Compared

ROOT = Path(__file__).resolve().parents[2]
POLICY = read_policy(ROOT / "leaderboards" / "regression.yaml")
DROPS = (0.5, 1.0, 2.0, 3.0)
FIXED_SD = {"accuracy": 0.34, "few": 0.9, "ece": 0.5}
# how a drop of accuracy shows in the others: Few moves more, calibration not at all
SHARES = {"accuracy": 1.0, "few": 2.5, "ece": 0.0}
Draw = Callable[[np.random.Generator, int, int], tuple[NDArray[np.float64], NDArray[np.float64]]]


@dataclass(frozen=True)
class Board:
    """A leaderboard to simulate.

    Attributes:
        name: as printed.
        dataset: decides the margins.
        design: of the data set.
        draw: values (experiments, metrics, seeds) of reference and new runs from a generator and
            the two numbers of seeds.
        same: whether new runs use the reference's seeds.
        experiments: how many there are.
        n_old: seeds of the reference.
    """

    name: str
    dataset: str
    design: str
    draw: Draw
    same: bool
    experiments: int
    n_old: int


def residuals(core: Policy | None = None, seeds: int = 5) -> NDArray[np.float64]:
    """Centred values (experiments, metrics, seeds) of the committed main board of the digits.

    Args:
        core: only the core set of this policy; the whole board if None.
        seeds: how many of each experiment, from seed 0.
    """
    runs = [each for each in read_runs(ROOT / "leaderboards" / "records").values() if _main(each)]
    if core:
        runs = [each for each in runs if each.first.experiment.overrides in core.core]
    table = [[_first(each, metric, seeds) for metric in METRICS] for each in runs]
    values = np.asarray(table)
    return values - values.mean(axis=2, keepdims=True)


def _main(runs: Runs) -> bool:
    first = runs.first
    return first.dataset.name == "digitslt" and first.budget.protocol == "iso_image"


def _first(runs: Runs, metric: str, seeds: int) -> list[float]:
    values = runs.values(metric)  # type: ignore[arg-type]
    return [values[seed] for seed in range(seeds)]


def fresh_digits(rests: NDArray[np.float64]) -> Draw:
    """New seeds on both sides, with the records' covariance over experiments and metrics."""

    def draw(
        rng: np.random.Generator, n_old: int, n_new: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        n = rests.shape[2]
        both = [rests @ rng.normal(size=(n, k)) / np.sqrt(n - 1) for k in (n_old, n_new)]
        return both[0], both[1]

    return draw


def same_digits(rests: NDArray[np.float64], policy: Policy, uneven: bool = False) -> Draw:
    """New runs at the reference's seeds: its values and the noise of another machine.

    The noise has the policy's deviations, for each experiment or, if ``uneven``, in the mean square
    over experiments, and the correlation of metrics of the records.
    """
    noise = policy.noise["digitslt"]
    deviations = np.asarray([getattr(noise, metric) / 100 for metric in METRICS])
    root = np.linalg.cholesky(np.corrcoef(rests.transpose(1, 0, 2).reshape(len(METRICS), -1)))
    own = rests.std(axis=2)
    share = own / np.sqrt(np.square(own).mean(axis=0)) if uneven else np.ones_like(own)
    seeds = fresh_digits(rests)

    def draw(
        rng: np.random.Generator, n_old: int, n_new: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        old, _ = seeds(rng, n_old, 1)
        moved = np.einsum("ij,ejs->eis", root, rng.normal(size=(len(old), len(METRICS), n_new)))
        return old, old[:, :, :n_new] + (deviations * share)[:, :, None] * moved

    return draw


def independent(
    rng: np.random.Generator, n_old: int, n_new: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Eight experiments whose seeds have nothing in common."""
    deviations = np.asarray([FIXED_SD[metric] / 100 for metric in METRICS])[:, None]
    sides = [deviations * rng.normal(size=(8, len(METRICS), n)) for n in (n_old, n_new)]
    return sides[0], sides[1]


def arms(board: Board, old: NDArray[np.float64], new: NDArray[np.float64]) -> list[Arm]:
    """The comparisons of one simulated re-run."""
    first = 0 if board.same else old.shape[2]
    return [
        Arm(
            hash=f"{index:012d}",
            label=f"experiment {index}",
            dataset=board.dataset,
            table=board.dataset,
            metric=metric,
            design=board.design,  # type: ignore[arg-type]
            old=dict(enumerate(0.5 + old[index, place])),
            new={first + s: 0.5 + v for s, v in enumerate(new[index, place])},
        )
        for index in range(len(old))
        for place, metric in enumerate(METRICS)
    ]


@dataclass(frozen=True)
class Outcome:
    """What one re-run came to after its looks.

    Attributes:
        first: its comparisons at the first look.
        last: at the last look; the same where the first decided all.
    """

    first: list[Compared]
    last: list[Compared]


def rerun(
    board: Board, rng: np.random.Generator, policy: Policy, dropped: int = 0, points: float = 0.0
) -> Outcome:
    """One re-run in which the first ``dropped`` experiments are worse by ``points``."""
    old, new = board.draw(rng, board.n_old, policy.most_seeds)
    worse = np.asarray([-points / 100 * SIGNS[m] * SHARES[m] for m in METRICS])
    new[:dropped] += worse[:, None]
    few = verdicts.compare(arms(board, old, new[:, :, : policy.seeds]), policy)
    if verdicts.overall(few) in ("fail", "pass", "equivalent"):
        return Outcome(few, few)
    return Outcome(few, verdicts.compare(arms(board, old, new), policy))


def alarms(board: Board, policy: Policy, reruns: int) -> dict[str, float]:
    """Shares of unchanged re-runs of the whole board by verdict, and what single ones got."""
    rng = np.random.default_rng(0)
    outcomes = [rerun(board, rng, policy) for _ in range(reruns)]
    last = [verdicts.overall(each.last) for each in outcomes]
    single = [each.verdict for outcome in outcomes for each in outcome.last]
    looks = [verdicts.overall(each.first) == "inconclusive" for each in outcomes]
    return {
        "fail": np.mean([each == "fail" for each in last]),
        "second look": np.mean(looks),
        "inconclusive": np.mean([each == "inconclusive" for each in last]),
        **{f"one: {name}": np.mean([each == name for each in single]) for name in
           ("equivalent", "pass", "drift", "fail", "inconclusive")},
    }  # fmt: skip


def detection(
    board: Board, policy: Policy, reruns: int, dropped: int, points: float
) -> list[float]:
    """Shares of re-runs with a drop: failed at the first look, at the last, and not passed."""
    rng = np.random.default_rng(1)
    outcomes = [rerun(board, rng, policy, dropped, points) for _ in range(reruns)]
    hit = [_of(outcome, dropped) for outcome in outcomes]
    return [
        float(np.mean([first == "fail" for first, _ in hit])),
        float(np.mean([last == "fail" for _, last in hit])),
        float(np.mean([last in ("fail", "inconclusive") for _, last in hit])),
    ]


def _of(outcome: Outcome, dropped: int) -> tuple[str, str]:
    names = {f"{index:012d}" for index in range(dropped)}
    first, last = (
        verdicts.overall([each for each in look if each.arm.hash in names])
        for look in (outcome.first, outcome.last)
    )
    return first, last


def boards(policy: Policy) -> dict[str, Board]:
    """The simulated boards by name."""
    rests, core = residuals(), residuals(policy)
    return {
        board.name: board
        for board in (
            Board("digits, same seeds, whole board", "digitslt", "blocked",
                  same_digits(rests, policy), True, len(rests), 10),
            Board("digits, same seeds, core set", "digitslt", "blocked",
                  same_digits(core, policy), True, len(core), 10),
            Board("digits, same seeds, uneven noise", "digitslt", "blocked",
                  same_digits(rests, policy, uneven=True), True, len(rests), 10),
            Board("digits, fresh seeds, whole board", "digitslt", "blocked",
                  fresh_digits(rests), False, len(rests), 10),
            Board("independent, SD 0.34", "made up", "independent", independent, False, 8, 5),
        )
    }  # fmt: skip


def report(board: Board, policy: Policy, reruns: int) -> Iterator[str]:
    """Lines of one board."""
    yield f"{board.name}: {board.experiments} experiments, {board.n_old} reference seeds, " \
          f"{policy.seeds} then {policy.most_seeds} new ones, {reruns} re-runs"  # fmt: skip
    found = alarms(board, policy, reruns)
    yield "  unchanged: " + ", ".join(
        f"{name} {100 * share:.1f} %" for name, share in found.items()
    )
    wholes = [(board.experiments, "all experiments")] if board.experiments < 10 else []
    for dropped, what in [(1, "one experiment"), *wholes]:
        for points in DROPS:
            shares = detection(board, policy, reruns, dropped, points)
            said = "fails {:.0f} % at the first look, {:.0f} % in all; not passed {:.0f} %"
            yield f"  {what} worse by {points}: " + said.format(*(100 * x for x in shares))


def main(args: Sequence[str] | None = None) -> None:
    """Simulate the boards named, or all."""
    every = boards(POLICY)
    parser = argparse.ArgumentParser(prog="python -m tests.regression.simulate")
    parser.add_argument("boards", nargs="*", choices=[*every, []], help="default: all")
    parser.add_argument("--reruns", type=int, default=200)
    given = parser.parse_args(args)
    for name in given.boards or every:
        for line in report(every[name], POLICY, given.reruns):
            print(line, flush=True)


if __name__ == "__main__":
    main()
