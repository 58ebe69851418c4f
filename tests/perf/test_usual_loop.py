"""The loop that ours is compared with does the same sums; ratios are asserted with wide margins."""

import copy

import numpy as np
import pytest
import torch

from benchmark.config import AugmentationConfig
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.models.cifar_resnet import BasicBlock
from benchmark.tiny import MEAN, STD
from benchmark.training import evaluate
from tests.perf.evaluation_speed import folded
from tests.perf.input_share import CLASSES, CPU, SuiteLoop, cifar_pixels
from tests.perf.training_speed import ratios
from tests.perf.usual_loop import (
    PilRows,
    UsualLoop,
    augmented,
    plain,
    sgd,
    usual_net,
    usual_predictions,
)

pytestmark = pytest.mark.usefixtures("one_thread")

NET = "cifar_resnet8"


def test_two_steps_equal_ours_on_equal_pixels() -> None:
    images, labels = cifar_pixels(64)
    no_changes = AugmentationConfig(pad=0, flip=0.0)
    ours = SuiteLoop(
        NET, train_set([Part("real", images, labels)], MEAN, STD, no_changes, ("weak",), CPU), 32
    )
    net = usual_net(NET, CLASSES)
    net.load_state_dict(ours.net.state_dict())
    settings = ours.job.recipe.optimizer
    optimizer = sgd(net, settings.lr, settings.weight_decay)
    rows = PilRows(images, labels, plain(MEAN, STD))
    theirs = UsualLoop(net, rows, optimizer, 32, shuffle=False)
    theirs.take(2)
    losses = [float(ours.one(torch.arange(first, first + 32))) for first in (0, 32)]
    assert losses == pytest.approx(theirs.losses, rel=1e-5)
    assert 0 <= theirs.right <= 64
    for name, weights in net.state_dict().items():
        torch.testing.assert_close(ours.net.state_dict()[name], weights, rtol=1e-4, atol=1e-5)


def test_its_images_are_crops_of_the_padded_ones() -> None:
    image = np.arange(32 * 32 * 3, dtype=np.int64).astype(np.uint8).reshape(1, 32, 32, 3)
    rows = PilRows(image, np.zeros(1, np.int64), augmented((0.0,) * 3, (1.0,) * 3))
    padded = np.pad(image[0], ((4, 4), (4, 4), (0, 0)))
    windows = [padded[y : y + 32, x : x + 32] for y in range(9) for x in range(9)]
    torch.manual_seed(0)
    for _ in range(5):
        shown = np.rint(rows[0][0].numpy().transpose(1, 2, 0) * 255).astype(np.uint8)
        found = [np.array_equal(shown, w) or np.array_equal(shown, w[:, ::-1]) for w in windows]
        assert any(found)


def test_its_predictions_are_ours() -> None:
    images, labels = cifar_pixels(150)
    net = usual_net(NET, CLASSES)
    theirs = usual_predictions(net, PilRows(images, labels, plain(MEAN, STD)))
    ours = evaluate.logits(net, images, MEAN, STD, CPU).argmax(1)
    assert (theirs == ours).mean() > 0.99


def test_our_loop_is_no_slower_than_the_usual_one() -> None:
    """Even for ResNet-8, whose steps are six times cheaper than those of ResNet-32."""
    # bf16 is among them where the processor has it
    fp32, *bf16 = ratios(NET, rounds=3, steps=1)
    assert fp32.value > 0.9
    assert all(each.value > 0.7 for each in bf16)


def test_folding_batch_norm_changes_rounding_only() -> None:
    net = usual_net(NET, CLASSES).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(1))
    before = copy.deepcopy(net)
    made = folded(net)
    block = next(each for each in made.modules() if isinstance(each, BasicBlock))
    assert isinstance(block.bn1, torch.nn.Identity)
    images, _ = cifar_pixels(20)
    expected = evaluate.logits(before, images, MEAN, STD, CPU)
    found = evaluate.logits(made, images, MEAN, STD, CPU)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def test_the_loop_that_is_measured_trains() -> None:
    loop = SuiteLoop(NET, _rows(), 32)
    first = float(loop.take(2))
    for _ in range(4):
        last = float(loop.take(2))
    assert last < first


def _rows() -> TrainSet:
    images, labels = cifar_pixels(64)
    changes = AugmentationConfig(pad=4, flip=0.5)
    return train_set([Part("real", images, labels)], MEAN, STD, changes, ("weak",), CPU)
