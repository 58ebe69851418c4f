"""What verbs take before they do anything, as ratios to bare imports; and large leaderboards.

python -m tests.perf.light [--rounds 5] [--records 10000]

All are CPU-seconds of whole processes, measured in turn; every round has its own references.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.perf import many_records
from tests.perf.ratio import Ratio, of_rounds, table

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 5
RECORDS = 10_000
BARE, TORCH, LIBRARIES = "python -c pass", "import torch", "import torch, timm, hydra"
REFERENCES = {
    BARE: ("-c", "pass"), TORCH: ("-c", TORCH), LIBRARIES: ("-c", LIBRARIES)
}  # fmt: skip
VERBS = {
    "ls": ("ls",),
    "--help": ("--help",),
    "show": ("show", "method=ldam"),
    "status": ("status", "--out", "runs"),
    "run, finished": ("run", "method=ce", "recipe.steps.amount=1", "out=runs", "progress=false"),
    "report --check": ("report", "--check"),
    "run, one step": ("run", "method=ce", "recipe.steps.amount=1", "out=fresh", "progress=false",
                      "share_stages=false"),
    "run, resumed": ("run", "method=ce", "recipe.steps.amount=60", "out=killed", "progress=false",
                     "share_stages=false"),
}  # fmt: skip
# what each verb is compared with, and at most how many times that it should take
GOALS: Mapping[str, tuple[str, float]] = {
    "ls": (TORCH, 0.15),
    "--help": (TORCH, 0.1),
    "show": (TORCH, 0.15),
    "status": (TORCH, 0.15),
    "run, finished": (TORCH, 0.6),
    "report --check": (TORCH, 1.5),
    "run, one step": (LIBRARIES, 1.25),
    # with up to 59 steps after the checkpoint
    "run, resumed": (LIBRARIES, 1.25),
}
FAST = ("ls", "--help")


@dataclass(frozen=True)
class Place:
    """A folder with a cache, a finished run and a killed one."""

    folder: Path

    def seconds(self, words: Sequence[str], *, check: bool = True) -> float:
        """CPU-seconds of a process of Python."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self._environment(),
            capture_output=True, text=True,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def verb(self, name: str) -> float:
        """CPU-seconds of a verb, from the state that it expects."""
        for gone in ("fresh", "killed"):
            shutil.rmtree(self.folder / gone, ignore_errors=True)
        if name == "run, resumed":
            shutil.copytree(self.folder / "interrupted", self.folder / "killed")
        # whether committed tables are out of date is not the question
        return self.seconds(("-m", "benchmark", *VERBS[name]), check=name != "report --check")

    def prepare(self) -> None:
        """Finish a run, meet it once more, and kill another after its first checkpoint."""
        (self.folder / "leaderboards").symlink_to(ROOT / "leaderboards")
        for _ in range(2):
            self.verb("run, finished")
        words = [word.replace("out=killed", "out=interrupted") for word in VERBS["run, resumed"]]
        run = subprocess.Popen(
            [sys.executable, "-m", "benchmark", *words, "checkpoint_minutes=0.00001"],
            cwd=self.folder, env=self._environment(), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while run.poll() is None and not list(
            self.folder.glob("interrupted/*/*/*/*/checkpoint.pt")
        ):
            time.sleep(0.02)
        run.kill()
        if run.wait() == 0:
            raise RuntimeError("the run was over before it could be killed")

    def _environment(self) -> dict[str, str]:
        own = {"SYNAUG_BENCH_CACHE": str(self.folder / "cache"), "PYTHONPATH": str(ROOT)}
        return os.environ | own | {"OMP_NUM_THREADS": "1"}


def measured(place: Place, verbs: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """CPU-seconds of the references and of some verbs, in turn."""
    needed = {BARE, *(GOALS[name][0] for name in verbs)}
    references = [name for name in REFERENCES if name in needed]
    found: dict[str, list[float]] = {name: [] for name in (*references, *verbs)}
    for _ in range(rounds):
        for name in references:
            # the shortest is averaged: it takes a few hundredths
            again = 5 if name == BARE else 1
            taken = [place.seconds(REFERENCES[name]) for _ in range(again)]
            found[name].append(statistics.mean(taken))
        for name in verbs:
            found[name].append(place.verb(name))
    return found


def ratios(found: Mapping[str, Sequence[float]]) -> list[Ratio]:
    """The ratios of ``measured``, round by round."""
    made = []
    for name, (reference, goal) in GOALS.items():
        if name in found:
            rounds = [a / b for a, b in zip(found[name], found[reference], strict=True)]
            bare = statistics.median(found[name]) / statistics.median(found[BARE])
            note = f"CPU-seconds, {len(rounds)} rounds; {bare:.0f} times bare Python"
            title = f"{name}, of {reference}"
            made.append(of_rounds(title, rounds, goal, note=note, at_most=True))
    return made


def verb_rows(rounds: int = ROUNDS, verbs: Sequence[str] = tuple(VERBS)) -> list[Ratio]:
    """Verbs against bare imports."""
    with tempfile.TemporaryDirectory() as text:
        place = Place(Path(text))
        if set(verbs) - set(FAST):
            place.prepare()
        return ratios(measured(place, verbs, rounds))


def board_row(count: int = RECORDS, rounds: int = 1) -> Ratio:
    """What a record costs in a large leaderboard, over what it costs in one a tenth as large."""
    found = []
    with tempfile.TemporaryDirectory() as text:
        large, small = Path(text, "large"), Path(text, "small")
        many_records.write(large / "leaderboards" / "records", count)
        many_records.write(small / "leaderboards" / "records", count // 10)
        for _ in range(rounds):
            few, many = many_records.report(small), many_records.report(large)
            found.append(many / few / 10)
        page = (large / "leaderboards" / "index.html").stat().st_size / 2**20
    note = f"{many:.1f} CPU-seconds, page of {page:.1f} MiB; start-up counts in both"
    title = f"report of {count:,} records, of ten times {count // 10:,}"
    return of_rounds(title, found, 1.1, note=note, at_most=True)


def rows() -> list[Ratio]:
    """All rows of the speed table."""
    return [*verb_rows(), board_row()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--records", type=int, default=RECORDS, help="0 leaves them out")
    given = parser.parse_args()
    found = verb_rows(given.rounds)
    print(table([*found, *([board_row(given.records)] if given.records else [])]))


if __name__ == "__main__":
    main()
