"""Where a training step makes the host wait for the device, found without a GPU.

python -m tests.perf.host_waits [METHOD ...]

The steps run on torch's "meta" device, which computes shapes only. Each operation that would read a
value from a GPU, or copy to it from memory that is not pinned, is noted with its place.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from benchmark.boards.text import escape, markdown_table
from benchmark.data.augmentation import PaddedImages
from benchmark.data.batches import TrainSet
from benchmark.experiments.compose import settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.tiny import tiny_job, tiny_recipe
from benchmark.training.job import Job, Progress, plan_stages
from benchmark.training.optim import stage_optimizer
from benchmark.training.stepping import Stepper
from benchmark.training.train import _batch, _enter_stage, _new_net, _step

META = torch.device("meta")
ROOT = Path(__file__).parents[2]
# their results, or the sizes of their results, are values of the device
READS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2",
         "unique_dim", "unique_consecutive", "bincount", "repeat_interleave")  # fmt: skip


Found = Counter[tuple[str, str]]


class Waits(TorchDispatchMode):
    """Notes what would make the host wait, as (operation, place)."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.found = found

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run the operation, noted if it waits."""
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        if waits(name, args, kwargs):
            self.found[name, place()] += 1
        return func(*args, **kwargs)


class Made(TorchFunctionMode):
    """Notes tensors made of Python numbers on the device, which are copied there."""

    def __init__(self, found: Found) -> None:
        super().__init__()
        self.found = found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Call the function, noted if it copies."""
        kwargs = kwargs or {}
        device = kwargs.get("device")
        if func in (torch.tensor, torch.as_tensor) and device and torch.device(device) == META:
            self.found[func.__name__, place()] += 1
        return func(*args, **kwargs)


@contextmanager
def watched() -> Iterator[Found]:
    """What waits inside the block."""
    found: Found = Counter()
    with Waits(found), Made(found):
        yield found


def waits(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an operation on a GPU in place of the meta device would wait for it."""
    tensors = [each for each in pytree.tree_leaves(args) if isinstance(each, Tensor)]
    there = [each.device.type == "meta" for each in tensors]
    if name == "_to_copy":
        target = torch.device(kwargs.get("device") or tensors[0].device).type
        crosses = there[0] != (target == "meta")
        return crosses and (there[0] or not kwargs.get("non_blocking"))
    if name == "copy_":
        crosses = there[0] != there[1] and tensors[1].dim() > 0
        return crosses and (there[1] or not (len(args) > 2 and args[2]))
    if name in ("index", "index_put_", "index_put"):
        return there[0] and any(
            each.dtype in (torch.bool, torch.uint8) or not on
            for each, on in zip(tensors[1:], there[1:], strict=True)
            if each.dim()
        )
    return name in READS and any(there)


def place() -> str:
    """The innermost line of the suite that is being run."""
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path != Path(__file__):
            return f"{path.relative_to(ROOT)}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "backward"


def on_meta(rows: TrainSet) -> TrainSet:
    """Rows whose pixels, labels and positions are shapes only."""
    images = rows.images
    assert isinstance(images, PaddedImages)
    moved = replace(
        images,
        buffer=images.buffer.to(META),
        scale=images.scale.to(META),
        shift=images.shift.to(META),
    )
    return replace(
        rows,
        images=moved,
        index=rows.index.to(META),
        labels=rows.labels.to(META),
        origins=rows.origins.to(META),
    )


def host_waits(stack: Stack) -> tuple[Found, str]:
    """What waits in two later steps of the first stage, and the error that ended them, if any."""
    with tempfile.TemporaryDirectory() as folder:
        job = tiny_job(stack, Path(folder), recipe=tiny_recipe(batch_size=16))
        plan = plan_stages(stack, job.rows, job.recipe, job.seed)[0]
        net = _enter_stage(job, _new_net(job, "base"), plan)
        return _steps(replace(job, device=META), net.to(META), plan.stage, on_meta(plan.rows))


def _steps(job: Job, net: Any, stage: Any, rows: TrainSet) -> tuple[Found, str]:
    plan = plan_stages(job.stack, job.rows, job.recipe, job.seed)[0]
    stepper = Stepper(job, net, net, stage_optimizer(net, job.recipe, stage), Progress())
    order = torch.arange(16, device=META)

    def take(*numbers: int) -> None:
        for index in numbers:
            step = _step(job, plan, index)
            stepper.take(*_batch(job, rows, step, order, order), step)

    with watched() as found:
        try:
            take(0)
            # what is made once and kept costs nothing later
            found.clear()
            take(1, 2)
        except (RuntimeError, NotImplementedError) as error:
            return found, str(error).splitlines()[0]
    return found, ""


def main() -> None:
    """Print a line for each place, for the methods given or all components."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("methods", nargs="*")
    given = parser.parse_args()
    lines = []
    for name in given.methods or sorted(COMPONENTS.entries):
        found, error = host_waits(settings([f"method={name}"]).stack)
        lines += [[name, what, escape(where), str(n)] for (what, where), n in found.items()]
        if error or not found:
            lines.append([name, "-", escape(error) or "waits nowhere", "0"])
    print(markdown_table(["method", "operation", "place", "times in two steps"], lines, left=3))


if __name__ == "__main__":
    main()
