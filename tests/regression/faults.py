"""Twelve planted faults, and which tier of ``check regression`` notices each.

A fault is a context manager that changes one function of the harness. Tier 0 repeats the golden
results with the fault in place, compared exactly and as under another key. Tier 1 checks the
committed records with it. Tier 2 trains experiments on the digits with it and compares them with
the committed reference.

command: python -m tests.regression.faults [--tier 0] [--tier 1] [--tier 2] [--seeds 5] [FAULT ...]
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from benchmark import api, seeds
from benchmark.component import Batch
from benchmark.data import augmentation, batches, groups, profiles
from benchmark.data.sets.digits import Digits
from benchmark.errors import BenchError
from benchmark.experiments import runner
from benchmark.generation import prompts
from benchmark.regression import golden, golden_runs, samples, verdicts
from benchmark.regression.boards import BOARDS, _inconsistent
from benchmark.regression.policy import read_policy
from benchmark.regression.retrain import retrained
from benchmark.training import evaluate, train
from benchmark.training.job import Job

ROOT = Path(__file__).resolve().parents[2]
POLICY = read_policy(ROOT / "leaderboards" / "regression.yaml")
RECORDS = ROOT / "leaderboards" / "records"
Plant = Callable[[], AbstractContextManager[Any]]


def slower() -> AbstractContextManager[Any]:
    """Every learning rate times 0.9."""
    made = train.stage_optimizer

    def changed(net: Any, recipe: Any, stage: Any) -> Any:
        return made(net, recipe, replace(stage, lr_scale=0.9 * stage.lr_scale))

    return patch.object(train, "stage_optimizer", changed)


def no_flip() -> AbstractContextManager[Any]:
    """The horizontal flip is left out."""
    return patch.object(augmentation, "random_flip", lambda images, chance, rng: images)


def wrong_groups() -> AbstractContextManager[Any]:
    """A class exactly at the border of Few falls on its other side."""

    def group(self: groups.Convention, count: int) -> str:
        if count > self.many or (self.many_inclusive and count == self.many):
            return "many"
        few = count < self.few or (not self.few_inclusive and count == self.few)
        return "few" if few else "medium"

    return patch.object(groups.Convention, "group", group)


def off_by_one() -> AbstractContextManager[Any]:
    """The exponential profile divides by K instead of K - 1."""

    def exponential(n_max: int, imbalance: float, n_classes: int) -> tuple[int, ...]:
        return tuple(int(n_max * (1 / imbalance) ** (k / n_classes)) for k in range(n_classes))

    return patch.object(profiles, "exponential", exponential)


@contextmanager
def swapped() -> Iterator[None]:
    """Images are normalised with mean and deviation exchanged."""
    padded, unpadded = augmentation.pad_images, augmentation.unpadded

    def in_training(images: Any, pad: int, mean: Any, std: Any, *rest: Any) -> Any:
        return padded(images, pad, std, mean, *rest)

    def in_evaluation(images: Any, mean: Any, std: Any) -> Any:
        return unpadded(images, std, mean)

    with (
        patch.object(batches, "pad_images", in_training),
        patch.object(evaluate, "unpadded", in_evaluation),
    ):
        yield


def leak() -> AbstractContextManager[Any]:
    """The training rows of the digits are test rows."""
    made = Digits._split

    def changed(self: Digits, seed: int, labels: Any, card: Any) -> Any:
        _, heldout, test = made(self, seed, labels, card)
        train_rows = [rows[:count] for rows, count in zip(test, card.counts, strict=True)]
        return train_rows, heldout, test

    return patch.object(Digits, "_split", changed)


def unmixed() -> AbstractContextManager[Any]:
    """Mixed images keep the label of their first part."""

    def mixed(self: Batch, images: Any, other: Any, own_weight: Any) -> Batch:
        return replace(self, images=images)

    return patch.object(Batch, "mixed", mixed)


def unfrozen() -> AbstractContextManager[Any]:
    """A stage that should train the head trains everything."""
    made = train.stage_optimizer

    def changed(net: Any, recipe: Any, stage: Any) -> Any:
        return made(net, recipe, replace(stage, train="all"))

    return patch.object(train, "stage_optimizer", changed)


def one_seed() -> AbstractContextManager[Any]:
    """Every stream is that of seed 0."""
    made = seeds.derive
    return patch.object(seeds, "derive", lambda seed, *names: made(0, *names))


def no_modifier() -> AbstractContextManager[Any]:
    """Prompts are written without their modifier."""
    made = prompts.fill
    return patch.object(prompts, "fill", lambda template, name, modifier: made(template, name, ""))


def half() -> AbstractContextManager[Any]:
    """Training in bfloat16, whatever the recipe says."""
    return patch.object(Job, "half", property(lambda job: True))


def train_mode() -> AbstractContextManager[Any]:
    """Evaluation normalises by the statistics of the test batch."""
    made = evaluate.logits

    def changed(net: Any, *rest: Any) -> Any:
        # evaluation calls net.eval(), which then does the opposite
        with patch.object(torch.nn.Module, "eval", lambda self: self.train()):
            return made(net, *rest)

    return patch.object(runner, "logits", changed)


@dataclass(frozen=True)
class Fault:
    """A fault and where to look for it.

    Attributes:
        plant: puts it in place.
        golden: the golden result that is quickest to notice it: "cards", a component, or a run.
        experiments: words of what is trained with it; empty where the digits cannot show it.
        standin: label of committed runs that are what the fault would train, in place of training.
    """

    plant: Plant
    golden: str
    experiments: tuple[tuple[str, ...], ...] = ()
    standin: tuple[str, str] | None = None


CE, SYNAUG, MIXUP = ("method=ce",), ("method=synaug",), ("method=mixup",)
FAULTS = {
    "learning rate x0.9": Fault(slower, "ce", (CE, SYNAUG)),
    "missing flip": Fault(no_flip, "ce"),
    "wrong group rule": Fault(wrong_groups, "cards", (CE,)),
    "off-by-one in the profile": Fault(off_by_one, "cards", (CE,)),
    "mean and std swapped": Fault(swapped, "ce"),
    "test rows leaking": Fault(leak, "supply", (CE,)),
    "mixup labels unmixed": Fault(unmixed, "mixup", (MIXUP,)),
    "unfrozen head stage": Fault(unfrozen, "retrain_head", (SYNAUG,)),
    "seed reuse": Fault(one_seed, "folder", (CE,)),
    "dropped modifier": Fault(no_modifier, "supply", (), ("t2i", "t2i (modifiers=none)")),
    "bf16 everywhere": Fault(half, "ce", (CE, SYNAUG)),
    "evaluation in train mode": Fault(train_mode, "folder", (CE, SYNAUG)),
}


def noticed(fault: Fault, name: str) -> tuple[list[str], list[str]]:
    """Differences of one golden result with the fault in place.

    Args:
        fault: what to plant.
        name: "cards", a component, or a golden run.

    Returns:
        Those that an exact comparison finds, and those found as if the key were another.
    """
    with fault.plant():
        if name == "cards":
            lines = golden.check_cards()
            return lines, lines
        if name in golden_runs.read_words():
            return _run_noticed(name)
        return _trace_noticed(name)


def _trace_noticed(name: str) -> tuple[list[str], list[str]]:
    found, expected = golden.trace(name), golden.golden(golden.TRACES)["traces"][name]
    both = [golden.unlike_losses(found, expected, exact) for exact in (True, False)]
    return [said for said in both[:1] if said], [said for said in both[1:] if said]


def _run_noticed(name: str) -> tuple[list[str], list[str]]:
    run, expected = golden_runs.read_words()[name], golden_runs.golden_file()["runs"][name]
    try:
        found = golden_runs.golden_run(run)
    except BenchError as error:
        return [str(error)], [str(error)]
    exact, near = (golden_runs.unlike_run(found, expected, how) for how in (True, False))
    return exact, near


def tier0(fault: Fault) -> str:
    """How many golden results notice a fault: exactly, and under another key."""
    every = ["cards", *golden.names(), *golden_runs.read_words()]
    found = {name: noticed(fault, name) for name in every}
    exact = [name for name, (lines, _) in found.items() if lines]
    near = [name for name, (_, lines) in found.items() if lines]
    said = f"exact {len(exact)} of {len(every)} ({_some(exact)})"
    return f"{said}; other key {len(near)} ({_some(near)})"


def _some(names: Sequence[str]) -> str:
    whole = ("cards", *golden_runs.read_words())
    kept = [name for name in names if name in whole]
    rest = len(names) - len(kept)
    return ", ".join([*kept, *([f"{rest} components"] if rest else [])]) or "none"


def tier1(fault: Fault) -> str:
    """What the committed records say with a fault in place; tables are not rebuilt."""
    from benchmark.recording.checking import check_records

    with fault.plant():
        lines = [*check_records(BOARDS).problems, *_inconsistent(BOARDS)]
    return f"{len(lines)} lines: {lines[0]}" if lines else "nothing"


def tier2(fault: Fault, n: int) -> list[str]:
    """Verdicts of re-training with a fault in place, by experiment and metric."""
    if fault.standin:
        old, new = (_labelled(label) for label in fault.standin)
        made = samples.Runs(new.records, new.folder)
        return _lines(verdicts.compare(samples.arms({old.hash: old}, {old.hash: made}), POLICY))
    if not fault.experiments:
        return ["the digits cannot show it"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            _train(fault, n, folder)
            return _lines(retrained(RECORDS, Path(folder), POLICY).found)
        except BenchError as error:
            return [f"refused: {error.problem}"]


def _train(fault: Fault, n: int, folder: str) -> None:
    plumbing = (f"out={folder}", "share_stages=false", "progress=false")
    with fault.plant(), redirect_stderr(io.StringIO()):
        for words in fault.experiments:
            for seed in range(n):
                api.run(*words, f"seed={seed}", *plumbing)


def _labelled(label: str) -> samples.Runs:
    found = samples.read_runs(RECORDS / "digitslt").values()
    return next(runs for runs in found if runs.label == label)


def _lines(found: Sequence[verdicts.Compared]) -> list[str]:
    return [
        f"{x.arm.label} {x.arm.metric}: {100 * x.change:+.2f} points, "
        f"{x.verdict}{', better' if x.better else ''} ({len(x.arm.new)} seeds)"
        for x in found
    ]


def at_tier(fault: Fault, tier: int, n: int) -> list[str]:
    """What a tier finds, with ``n`` seeds where it trains."""
    if tier == 2:
        return tier2(fault, n)
    return [tier0(fault) if tier == 0 else tier1(fault)]


def main(args: Sequence[str] | None = None) -> None:
    """Plant the faults named, or all, and print what each tier finds."""
    parser = argparse.ArgumentParser(prog="python -m tests.regression.faults")
    parser.add_argument("faults", nargs="*", help="default: all")
    parser.add_argument("--tier", type=int, action="append", choices=(0, 1, 2))
    parser.add_argument("--seeds", type=int, default=POLICY.seeds)
    given = parser.parse_args(args)
    for name in given.faults or FAULTS:
        fault = FAULTS[name]
        for tier in given.tier or (0, 1, 2):
            for line in at_tier(fault, tier, given.seeds):
                print(f"{name} | tier {tier} | {line}", flush=True)


if __name__ == "__main__":
    main()
