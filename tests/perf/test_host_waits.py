"""A training step reads nothing from the device; checked on torch's meta device."""

from contextlib import suppress

import pytest
import torch
from torch import Tensor

from benchmark.data.transfers import to_device
from benchmark.experiments.compose import settings
from benchmark.stack import Stack
from tests.perf.host_waits import META, host_waits, waits, watched


def test_a_plain_step_waits_nowhere() -> None:
    assert host_waits(Stack(())) == ({}, "")


@pytest.mark.parametrize("method", ["ldam", "ride", "mixup"])
def test_steps_of_methods_wait_nowhere(method: str) -> None:
    assert host_waits(settings([f"method={method}"]).stack) == ({}, "")


def _reads(values: Tensor) -> object:
    return float(values.sum())


def _picks(values: Tensor) -> object:
    return values[values > 0]


def _sends(values: Tensor) -> object:
    return torch.zeros(3).to(META)


def _fetches(values: Tensor) -> object:
    return values.cpu()


def _makes(values: Tensor) -> object:
    return torch.tensor([1.0, 2.0], device=META)


@pytest.mark.parametrize("work", [_reads, _picks, _sends, _fetches, _makes])
def test_what_waits_is_noted(work: object) -> None:
    with watched() as found, suppress(RuntimeError, NotImplementedError):
        work(torch.zeros(3, device=META))  # type: ignore[operator]
    assert sum(found.values()) == 1


def test_work_on_one_side_and_copies_that_do_not_wait_are_not_noted() -> None:
    with watched() as found:
        to_device(torch.zeros(3), META)
        (torch.rand(4) > 0.5).nonzero()
        float(torch.ones(2).sum())
        values = torch.zeros(3, device=META)
        values[torch.zeros(2, dtype=torch.int64, device=META)] = values.mean()
    assert not found
    assert waits("nonzero", (torch.zeros(2, device=META),), {})


def test_a_tensor_that_is_there_is_not_copied() -> None:
    here = torch.zeros(3)
    assert to_device(here, torch.device("cpu")) is here
    assert to_device(here, META).device == META
