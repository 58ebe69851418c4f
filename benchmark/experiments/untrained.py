"""A run's network as its stages make it, without a step taken: what saved weights are put into."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.component import Net
from benchmark.training.job import Job, SharedStages, StagePlan
from benchmark.training.train import train


class Untrained(SharedStages):
    """Takes every stage over from nowhere, so that the network is as its stages make it."""

    def keys(self, job: Job, plans: list[StagePlan]) -> list[str]:
        """The stages' names."""
        return [plan.stage.name for plan in plans]

    def load(self, key: str, net: Net, job: Job) -> dict[str, Any]:
        """Leave the network as it is, and say that this took nothing."""
        return {"seconds": 0.0, "input_seconds": 0.0, "history": []}

    def save(self, key: str, net: Net, took: dict[str, Any]) -> None:
        """Never called: no stage is trained."""
        raise AssertionError("no stage is trained")


def untrained(job: Job) -> Net:
    """The network that ``train(job)`` would train, with the modules that its stages attach."""
    with tempfile.TemporaryDirectory() as folder:
        net, _, _ = train(replace(job, shared=Untrained(), folder=Path(folder)))
    return net
