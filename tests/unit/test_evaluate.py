"""Evaluation: plain module in, logits out."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.component import linear_net
from benchmark.config import BackboneConfig
from benchmark.data.augmentation import unpadded
from benchmark.models import build_backbone
from benchmark.tiny import MEAN, STD, random_images, tiny_task
from benchmark.training import evaluate
from benchmark.training.memory import rows_in_cache

CPU = torch.device("cpu")


class Spy(nn.Module):
    """Notes how it was called and answers with channel means."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.modes: set[tuple[bool, bool]] = set()

    def forward(self, images: Tensor) -> Tensor:
        """Channel means in half precision."""
        self.sizes.append(len(images))
        self.modes.add((self.training, torch.is_inference_mode_enabled()))
        return images.mean((2, 3)).half()


def test_logits_are_float32_and_in_the_order_of_the_images() -> None:
    images = random_images(5, 0)
    got = evaluate.logits(Spy(), images, MEAN, STD, CPU)
    expected = (images.mean((1, 2)) / 255 - 0.5) / 0.25
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=2e-3)


@pytest.mark.parametrize(
    ("n", "sizes"), [(1, [1]), (500, [500]), (501, [500, 1]), (1100, [500, 500, 100])]
)
def test_every_image_is_evaluated_once_in_batches(n: int, sizes: list[int]) -> None:
    spy = Spy()
    assert evaluate.logits(spy, random_images(n, 0), MEAN, STD, CPU).shape == (n, 3)
    assert spy.sizes == sizes


def test_the_module_is_in_evaluation_mode_without_gradients() -> None:
    spy = Spy()
    evaluate.logits(spy, random_images(2, 0), MEAN, STD, CPU)
    assert spy.modes == {(False, True)}


def test_logits_do_not_depend_on_the_other_images_of_the_batch() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten())
    images = random_images(6, 0)
    whole = evaluate.logits(net, images, MEAN, STD, CPU)
    alone = evaluate.logits(net, images[3:4], MEAN, STD, CPU)
    np.testing.assert_allclose(whole[3:4], alone, atol=1e-6)


def test_evaluation_changes_no_statistics() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten())
    evaluate.logits(net, random_images(6, 0), MEAN, STD, CPU)
    assert not net[0].running_mean.any()
    assert int(net[0].num_batches_tracked) == 0


def test_read_only_and_strided_images_are_accepted() -> None:
    images = random_images(6, 0)
    images.setflags(write=False)
    got = evaluate.logits(Spy(), images[::2], MEAN, STD, CPU)
    np.testing.assert_array_equal(got, evaluate.logits(Spy(), images[::2].copy(), MEAN, STD, CPU))


def test_on_a_cpu_large_images_pass_in_batches_that_fit_the_cache() -> None:
    spy = Spy()
    images = np.zeros((230, 32, 32, 3), np.uint8)
    assert evaluate.logits(spy, images, MEAN, STD, CPU).shape == (230, 3)
    assert spy.sizes == [100, 100, 30]
    assert [rows_in_cache(size, CPU) for size in (8, 64, 224)] == [1600, 25, 8]
    assert rows_in_cache(32, torch.device("cuda")) is None


def test_the_batches_of_a_residual_network_do_not_change_its_logits() -> None:
    net = linear_net(build_backbone(BackboneConfig(name="cifar_resnet8")), tiny_task((1,) * 10))
    net = net.to(memory_format=torch.channels_last)
    images = np.random.default_rng(0).integers(0, 256, (130, 32, 32, 3), dtype=np.uint8)
    found = evaluate.logits(net, images, MEAN, STD, CPU)
    shown = unpadded(torch.from_numpy(images), MEAN, STD)
    with torch.inference_mode():
        whole = net.eval()(shown.normalise(shown.buffer)).numpy()
    np.testing.assert_allclose(found, whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.argmax(1), whole.argmax(1))
