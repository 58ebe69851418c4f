"""A run that was killed, stopped or refused a disk ends where an undisturbed one does."""

import errno
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.component import Net, Step
from benchmark.errors import IntegrityError, Interrupted, StorageError
from benchmark.tiny import Stop
from benchmark.training import checkpoints
from benchmark.training.job import Progress
from tests.fixtures.training import Talks, run

ROOT = Path(__file__).parents[2]
STACK = "ldam,drw,cmo,retrain_head,talks"
STEPS = 40 + 20


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    return run(tmp_path_factory.mktemp("undisturbed"), STACK)


def kill_process(folder: Path, after: int) -> str:
    """Run in a process of its own and kill it after ``after`` steps; its output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fixtures.training", str(folder), STACK,
         "checkpoint_seconds=0.02"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return "".join(lines) + rest


def saved_progress(folder: Path) -> Progress:
    state = checkpoints.load(folder / "checkpoint.pt", torch.device("cpu"))
    return Progress(**state["progress"])


def test_a_run_killed_at_a_random_step_ends_with_the_same_weights(
    tmp_path: Path, undisturbed: str
) -> None:
    # any step will do, so the draw needs no seed: the failing step is in the message
    after = random.SystemRandom().randrange(8, STEPS - 8)
    assert "done" not in kill_process(tmp_path, after)
    assert (tmp_path / "checkpoint.pt").exists(), f"killed after step {after}"
    assert run(tmp_path, STACK) == undisturbed, f"killed after step {after}"


@pytest.mark.parametrize(
    ("number", "stage", "index"),
    [(signal.SIGTERM, "base", 12), (signal.SIGINT, "retrain_head", 7), (signal.SIGINT, "base", 39)],
)
def test_a_stop_signal_saves_the_state_and_says_how_to_go_on(
    tmp_path: Path,
    undisturbed: str,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    stage: str,
    index: int,
) -> None:
    def stop(_self: Talks, _net: Net, step: Step) -> None:
        if (step.stage.name, step.index) == (stage, index):
            os.kill(os.getpid(), number)

    with monkeypatch.context() as patch:
        patch.setattr(Talks, "after_step", stop)
        advice = "run the same command again to continue"
        with pytest.raises(Interrupted, match=rf"at step {index + 1} of .*'{stage}'.*{advice}"):
            run(tmp_path, STACK)
    progress = saved_progress(tmp_path)
    assert (progress.stage, progress.step) == (stage == "retrain_head", index + 1)
    assert run(tmp_path, STACK) == undisturbed


@pytest.mark.parametrize(
    "stop_at", [("base", 1), ("base", 39), ("retrain_head", 0), ("retrain_head", 7)]
)
def test_resuming_at_a_boundary_or_inside_a_stage_changes_nothing(
    tmp_path: Path, undisturbed: str, stop_at: tuple[str, int]
) -> None:
    with pytest.raises(Stop):
        run(tmp_path, STACK, stop_at, checkpoint_seconds=0.0)
    assert run(tmp_path, STACK) == undisturbed


def test_a_stale_checkpoint_repeats_the_lost_steps(tmp_path: Path, undisturbed: str) -> None:
    with pytest.raises(Stop):
        run(tmp_path, STACK, ("base", 9), checkpoint_seconds=0.0)
    with pytest.raises(Stop):
        run(tmp_path, STACK, ("retrain_head", 5))
    assert saved_progress(tmp_path).step == 9
    assert run(tmp_path, STACK) == undisturbed


@pytest.mark.parametrize("changes", [{"ema": 0.9}, {"precision": "bf16"}], ids=str)
def test_averaged_weights_and_half_precision_survive_a_kill(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    names = "mixup,retrain_head"
    whole = run(tmp_path / "whole", names, steps=12, **changes)
    for stop_at in (("base", 7), ("retrain_head", 0), ("retrain_head", 3)):
        with pytest.raises(Stop):
            run(tmp_path / "cut", names, stop_at, steps=12, checkpoint_seconds=0.0, **changes)
    assert run(tmp_path / "cut", names, steps=12, **changes) == whole


def test_a_teacher_from_an_earlier_stage_survives_a_kill(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", "fresh", steps=12)
    for stop_at in (("base", 7), ("fresh", 0), ("fresh", 3)):
        with pytest.raises(Stop):
            run(tmp_path / "cut", "fresh", stop_at, steps=12, checkpoint_seconds=0.0)
    assert run(tmp_path / "cut", "fresh", steps=12) == whole


def test_the_loss_curve_of_a_resumed_run_is_whole(tmp_path: Path) -> None:
    run(tmp_path / "whole", "ce", steps=12)
    with pytest.raises(Stop):
        run(tmp_path / "cut", "ce", ("base", 6), steps=12, checkpoint_seconds=0.0)
    run(tmp_path / "cut", "ce", steps=12)
    curves = [
        [line.rsplit(",", 1)[0] for line in (tmp_path / name / "history.csv").read_text().split()]
        for name in ("whole", "cut")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) > 2


def test_resumptions_are_counted(tmp_path: Path) -> None:
    for stop in (4, 6):
        with pytest.raises(Stop):
            run(tmp_path, "ce", ("base", stop), steps=12, checkpoint_seconds=0.0)
    assert saved_progress(tmp_path).resumed == 1


# damaged files


@pytest.fixture
def cut(tmp_path: Path) -> Path:
    """A folder with the checkpoint of an unfinished run."""
    with pytest.raises(Stop):
        run(tmp_path, "ce", ("base", 6), steps=12, checkpoint_seconds=0.0)
    return tmp_path


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_checkpoint_stops_the_run_with_advice(cut: Path, damage: str) -> None:
    path = cut / "checkpoint.pt"
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 8
    path.write_bytes({"truncated": data[: len(data) // 2], "empty": b""}.get(damage, data))
    with pytest.raises(IntegrityError, match="delete the file; the run then starts from the beg"):
        run(cut, "ce", steps=12)


def test_a_checkpoint_of_another_network_is_refused(cut: Path) -> None:
    with pytest.raises(IntegrityError, match="another"):
        run(cut, "ldam", steps=12)


def test_a_full_disk_is_a_clear_error_and_keeps_the_older_checkpoint(
    cut: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (cut / "checkpoint.pt").read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match="The disk is full"):
            run(cut, "ce", steps=12, checkpoint_seconds=0.0)
    assert (cut / "checkpoint.pt").read_bytes() == before
    assert [path.name for path in cut.iterdir()] == ["checkpoint.pt"]
    assert run(cut, "ce", steps=12) == run(cut / "whole", "ce", steps=12)


def test_an_error_while_training_leaves_signals_as_they_were(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stop):
        run(tmp_path, "ce", ("base", 1), steps=4)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
