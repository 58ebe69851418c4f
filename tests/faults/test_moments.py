"""Stopped at any moment: killed, asked twice, left by its parent; the same command then goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.integrity.sweep import sweep
from tests.conftest import ROOT
from tests.fixtures.places import Place

# a process of its own sends the signals, so that they come at any moment
SEND = """
import os, time
parent = os.getpid()
if os.fork() == 0:
    for delay in {delays}:
        time.sleep(delay)
        os.kill(parent, {number})
    os._exit(0)
"""


def stopped(place: Place, number: int, *delays: float) -> tuple[int, str]:
    """The command of ``Place``, with signals after some delays in seconds."""
    before = SEND.format(delays=list(delays), number=int(number))
    done = place.run(before=before)
    return done.code, done.err


def sound(place: Place) -> None:
    """No file that can be read is broken, whatever the moment was."""
    assert sweep([place.folder]).problems == []


def test_killed_at_random_moments(
    place: Place, undisturbed: Place, request: pytest.FixtureRequest
) -> None:
    repeats = 60 if request.config.getoption("--slow") else 3
    rng, kills = random.Random(3), 0
    for _ in range(repeats):
        code, err = stopped(place, signal.SIGKILL, rng.uniform(0.02, 1.2))
        assert code in (0, -signal.SIGKILL), err
        kills += code != 0
        sound(place)
        if code == 0:
            assert place.numbers() == undisturbed.numbers()
            # begin anew, with the images that are there
            [path] = place.files("record.json")
            path.unlink()
    assert kills
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_at_random_moments(number: int, place: Place, undisturbed: Place) -> None:
    rng = random.Random(number)
    for _ in range(40):
        code, err = stopped(place, number, rng.uniform(0.02, 1.0))
        assert code in (0, 130, -signal.SIGTERM), err
        assert "Traceback" not in err
        sound(place)
        if code == 0:
            [path] = place.files("record.json")
            path.unlink()
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


def test_asked_twice_it_stops_at_once(place: Place, undisturbed: Place) -> None:
    code, err = stopped(place, signal.SIGINT, 0.3, 0.01, 0.01)
    assert code in (0, 130), err
    assert "Traceback" not in err and "this is a bug" not in err
    sound(place)
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


@pytest.mark.slow
def test_a_terminal_that_is_closed_is_a_kill(place: Place, undisturbed: Place) -> None:
    code, _ = stopped(place, signal.SIGHUP, 0.3)
    assert code in (0, -signal.SIGHUP)
    sound(place)
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


# processes of processes

ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def alive(folder: Path) -> list[int]:
    """Processes of this suite that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command = (path / "cmdline").read_bytes()
            if (path / "cwd").readlink() == folder and b"python" in command:
                found.append(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["parent", "worker"])
def test_two_workers_of_which_one_process_dies(
    victim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    words = ("grid=matrix", "rows=none", "columns=CE,mixup", "seeds=1", "recipe.steps.amount=300",
             "share_stages=false", "progress=false", "threads=1", "workers=2")  # fmt: skip
    command = [sys.executable, "-m", "benchmark", "run", *words]
    env = os.environ | ENVIRONMENT | {"SYNAUG_BENCH_CACHE": str(tmp_path / "cache")}
    child = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    begun = 0
    for line in child.stderr:
        begun += line.startswith("component")
        if begun == 2:
            break
    workers = [number for number in alive(tmp_path) if number != child.pid]
    assert workers
    os.kill(child.pid if victim == "parent" else workers[-1], signal.SIGKILL)
    rest = child.stderr.read()
    child.stderr.close()
    code = child.wait(timeout=300)
    assert code != 0, rest
    deadline = time.monotonic() + 120
    while alive(tmp_path):
        assert time.monotonic() < deadline, "workers outlive their parent"
        time.sleep(0.2)
    assert sweep([tmp_path]).problems == []
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    records = sorted(tmp_path.rglob("record.json"))
    assert len(records) == 2
    assert all(json.loads(path.read_text())["seed"] == 0 for path in records)
