"""Speed of the input path and of the loop; ratios are asserted, seconds never."""

import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmark.component import Stage
from benchmark.data.augmentation import pad_images
from benchmark.tiny import MEAN, STD, tiny_recipe
from benchmark.training.optim import stage_optimizer
from tests.perf.input_share import bare_step, cifar_rows, make_batch, measure, new_net

pytestmark = pytest.mark.usefixtures("one_thread")


def test_making_a_batch_of_128(benchmark: BenchmarkFixture) -> None:
    rows = cifar_rows()
    made = benchmark.pedantic(make_batch, args=(rows, 1), rounds=20, warmup_rounds=2)
    assert made.images.shape == (128, 3, 32, 32)


def test_a_bare_step_of_resnet32(benchmark: BenchmarkFixture) -> None:
    net, batch = new_net("cifar_resnet32"), make_batch(cifar_rows(), 0)
    optimizer = stage_optimizer(net, tiny_recipe(), Stage("base"))
    benchmark.pedantic(bare_step, args=(net, batch, optimizer), rounds=2, warmup_rounds=1)
    assert net.head.weight.grad is not None


def test_the_input_path_is_a_small_part_of_a_step_even_of_a_small_network() -> None:
    """A twentieth would be 5 %; ResNet-8 is six times cheaper than ResNet-32."""
    found = measure("cifar_resnet8", rounds=3, steps=1)
    assert found.input_share < 0.2


def test_cropping_reads_windows_without_copying_the_images() -> None:
    images = torch.zeros(64, 32, 32, 3, dtype=torch.uint8)
    padded = pad_images(images, 4, MEAN, STD)
    assert padded.windows.untyped_storage().data_ptr() == padded.buffer.untyped_storage().data_ptr()
    assert padded.windows.shape == (64, 9, 9, 32, 96)


def test_a_batch_costs_no_more_from_many_rows_than_from_few() -> None:
    few, many = cifar_rows(256), cifar_rows(8000)
    times: dict[int, list[float]] = {256: [], 8000: []}
    for index in range(15):
        for rows in (few, many):
            begin = time.process_time()
            rows.batch(torch.arange(128), torch.Generator().manual_seed(index))
            times[len(rows)].append(time.process_time() - begin)
    assert min(times[8000]) < 5 * min(times[256])
