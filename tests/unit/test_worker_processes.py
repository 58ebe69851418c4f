"""Several processes that end together."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.system.worker_processes import run_all, run_each

# says that it is there, and ends by itself after a minute
WAITS = """
import pathlib, signal, sys, time
def stop(number, frame):
    pathlib.Path(sys.argv[1] + ".got").open("a").write(f"{number} ")
    sys.exit(130)
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, stop)
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
"""


def python(code: str, *args: object) -> list[str]:
    return [sys.executable, "-c", code, *map(str, args)]


@pytest.mark.parametrize(
    ("codes", "expected"), [([0], 0), ([0, 0], 0), ([0, 3], 3), ([4, 0, 2], 4), ([5, 5], 5)]
)
def test_the_highest_exit_code_counts(codes: list[int], expected: int) -> None:
    assert run_all([python(f"raise SystemExit({code})") for code in codes]) == expected


def test_a_killed_process_is_no_success() -> None:
    killed = python(f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert run_all([killed, python("")]) == 137


def test_they_run_side_by_side(tmp_path: Path) -> None:
    # each waits for the other's file
    code = (
        "import pathlib, sys, time; own, other = map(pathlib.Path, sys.argv[1:]); own.touch()\n"
        "for _ in range(600):\n"
        "    if other.exists(): raise SystemExit(0)\n"
        "    time.sleep(.05)\n"
        "raise SystemExit(1)"
    )
    names = (tmp_path / "a", tmp_path / "b")
    assert run_all([python(code, *names), python(code, *reversed(names))]) == 0


def test_what_they_print_is_dropped_and_their_errors_are_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    run_all([python("import sys; print('out'); print('err', file=sys.stderr)")])
    assert capfd.readouterr() == ("", "err\n")


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (signal.SIGINT, signal.SIGINT),
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGHUP, signal.SIGTERM),
    ],
)
def test_a_signal_reaches_each_once_and_all_end(
    sent: signal.Signals, got: signal.Signals, tmp_path: Path
) -> None:
    names = [tmp_path / "a", tmp_path / "b"]
    before = signal.getsignal(sent)

    def send() -> None:
        while not all(name.exists() for name in names):
            time.sleep(0.02)
        os.kill(os.getpid(), sent)

    thread = threading.Thread(target=send)
    thread.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_all([python(WAITS, name) for name in names])
    thread.join()
    assert time.monotonic() - begun < 50
    assert [(tmp_path / f"{name.name}.got").read_text() for name in names] == [f"{int(got)} "] * 2
    assert signal.getsignal(sent) == before


def test_outside_the_main_thread_it_runs_as_well() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(run_all([python("raise SystemExit(3)")])))
    thread.start()
    thread.join()
    assert found == [3]


def test_each_place_takes_the_next_command(tmp_path: Path) -> None:
    # no more at once than places, and each process sees what its place adds
    code = (
        "import os, pathlib, sys, time; own = pathlib.Path(sys.argv[1]); own.touch()\n"
        "time.sleep(.2); own.unlink()\n"
        "raise SystemExit(int(os.environ['PLACE']))"
    )
    at_once: list[int] = []

    def commands() -> Iterator[list[str]]:
        for number in range(5):
            at_once.append(len(list(tmp_path.iterdir())))
            yield python(code, tmp_path / str(number))

    ended: list[int] = []
    run_each(commands(), [{"PLACE": "3"}, {"PLACE": "4"}], lambda _, code: ended.append(code))
    assert sorted(set(ended)) == [3, 4] and len(ended) == 5
    assert max(at_once) <= 2


def test_nothing_is_begun_after_a_signal(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    begun = iter([python(WAITS, mark), python("")])
    asked: list[int] = []

    def commands() -> Iterator[list[str]]:
        for command in begun:
            asked.append(1)
            yield command

    timer = threading.Timer(0.1, _signal_when_there, [mark])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        run_each(commands(), [{}], lambda *_: None)
    timer.join()
    assert len(asked) == 1
    assert mark.with_suffix(".got").read_text() == f"{int(signal.SIGTERM)} "


def _signal_when_there(mark: Path) -> None:
    while not mark.exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
