"""The CIFAR ResNets of He et al. (2016), section 4.2, as used across the long-tail literature.

Option-A shortcuts (no parameters), widths 16/32/64, Kaiming-normal (fan-in) convolutions; 464,154
parameters at depth 32 with a linear head of 10 classes and 470,004 with 100.
"""

from typing import Any

import timm
import torch
from timm.models import register_model
from torch import Tensor, nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """conv3x3-BN-ReLU-conv3x3-BN, shortcut added, ReLU."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.stride, self.pad = stride, (width - inputs) // 2

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, h, w) -> (batch, width, h / stride, w / stride)."""
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + self.shortcut(x))

    def shortcut(self, x: Tensor) -> Tensor:
        """Every second pixel, and zero channels on both sides, where the shape changes."""
        if self.stride == 1 and self.pad == 0:
            return x
        x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, self.pad, self.pad))


class CifarResNet(nn.Module):
    """Depth 6n + 2: a 3x3 stem and three stages of n blocks.

    Args:
        depth: 8, 14, 20, 26, 32, 44, 56 or 110.
        width: channels of the first stage; later stages double it.
        num_classes: 0 leaves pooled features, else adds a linear head.
    """

    def __init__(
        self, depth: int, width: int = 16, num_classes: int = 0, in_chans: int = 3
    ) -> None:
        super().__init__()
        blocks = (depth - 2) // 6
        self.conv1 = nn.Conv2d(in_chans, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.stages = nn.Sequential(
            _stage(width, width, blocks, 1),
            _stage(width, 2 * width, blocks, 2),
            _stage(2 * width, 4 * width, blocks, 2),
        )
        self.num_features = 4 * width
        self.head = nn.Linear(self.num_features, num_classes) if num_classes else nn.Identity()
        self.apply(_kaiming)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, h, w) -> pooled features (batch, 4 * width), or logits with a head."""
        x = functional.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.head(self.stages(x).mean((2, 3)))
        return out


def _stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, width, stride)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(blocks - 1)))


@torch.no_grad()
def _kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)


@register_model  # type: ignore[untyped-decorator]
def cifar_resnet8(pretrained: bool = False, **options: Any) -> CifarResNet:
    """Depth 8, 78 thousand parameters: for images of 8 pixels."""
    return _create(8, pretrained, options)


@register_model  # type: ignore[untyped-decorator]
def cifar_resnet20(pretrained: bool = False, **options: Any) -> CifarResNet:
    """Depth 20, 0.27 million parameters."""
    return _create(20, pretrained, options)


@register_model  # type: ignore[untyped-decorator]
def cifar_resnet32(pretrained: bool = False, **options: Any) -> CifarResNet:
    """Depth 32, 0.46 million parameters: "ResNet-32" of the long-tail literature."""
    return _create(32, pretrained, options)


@register_model  # type: ignore[untyped-decorator]
def cifar_resnet56(pretrained: bool = False, **options: Any) -> CifarResNet:
    """Depth 56, 0.86 million parameters."""
    return _create(56, pretrained, options)


def _create(depth: int, pretrained: bool, options: dict[str, Any]) -> CifarResNet:
    if pretrained:
        raise ValueError("no pretrained weights exist for the CIFAR ResNets")
    return CifarResNet(depth, **_own(options))


def _own(options: dict[str, Any]) -> dict[str, Any]:
    """The options without those that timm hands to every model."""
    shared = ("pretrained_cfg", "pretrained_cfg_overlay", "cache_dir")
    return {key: value for key, value in options.items() if key not in shared}


@register_model  # type: ignore[untyped-decorator]
def cifar_stem_resnet18(pretrained: bool = False, **options: Any) -> nn.Module:
    """Timm's ResNet-18 with a 3x3 stem of stride 1 and no max-pooling, for 32 to 64 pixels."""
    return _with_cifar_stem("resnet18", pretrained, options)


@register_model  # type: ignore[untyped-decorator]
def cifar_stem_resnet34(pretrained: bool = False, **options: Any) -> nn.Module:
    """Timm's ResNet-34 with a 3x3 stem of stride 1 and no max-pooling, for 32 to 64 pixels."""
    return _with_cifar_stem("resnet34", pretrained, options)


def _with_cifar_stem(name: str, pretrained: bool, options: dict[str, Any]) -> nn.Module:
    if pretrained:
        raise ValueError("no pretrained weights exist for this stem")
    model = timm.create_model(name, **_own(options))
    model.conv1 = nn.Conv2d(model.conv1.in_channels, 64, 3, 1, 1, bias=False)
    model.maxpool = nn.Identity()
    nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
    assert isinstance(model, nn.Module)
    return model
