"""Compiled networks: which calls run compiled code, and that results are those of the network."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.component import linear_net
from benchmark.models import build_backbone
from benchmark.stack import Stack
from benchmark.tiny import tiny_job, tiny_recipe
from benchmark.training.compiling import OneSize, compiled
from benchmark.training.job import Job
from benchmark.training.train import train


class Twice(nn.Module):
    """Notes the sizes it was called with; an output and a list of one."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.out = torch.zeros(0)

    def forward(self, images: Tensor) -> Any:
        """Its input twice, in the same memory each time, as a replayed graph does."""
        self.sizes.append(len(images))
        self.out = images * 2
        return {"logits": self.out, "more": [self.out]}


def test_only_whole_batches_run_compiled_code() -> None:
    written, code = Twice(), Twice()
    net = OneSize(written, code, 4, copied=False)
    for size in (4, 3, 8, 1):
        net(torch.ones(size))
    assert (code.sizes, written.sizes) == ([4, 8], [3, 1])


def test_all_but_the_call_is_the_network_s_own() -> None:
    net = OneSize(Twice(), None, 4, copied=False)
    assert net.sizes == []
    with pytest.raises(AttributeError):
        net.wings  # noqa: B018


def test_outputs_of_replayed_graphs_are_copied() -> None:
    code = Twice()
    found = OneSize(Twice(), code, 4, copied=True)(torch.ones(4))
    code.out.zero_()
    assert torch.equal(found["logits"], torch.full((4,), 2.0))
    assert torch.equal(found["more"][0], torch.full((4,), 2.0))


def _job(folder: Path, **changes: Any) -> Job:
    # 49 + 10 rows: an epoch ends with a smaller batch
    recipe = tiny_recipe(batch_size=16, steps=8)
    return tiny_job(Stack(()), folder, recipe=recipe, **changes)


@pytest.mark.slow
def test_compiled_training_differs_in_rounding_only(tmp_path: Path) -> None:
    plain, _, _ = train(_job(tmp_path / "a"))
    fast, progress, _ = train(_job(tmp_path / "b", compile=True))
    assert progress.step == 8
    for name, weights in plain.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], weights, rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_a_compiled_network_gives_gradients(tmp_path: Path) -> None:
    job = _job(tmp_path)
    net: Any = linear_net(build_backbone(job.backbone), job.task)
    runner = compiled(net, 4, torch.device("cpu"))
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    runner(images).sum().backward()
    assert all(each.grad is not None for each in net.parameters())
    assert runner(images[:3]).shape == (3, 10)
