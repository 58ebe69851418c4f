"""Progress with a rate and the time left, for work of more than two seconds.

A terminal gets a bar; a log file gets a line a minute.
"""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from benchmark.system.console import duration, say

if TYPE_CHECKING:
    from rich.progress import Progress

SHOW_AFTER = 2.0
LINE_EVERY = 60.0


class Tracker:
    """Counts units of work.

    Args:
        what: the work, in a word or two.
        total: units to do in all.
        unit: plural name of a unit.
        done: units done before this process began.
        enabled: False shows nothing.
    """

    def __init__(
        self, what: str, total: int, unit: str, *, done: int = 0, enabled: bool = True
    ) -> None:
        self.what, self.total, self.unit, self.enabled = what, total, unit, enabled
        self.begun_with = self.done = done
        self.start = self.last_line = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def grow(self, more: int) -> None:
        """Raise the total."""
        self.total += more

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count ``units`` as done; ``note`` is shown beside the rate."""
        self.done += units
        if not self.enabled:
            return
        now = time.monotonic()
        if sys.stderr.isatty():
            self._show(now, note)
        elif now - self.last_line > LINE_EVERY:
            self.last_line = now
            say(self.what, f"{self.done:,} of {self.total:,} {self.unit}, {self._rate(now)}, "
                f"{duration(self._left(now))} left{', ' + note if note else ''}")  # fmt: skip

    def _speed(self, now: float) -> float:
        return (self.done - self.begun_with) / max(now - self.start, 1e-9)

    def _rate(self, now: float) -> str:
        return f"{self._speed(now):,.1f} {self.unit}/s"

    def _left(self, now: float) -> float:
        return (self.total - self.done) / max(self._speed(now), 1e-9)

    def _show(self, now: float, note: str) -> None:
        if self._bar is None and now - self.start > SHOW_AFTER:
            self._bar = _bar()
            self._task = self._bar.add_task(self.what, note="", total=self.total)
        if self._bar is not None:
            text = f"{self._rate(now)} {note}"
            self._bar.update(self._task, completed=self.done, total=self.total, note=text)


def _bar() -> "Progress":
    # imported where a bar is drawn: rich takes longer to import than most verbs run
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
        refresh_per_second=4,
    )
    bar.start()
    return bar
