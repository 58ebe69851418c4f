"""Ctrl-C and SIGTERM as a flag that is looked at between batches."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopFlag:
    """Whether somebody asked to stop; a second request stops at once, unless it is patient.

    torchrun passes on a request that the terminal already brought to every process.
    """

    def __init__(self, patient: bool = False) -> None:
        self.raised, self.patient = False, patient

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        """Note the request (this is the signal handler)."""
        if self.raised and not self.patient:
            raise KeyboardInterrupt
        self.raised = True


@contextmanager
def stop_flag(patient: bool = False) -> Iterator[StopFlag]:
    """A flag set by SIGINT and SIGTERM inside the block; handlers are put back after it.

    Outside the main thread, where Python allows no handlers, the flag is never set.
    """
    flag = StopFlag(patient)
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, flag) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
