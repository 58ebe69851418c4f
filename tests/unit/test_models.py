"""Backbones: parameter counts, shapes, initialisation, clear errors."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from baselines.ldam import LDAM
from benchmark.component import Task, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.models import build_backbone
from benchmark.models.cifar_resnet import BasicBlock
from benchmark.tiny import tiny_task


def backbone(name: str, **options: object) -> nn.Module:
    return build_backbone(BackboneConfig(name=name, options=options))


def size(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def problem(classes: int) -> Task:
    return tiny_task((1,) * classes)


@pytest.mark.parametrize(("classes", "expected"), [(10, 464_154), (100, 470_004), (200, 476_504)])
def test_resnet32_has_the_published_size(classes: int, expected: int) -> None:
    assert size(linear_net(backbone("cifar_resnet32"), problem(classes))) == expected


@pytest.mark.parametrize(("classes", "expected"), [(10, 464_144), (100, 469_904)])
def test_resnet32_with_a_cosine_head_has_the_published_size(classes: int, expected: int) -> None:
    ldam = LDAM(LDAM.Config(max_margin=0.5, scale=30, prior="real"), "ldam")
    assert size(ldam.build(backbone("cifar_resnet32"), problem(classes))) == expected


def test_resnet18_for_64_pixels_has_eleven_million_parameters() -> None:
    net = linear_net(backbone("cifar_stem_resnet18"), problem(200))
    assert size(net) / 1e6 == pytest.approx(11.27, abs=0.01)
    assert net(torch.zeros(2, 3, 64, 64)).shape == (2, 200)


def test_resnet50_has_the_published_size() -> None:
    assert size(backbone("resnet50")) == 23_508_032


@pytest.mark.parametrize("name", ["cifar_resnet8", "cifar_resnet20"])
def test_features_have_the_declared_width(name: str) -> None:
    net = backbone(name).eval()
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, net.num_features)


def test_a_shortcut_takes_every_second_pixel_and_pads_channels_on_both_sides() -> None:
    block, x = BasicBlock(2, 4, 2), torch.randn(1, 2, 4, 4)
    got = block.shortcut(x)
    assert got.shape == (1, 4, 2, 2)
    assert torch.equal(got[:, 1:3], x[:, :, ::2, ::2])
    assert not got[:, [0, 3]].any()


def test_a_block_computes_two_convolutions_and_the_shortcut() -> None:
    block, x = BasicBlock(2, 2, 1).eval(), torch.randn(3, 2, 5, 5)
    first = functional.relu(block.bn1(functional.conv2d(x, block.conv1.weight, padding=1)))
    second = block.bn2(functional.conv2d(first, block.conv2.weight, padding=1))
    torch.testing.assert_close(block(x), functional.relu(second + x))


def test_weights_start_kaiming_normal_with_fan_in() -> None:
    torch.manual_seed(0)
    weight = backbone("cifar_resnet32").stages[2][1].conv1.weight
    expected = (2 / (64 * 9)) ** 0.5
    # four standard errors of a standard deviation from 36,864 draws
    assert weight.std().item() == pytest.approx(expected, rel=4 / (2 * weight.numel()) ** 0.5)


def test_an_unknown_backbone_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="cifar_resnet32"):
        backbone("cifar_resnet33")


def test_options_a_backbone_refuses_are_a_clear_error() -> None:
    with pytest.raises(UsageError, match="refuses its options"):
        backbone("resnet18", no_such_option=1)


def test_a_misspelt_option_of_a_cifar_resnet_is_refused() -> None:
    with pytest.raises(UsageError, match="widht"):
        backbone("cifar_resnet8", widht=4)


def test_pretrained_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="Expected a backbone that is trained here"):
        backbone("cifar_resnet8", pretrained=True)
