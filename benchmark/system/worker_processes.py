"""Several processes at one piece of work, which stop together."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

# what is passed on for each; a process saves what it has on the first two
PASSED_ON = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}
Workers = list["subprocess.Popen[bytes]"]
Environment = Mapping[str, str]
_POLL_SECONDS = 0.05


def run_all(commands: Sequence[Sequence[str]], places: Sequence[Environment] = ()) -> int:
    """Run commands side by side and wait for all of them; their standard output is dropped.

    Ctrl-C, SIGTERM and SIGHUP are passed on to each, so that they can save what they have.

    Args:
        commands: at least one.
        places: for each command, what is added to its environment.

    Returns:
        the highest exit code; 128 plus the signal's number for a process that a signal killed.

    Raises:
        KeyboardInterrupt: a signal came; all processes have ended.
    """
    codes: list[int] = []
    run_each(
        iter(commands), list(places) or [{}] * len(commands), lambda _, code: codes.append(code)
    )
    return max(codes)


def run_each(
    commands: Iterator[Sequence[str]],
    places: Sequence[Environment],
    ended: Callable[[Sequence[str], int], None],
) -> None:
    """Run commands in processes of their own, as many at once as there are places.

    Args:
        commands: asked for the next one whenever a place is free.
        places: what is added to the environment of the process at each place.
        ended: called with each command and its exit code, as in ``run_all``.

    Raises:
        KeyboardInterrupt: a signal came; all processes have ended, and no other was begun.
    """
    running: dict[int, tuple[Sequence[str], Environment]] = {}
    workers: Workers = []
    free, more = list(places), True
    with _passing_on(workers) as came:
        while more or workers:
            if more and free and not came:
                command = next(commands, None)
                more = command is not None
                if command is not None:
                    worker = _begin(command, free[0])
                    running[worker.pid] = command, free.pop(0)
                    workers.append(worker)
                continue
            time.sleep(_POLL_SECONDS)
            more = more and not came
            for worker in [each for each in workers if each.poll() is not None]:
                workers.remove(worker)
                command, place = running.pop(worker.pid)
                free.append(place)
                ended(command, _code(worker.returncode))
    if came:
        raise KeyboardInterrupt


def _begin(command: Sequence[str], place: Environment) -> "subprocess.Popen[bytes]":
    # in groups of their own: of two signals, the terminal's and the one passed on, the second
    # would not let them save
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, process_group=0, env={**os.environ, **place}
    )


def _code(code: int) -> int:
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on(workers: Workers) -> Iterator[list[int]]:
    """Signals inside the block go to the workers; which ones came.

    Outside the main thread, where Python allows no handlers, none is seen.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(PASSED_ON[signal.Signals(number)])

    before = {number: signal.signal(number, handle) for number in PASSED_ON}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
