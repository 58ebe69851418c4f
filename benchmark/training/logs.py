"""Curves go to the history file always, and to wandb where asked; wandb never breaks a run."""

import logging
from pathlib import Path
from typing import Any, Protocol

_LOG = logging.getLogger("synaug_bench")


class Logger(Protocol):
    """Where rows of a training curve go besides the history file."""

    def log(self, row: dict[str, Any]) -> None:
        """One row: stage, epoch, step, loss, learning rate, speed."""

    def finish(self, summary: dict[str, Any]) -> None:
        """The final metrics."""


class NullLogger:
    """Logs nowhere."""

    def log(self, row: dict[str, Any]) -> None:
        """Drop the row."""

    def finish(self, summary: dict[str, Any]) -> None:
        """Drop the summary."""


class WandbLogger:
    """Logs to wandb, online or offline; its first failure is reported once and then ignored."""

    def __init__(self, mode: str, folder: Path, name: str, config: dict[str, Any]) -> None:
        self._run: Any = None
        self._guard(self._start, mode, folder, name, config)

    def _start(self, mode: str, folder: Path, name: str, config: dict[str, Any]) -> None:
        import wandb

        self._run = wandb.init(
            project="synaug-bench",
            mode="online" if mode == "online" else "offline",
            dir=str(folder),
            name=name,
            config=config,
        )

    def _guard(self, call: Any, *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as error:  # wandb is optional: whatever it raises, the run goes on
            self._run = None
            _LOG.warning("wandb is off for this run: %s: %s", type(error).__name__, error)

    def log(self, row: dict[str, Any]) -> None:
        """Send one row."""
        if self._run is not None:
            self._guard(self._run.log, row)

    def finish(self, summary: dict[str, Any]) -> None:
        """Send the final metrics and close."""
        if self._run is not None:
            self._guard(self._run.summary.update, summary)
        if self._run is not None:
            self._guard(self._run.finish)


def make_logger(mode: str, folder: Path, name: str, config: dict[str, Any]) -> Logger:
    """The logger for a wandb mode: "disabled", "offline" or "online"."""
    return NullLogger() if mode == "disabled" else WandbLogger(mode, folder, name, config)
