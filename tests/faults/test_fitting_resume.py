"""A fit that was killed, stopped or damaged ends where an undisturbed one does, or says why not."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from benchmark.errors import BenchError, IntegrityError, Interrupted
from benchmark.generation.fitting import training
from benchmark.generation.fitting.request import Fitted
from benchmark.generation.fitting.run import ensure_fit
from tests.fixtures.fitting import fit_request
from tests.fixtures.generation import tiny_values
from tests.fixtures.stopping import stop_within

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
ROOT = Path(__file__).parents[2]


def fit(weights: Path, root: Path, **changes: Any) -> Fitted:
    return ensure_fit(fit_request(tiny_values(weights), **changes), root, progress=False)


@pytest.fixture
def signal_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ask this process to stop within the step of a number."""
    return stop_within(monkeypatch, training, "denoising_loss", training.denoising_loss)


def test_a_killed_fit_goes_on_and_gives_the_same_weights(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    undisturbed = fit(tiny_pipeline, tmp_path / "a", scope="per_class", steps=3)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fixtures.fitting", str(tiny_pipeline), str(tmp_path / "b"),
         "scope=per_class", "steps=3"],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert lines[-1] == "6\n"
    folder = tmp_path / "b" / undisturbed.key
    reached = training.load_progress(folder / training.CHECKPOINT, torch.device("cpu"))[0]
    assert reached.unit * 3 + reached.step >= 5
    assert not (folder / "fit.json").exists()
    resumed = fit(tiny_pipeline, tmp_path / "b", scope="per_class", steps=3)
    assert resumed.hashes == undisturbed.hashes


@pytest.mark.parametrize(
    "changes", [{"text_encoder": True}, {"kind": "textual_inversion", "lr": 0.1}]
)
def test_a_stopped_fit_is_saved_and_goes_on(
    tiny_pipeline: Path, tmp_path: Path, signal_at: Any, changes: Mapping[str, Any]
) -> None:
    undisturbed = fit(tiny_pipeline, tmp_path / "a", **changes)
    signal_at(2)
    with pytest.raises(Interrupted, match="Stopped at step 2 of 4 of adapter 1 of 1"):
        fit(tiny_pipeline, tmp_path / "b", **changes)
    folder = tmp_path / "b" / undisturbed.key
    saved = training.load_progress(folder / training.CHECKPOINT, torch.device("cpu"))[0]
    resumed = fit(tiny_pipeline, tmp_path / "b", **changes)
    assert (saved.step, resumed.hashes) == (2, undisturbed.hashes)
    assert resumed.cost.device_seconds > saved.seconds
    assert not (folder / training.CHECKPOINT).exists()


def test_a_damaged_checkpoint_is_explained(
    tiny_pipeline: Path, tmp_path: Path, signal_at: Any
) -> None:
    signal_at(1)
    with pytest.raises(Interrupted):
        fit(tiny_pipeline, tmp_path)
    checkpoint = next(tmp_path.glob(f"*/{training.CHECKPOINT}"))
    content = checkpoint.read_bytes()
    checkpoint.write_bytes(content[: len(content) // 2])
    with pytest.raises(IntegrityError, match=r"Expected a checkpoint.*delete the file"):
        fit(tiny_pipeline, tmp_path)


def test_a_damaged_adapter_is_not_drawn_with(tiny_pipeline: Path, tmp_path: Path) -> None:
    fitted = fit(tiny_pipeline, tmp_path, steps=1)
    fitted.adapter(0).write_bytes(fitted.adapter(0).read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="Expected an adapter with hash"):
        fit(tiny_pipeline, tmp_path, steps=1)
    fitted.adapter(0).unlink()
    with pytest.raises(IntegrityError, match="but got no file"):
        fit(tiny_pipeline, tmp_path, steps=1)


def test_a_loss_that_is_not_finite_is_an_error(tiny_pipeline: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"Expected a finite loss, but got .*use a smaller lr"):
        fit(tiny_pipeline, tmp_path, lr=1e30)


def test_two_processes_do_not_fit_the_same_twice(tiny_pipeline: Path, tmp_path: Path) -> None:
    request = fit_request(tiny_values(tiny_pipeline), steps=1)
    folder = tmp_path / request.key
    folder.mkdir()
    done: list[Fitted] = []
    waiting = threading.Thread(
        target=lambda: done.append(ensure_fit(request, tmp_path, progress=False))
    )
    with FileLock(folder / ".lock"):
        waiting.start()
        waiting.join(timeout=0.5)
        assert waiting.is_alive() and not (folder / "fit.json").exists()
    waiting.join(timeout=60)
    assert [one.key for one in done] == [request.key]
