"""A run on several processes of which one is killed, stopped, fails or runs out of memory."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.component import Component, Net, Step, Task, linear_net
from benchmark.errors import DataError
from benchmark.training import checkpoints
from benchmark.training.job import Progress
from benchmark.training.team import ALONE, Team
from tests.fixtures.processes import Failure, Misfortune, distance, on_processes, trained

ROOT = Path(__file__).parents[2]
# batch norm is frozen, so that any number of processes takes the same steps
NAMES, STEPS = "frozen,mixup,retrain_head", 8


def unlucky(team: Team, folder: Path, what: Any, **place: int) -> dict[str, Any]:
    """A run in which something happens to one process; it saves its state after every step."""
    config = Misfortune.Config(what=what, **place)
    return trained(
        team, folder, NAMES, Misfortune(config, "misfortune"), steps=STEPS, checkpoint_seconds=0.0
    )


def going_on(team: Team, folder: Path) -> dict[str, Any]:
    return trained(team, folder, NAMES, steps=STEPS)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return going_on(ALONE, tmp_path_factory.mktemp("undisturbed"))


def saved_progress(folder: Path) -> Progress:
    state = checkpoints.load(folder / "checkpoint.pt", torch.device("cpu"))
    return Progress(**state["progress"])


def test_when_a_process_is_killed_the_other_ends_and_the_run_goes_on(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    begun = time.monotonic()
    first, second = on_processes(2, unlucky, tmp_path, signal.SIGKILL)
    assert second is None
    assert isinstance(first, Failure)
    assert first.said.startswith("One of the 2 processes of this run ended without a word; see")
    assert time.monotonic() - begun < 60
    assert saved_progress(tmp_path).step == 3
    # with one process, and a network that is the one of an undisturbed run
    found = going_on(ALONE, tmp_path)
    assert distance(found, undisturbed) < 1e-5
    assert (found["progress"].resumed, found["progress"].processes) == (1, 2)


def test_a_signal_to_one_process_stops_all_in_the_same_step(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    # twice, as torchrun passes on what the terminal sent already
    both = on_processes(2, unlucky, tmp_path, signal.SIGINT)
    for each in both:
        assert (each.kind, each.code) == ("Interrupted", 130)
        assert "Stopped at step 4 of 8 of stage 'base'" in each.said
    assert saved_progress(tmp_path).step == 4
    for found in on_processes(3, going_on, tmp_path):
        assert distance(found, undisturbed) < 1e-5
        assert (found["progress"].resumed, found["progress"].processes) == (1, 3)


@pytest.mark.slow
def test_an_error_of_one_process_is_the_error_of_all(tmp_path: Path) -> None:
    error = DataError("Expected a file, but got none", where="here")
    first, second = on_processes(2, unlucky, tmp_path, error)
    assert (second.kind, second.code) == ("DataError", 3)
    assert (first.kind, first.code) == ("PeerFailed", 3)
    assert first.said == "process 1: Expected a file, but got none [here]"


@pytest.mark.slow
def test_a_bug_in_one_process_is_named_by_the_others(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        on_processes(2, unlucky, tmp_path, ZeroDivisionError("never"))


# not a number, too little memory


class Odd(Component):
    """A loss that is no number on one process only."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy, spoilt on the second process."""
        losses = torch.nn.functional.cross_entropy(out, labels, reduction="none")
        return losses * float("nan") if os.environ["RANK"] == "1" else losses


class Cramped(torch.nn.Linear):
    """A head without room for more than three rows on the second process."""

    def forward(self, features: Tensor) -> Tensor:
        """Logits."""
        if self.training and len(features) > 3 and os.environ.get("RANK") == "1":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return super().forward(features)


class SmallMemory(Component):
    """A network that does not fit."""

    def build(self, backbone: torch.nn.Module, task: Task) -> Net:
        """The plain one, in less memory."""
        net = linear_net(backbone, task)
        net.head.__class__ = Cramped
        return net


def spoilt(team: Team, folder: Path) -> dict[str, Any]:
    return trained(team, folder, "frozen", Odd(Odd.Config(), "odd"))


def cramped(team: Team, folder: Path) -> dict[str, Any]:
    small = SmallMemory(SmallMemory.Config(), "small")
    return trained(team, folder, "frozen,mixup", small, rows=15)


def test_a_loss_that_is_no_number_on_one_process_ends_all(tmp_path: Path) -> None:
    for each in on_processes(2, spoilt, tmp_path):
        assert (each.kind, each.code) == ("Diverged", 1)
        assert "The loss became nan in epoch 1 of stage 'base'" in each.said


def test_when_one_process_is_short_of_memory_all_take_pieces(tmp_path: Path) -> None:
    one = trained(ALONE, tmp_path / "one", "frozen,mixup", rows=15)
    for two in on_processes(2, cramped, tmp_path / "two"):
        assert distance(one, two) < 1e-5
        # of 15 rows a process has at most 8: two are too many pieces for it, four are not
        assert two["progress"].pieces == 4


# the real thing


@dataclass(frozen=True)
class Ended:
    """What a command came to."""

    code: int
    output: str


def torchrun(folder: Path, *words: str, size: int = 2, act: Any = None) -> Ended:
    """The command under torchrun; ``act`` gets its process while it runs."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
               str(size), "-m", "benchmark", *words]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    if act:
        act(process)
    output, _ = process.communicate(timeout=240)
    return Ended(process.returncode, output)


def errors(output: str) -> list[str]:
    return [line for line in output.splitlines() if line.startswith("error:")]


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Process ids of torchrun's workers, by rank, once they are at work."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    until = time.monotonic() + 100
    while time.monotonic() < until:
        found = {}
        for child in children.read_text().split():
            given = Path(f"/proc/{child}/environ").read_bytes().decode()
            rank = re.search(r"(?:^|\0)RANK=(\d+)", given)
            if rank:
                found[int(rank[1])] = int(child)
        if len(found) == 2:
            return [found[0], found[1]]
        time.sleep(0.1)
    raise AssertionError("torchrun started no workers")


def once_saved(folder: Path) -> None:
    """Wait for the first checkpoint."""
    until = time.monotonic() + 100
    while not list(folder.glob("runs/**/checkpoint.pt")):
        assert time.monotonic() < until, "no checkpoint"
        time.sleep(0.05)


@pytest.mark.slow
def test_torchrun_gives_one_record_and_a_second_command_finds_it(tmp_path: Path) -> None:
    words = ("run", "method=synaug", "budget=add", "budget.amount=2", "generator.steps=2",
             "recipe.steps.amount=3", "progress=false")  # fmt: skip
    ended = torchrun(tmp_path, *words)
    assert ended.code == 0, ended.output
    assert ended.output.count("saved ") == 1
    (record,) = tmp_path.glob("runs/**/record.json")
    assert json.loads(record.read_text())["cost"]["training"]["processes"] == 2
    again = torchrun(tmp_path, *words)
    assert again.output.count("already finished") == 1


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_torchrun_with_a_killed_worker_resumes(tmp_path: Path, rank: int) -> None:
    words = ("run", "method=ce", "recipe.steps.amount=200", "checkpoint_minutes=0.005")

    def kill(process: subprocess.Popen[str]) -> None:
        once_saved(tmp_path)
        os.kill(workers(process)[rank], signal.SIGKILL)

    ended = torchrun(tmp_path, *words, act=kill)
    assert ended.code == 1
    assert "SIGKILL" in ended.output
    assert len(errors(ended.output)) == rank, ended.output
    whole = torchrun(tmp_path, *words)
    assert whole.code == 0, whole.output
    assert len(list(tmp_path.glob("runs/**/record.json"))) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_torchrun_that_is_stopped_leaves_a_checkpoint(
    tmp_path: Path, number: signal.Signals
) -> None:
    words = ("run", "method=ce", "recipe.steps.amount=400", "checkpoint_minutes=0.005")

    def stop(process: subprocess.Popen[str]) -> None:
        once_saved(tmp_path)
        process.send_signal(number)

    ended = torchrun(tmp_path, *words, act=stop)
    assert ended.code != 0
    assert len(errors(ended.output)) == 1, ended.output
    assert "Stopped at step" in errors(ended.output)[0]
    (path,) = tmp_path.glob("runs/**/checkpoint.pt")
    assert saved_progress(path.parent).step > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "method=paco"), "'paco' needs every batch whole, but 2 processes would share it"),
        (("run", "method=pacoo"), "Unknown method 'pacoo'"),
        (("run", "grid=table1"), "Expected one training run for 2 processes, but got grid=table1"),
        (("run", "method=ce", "recipe.batch_size=1"), "Expected a row of each batch for each of 2"),
    ],
)
def test_torchrun_shows_one_error_line(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    ended = torchrun(tmp_path, *words)
    assert ended.code == 1
    assert re.search(r"exitcode +: 2", ended.output)
    assert len(errors(ended.output)) == 1, ended.output
    assert message in errors(ended.output)[0]
