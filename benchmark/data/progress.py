"""A progress bar with time left, shown only on a terminal and only for work over two seconds."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SHOW_AFTER = 2.0


class Bar:
    """Counts rows of one piece of work.

    Args:
        title: what is being done.
        total: rows in all.
        enabled: False never shows a bar.
    """

    def __init__(self, title: str, total: int, *, enabled: bool) -> None:
        self._enabled = enabled and sys.stderr.isatty()
        self._start, self._shown = time.monotonic(), False
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown:
            self._bar.stop()

    def advance(self, rows: int = 1) -> None:
        """Count ``rows`` more as done."""
        self._bar.advance(self._task, rows)
        late = time.monotonic() - self._start > _SHOW_AFTER
        if self._enabled and late and not self._shown:
            self._bar.start()
            self._shown = True
