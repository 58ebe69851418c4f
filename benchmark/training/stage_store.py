"""Trained stages by content: methods that begin alike train what they share once.

A stage's key covers all that decides its weights: the stages before it, its own fields, its rows
and their pixels, the recipe, the backbone, the seed, the components that act in it with their
settings and source code, the loop's source code, torch and the device. What is found under a key
is therefore what training would give, bit by bit. The folder is a cache: it may be deleted at any
time, and the oldest files go when it outgrows its limit.
"""

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.component import Component, Net, Stage
from benchmark.errors import IntegrityError, StorageError
from benchmark.identity import describe_component, plain
from benchmark.paths import cache_root
from benchmark.stack import Stack
from benchmark.system.console import say
from benchmark.system.files import content_hash
from benchmark.system.hardware import cpu_name
from benchmark.training import checkpoints
from benchmark.training.fingerprint import source_hash
from benchmark.training.job import Job, SharedStages, StagePlan

DECIDING = (
    "build", "views", "streams", "mix", "class_weights", "criterion", "loss",
    "start_stage", "after_step", "end_epoch",
)  # fmt: skip
LIMIT_BYTES = 10 * 2**30


@dataclass(frozen=True)
class StageStore(SharedStages):
    """A folder of trained stages.

    Attributes:
        folder: where they are.
        limit: bytes that it may take.
    """

    folder: Path
    limit: int = LIMIT_BYTES

    def keys(self, job: Job, plans: list[StagePlan]) -> list[str]:
        """The key of every stage of a run, each resting on those before it."""
        return stage_keys(job, plans)

    def load(self, key: str, net: Net, job: Job) -> dict[str, Any] | None:
        """Put the weights of a stored stage into ``net``; its progress, or None if there is none.

        A file that cannot be used is deleted, and the stage is trained again.
        """
        path = self._path(key)
        if not path.exists():
            return None
        try:
            saved = checkpoints.load(path, job.device)
            net.load_state_dict(saved["net"])
        except (IntegrityError, KeyError, RuntimeError):
            say("note", f"the stored stage {path} is broken and is trained again")
            path.unlink(missing_ok=True)
            return None
        progress: dict[str, Any] = saved["progress"]
        return progress

    def save(self, key: str, net: Net, progress: dict[str, Any]) -> None:
        """Store a stage that was just trained; a full disk only costs the sharing."""
        path = self._path(key)
        if path.exists():
            return
        try:
            checkpoints.save(path, {"net": net.state_dict(), "progress": progress})
        except StorageError as error:
            say("note", f"the stage is not kept for other methods: {error}")
            return
        self._prune()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.pt"

    def _prune(self) -> None:
        # another process may delete the same file
        with suppress(OSError):
            files = sorted(self.folder.glob("*.pt"), key=lambda path: path.stat().st_mtime)
            size = sum(path.stat().st_size for path in files)
            for path in files[:-1]:
                if size <= self.limit:
                    return
                size -= path.stat().st_size
                path.unlink(missing_ok=True)


def default_store() -> StageStore:
    """The store below the cache root."""
    return StageStore(cache_root() / "stages")


def stage_keys(job: Job, plans: list[StagePlan]) -> list[str]:
    """The content hash of every stage of a run, 32 hex digits each."""
    keys: list[str] = []
    common = _common(job)
    for plan in plans:
        values = {
            "before": keys[-1] if keys else common,
            "stage": _plain(plan.stage, job),
            "steps": [plan.steps, plan.per_epoch],
            "rows": _digest(plan.rows.index),
            "components": [
                _describe(each, hooks) for each, hooks in _acting(job.stack, plan.stage)
            ],
        }
        keys.append(content_hash(values, 32))
    return keys


def _common(job: Job) -> str:
    """What all stages of a run rest on."""
    rows = job.rows
    values = {
        "source": source_hash("benchmark.training.train", "benchmark.models"),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if job.device.type == "cuda" else cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "compile": job.compile,
        "seed": job.seed,
        "task": asdict(job.task),
        "recipe": plain(job.recipe),
        "backbone": plain(job.backbone),
        "views": list(rows.views),
        "rows": _digest(*rows.images.content(), rows.labels, rows.origins),
    }
    return content_hash(values, 32)


def _digest(*tensors: torch.Tensor) -> str:
    state = hashlib.sha256()
    for tensor in tensors:
        state.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        state.update(tensor.cpu().contiguous().numpy().tobytes())
    return state.hexdigest()


def _plain(stage: Stage, job: Job) -> dict[str, Any]:
    decay = stage.weight_decay
    if decay is None:
        decay = job.recipe.optimizer.weight_decay
    return asdict(stage) | {"plain": sorted(stage.plain), "weight_decay": decay}


def _acting(stack: Stack, stage: Stage) -> list[tuple[Component, list[str]]]:
    """The components that decide what a stage does, with the hooks by which they do."""
    hooks: dict[Component, list[str]] = {}
    for hook in DECIDING:
        for part in stack.acting(hook, stage):
            hooks.setdefault(part, []).append(hook)
    # the order in which components of a stack mix is their order in it
    return [(part, hooks[part]) for part in stack.components if part in hooks]


def _describe(part: Component, hooks: list[str]) -> dict[str, Any]:
    module = type(part).__module__
    return describe_component(part) | {"hooks": hooks, "source": source_hash(module)}
