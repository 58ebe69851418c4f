"""Loss and speed of a stage: progress bar, history rows, logger."""

import csv
import io
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark.component import Step
from benchmark.errors import Diverged
from benchmark.system.files import write_text
from benchmark.system.progress import Tracker
from benchmark.training.job import Job, Progress, StagePlan


class Curve:
    """The curve of one stage; sums stay on the device."""

    def __init__(self, job: Job, plan: StagePlan, progress: Progress) -> None:
        self.job, self.plan, self.progress = job, plan, progress
        # double, so that a sum kept in a checkpoint goes on exactly
        self.sum = torch.tensor(progress.loss_sum, dtype=torch.float64, device=job.device)
        self.count, self.images = progress.loss_count, 0
        self.begun = time.perf_counter()
        self.note = ""
        self.bar = Tracker(
            plan.stage.name, plan.steps, "steps", done=progress.step, enabled=job.progress
        )

    def add(self, loss: Tensor, lr: float, step: Step, images: int) -> None:
        """Count a step, and close the epoch's row where it ends."""
        self.sum, self.count, self.images = self.sum + loss, self.count + 1, self.images + images
        self.bar.advance(1, self.note)
        last = step.index + 1
        if last % self.plan.per_epoch == 0 or last == self.plan.steps:
            self._epoch(lr, step)

    def _epoch(self, lr: float, step: Step) -> None:
        loss = self._finite(float(self.sum / self.count), step)
        speed = self.images / max(time.perf_counter() - self.begun, 1e-9)
        row = {"stage": step.stage.name, "epoch": step.epoch + 1, "step": step.index + 1,
               "loss": round(loss, 6), "lr": lr, "images_per_s": round(speed, 1)}  # fmt: skip
        self.progress.history.append(row)
        self.job.logger.log(row)
        self.note = f"loss {loss:.3f} {speed:,.0f} images/s"
        self.sum, self.count, self.images = torch.zeros_like(self.sum), 0, 0
        self.begun = time.perf_counter()

    def _finite(self, loss: float, step: Step) -> float:
        if math.isfinite(loss):
            return loss
        self.close()
        raise Diverged(
            f"The loss became {loss} in epoch {step.epoch + 1} of stage '{step.stage.name}'",
            where=self.job.folder,
            todo="lower recipe.optimizer.lr, or use recipe.precision=fp32",
        )

    def keep(self, step: Step) -> None:
        """Keep the epoch's sums with the run's state, which is about to be saved.

        Raises:
            Diverged: a loss of the epoch was not finite.
        """
        self.progress.loss_sum = self._finite(float(self.sum), step)
        self.progress.loss_count = self.count

    def close(self) -> None:
        """Remove the bar."""
        self.bar.__exit__(None, None, None)


def write_history(path: Path, rows: list[dict[str, Any]]) -> None:
    """The loss curve as CSV: stage, epoch, step, loss, lr, images_per_s."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    write_text(path, text.getvalue())
