"""Several processes at one piece of work, which stop together."""

import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

# what is passed on for each; a process saves what it has on the first two
PASSED_ON = {
    signal.SIGINT: signal.SIGINT,
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
}
Workers = list["subprocess.Popen[bytes]"]


def run_all(commands: Sequence[Sequence[str]]) -> int:
    """Run commands side by side and wait for all of them; their standard output is dropped.

    Ctrl-C, SIGTERM and SIGHUP are passed on to each, so that they can save what they have.

    Args:
        commands: at least one.

    Returns:
        the highest exit code; 128 plus the signal's number for a process that a signal killed.

    Raises:
        KeyboardInterrupt: a signal came; all processes have ended.
    """
    workers: Workers = []
    with _passing_on(workers) as came:
        for command in commands:
            if not came:
                # in groups of their own: of two signals, the terminal's and the one passed on, the
                # second would not let them save
                workers.append(
                    subprocess.Popen(command, stdout=subprocess.DEVNULL, process_group=0)
                )
        codes = [worker.wait() for worker in workers]
    if came:
        raise KeyboardInterrupt
    return max(code if code >= 0 else 128 - code for code in codes)


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
