"""Commands to copy: more seeds, the reference's own commit, the next comparison."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from benchmark.regression.policy import Policy
from benchmark.regression.samples import Runs

CHECK = "python -m benchmark check regression"
DEFAULT_NEW = Path("runs")
_VERSIONS = ("python", "numpy", "torch", "torchvision", "timm", "diffusers", "os", "cpu", "gpu",
             "threads")  # fmt: skip


def run_command(runs: Runs, seeds: Sequence[int], out: Path = DEFAULT_NEW) -> str:
    """The command that runs an experiment with the given seeds, at least one."""
    words = [*runs.first.experiment.overrides, f"seed={','.join(map(str, seeds))}"]
    words = ["-m", *words] if len(seeds) > 1 else words
    return _join(["python", "-m", "benchmark", "run", *words, *_folder("out=", out)])


def check_command(names: Sequence[str], new: Path = DEFAULT_NEW) -> str:
    """The command that compares these experiments again."""
    flag = ["--new", str(new)] if new != DEFAULT_NEW else []
    return f"{CHECK} {_join(['--tier', '2', *flag, *names])}"


def _folder(key: str, folder: Path) -> list[str]:
    return [f"{key}{folder}"] if folder != DEFAULT_NEW else []


def _join(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


def more_seeds(old: Runs, new: Runs, policy: Policy) -> list[int]:
    """Seeds that the next look needs; empty after the last look or where none are left.

    In a blocked design only seeds of the reference help, as differences at common seeds are what
    is compared.
    """
    target = policy.seeds if len(new.seeds) < policy.seeds else policy.most_seeds
    wanted = max(0, target - len(new.seeds))
    if old.first.dataset.design == "blocked" and set(old.seeds) & set(new.seeds):
        return [seed for seed in old.seeds if seed not in new.seeds][:wanted]
    first = 1 + max(*old.seeds, *new.seeds)
    return list(range(first, first + wanted))


def ask_for_seeds(old: Runs, new: Runs, policy: Policy, out: Path) -> list[str]:
    """What to do about an experiment that is not decided."""
    seeds = more_seeds(old, new, policy)
    if seeds:
        return [run_command(new, seeds, out)]
    if len(new.seeds) >= policy.most_seeds:
        return [f"# {new.label}: {len(new.seeds)} seeds were the last look; judge by hand"]
    known = len(old.seeds)
    ends = f"# {new.label}: the reference has {known} seeds; give it more at its own commit:"
    last = 1 + max(old.seeds)
    further = range(last, last + policy.most_seeds - known)
    return [ends, *at_reference(old, list(further))]


def at_reference(old: Runs, seeds: Sequence[int]) -> list[str]:
    """Commands that run the commit which made the reference."""
    commit = old.commits[-1]
    folder = f"../reference-{commit[:10]}"
    return [
        f"git worktree add {folder} {commit}",
        f"(cd {folder} && {run_command(old, seeds)})",
    ]


def code_or_environment(old: Runs, new: Runs) -> list[str]:
    """How to tell whether the code or the environment made an experiment worse."""
    seeds = [seed for seed in new.seeds if seed in old.seeds] or new.seeds
    runs = Path(f"../reference-{old.commits[-1][:10]}/runs")
    return [*at_reference(old, seeds), check_command([new.hash], runs)]


def changed_environment(old: Runs, new: Runs) -> list[str]:
    """What differs between the machines and libraries of the two, as "torch 2.1 -> 2.2"."""
    before, now = old.first.environment, new.first.environment
    pairs = [(name, getattr(before, name), getattr(now, name)) for name in _VERSIONS]
    return [f"{name} {first} -> {second}" for name, first, second in pairs if first != second]
