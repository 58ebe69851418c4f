"""Backbones: any timm model, and the CIFAR ResNets registered with timm."""

import torch
from torch import nn

from benchmark.config import BackboneConfig
from benchmark.errors import UsageError, unknown
from benchmark.registry import BACKBONES

# with these timm would fetch or read weights of its own
NOT_BUILT_WITH = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path")


def build_backbone(config: BackboneConfig) -> nn.Module:
    """A timm model without its classifier: images -> (batch, ``num_features``).

    Raises:
        UsageError: unknown model name, weights from elsewhere, or options its constructor refuses.
    """
    import timm

    import benchmark.models.cifar_resnet  # noqa: F401  (registers its models with timm)

    if config.name in BACKBONES.entries:
        BACKBONES.load(config.name)
    if not timm.is_model(config.name):
        raise unknown("backbone", config.name, timm.list_models(), where="backbone.name")
    for name in NOT_BUILT_WITH:
        if name in config.options:
            raise UsageError(
                f"Expected a backbone that is trained here, but got {name}",
                where="backbone.options",
                todo="leave it out; weights of others are scored by: python -m benchmark evaluate",
            )
    try:
        model = timm.create_model(config.name, num_classes=0, **config.options)
    except Exception as error:  # whatever a model's constructor raises about what it was given
        raise UsageError(
            f"{config.name} refuses its options: {_first_line(error)}",
            where="backbone.options",
            todo="leave them out, or see the model's constructor",
        ) from error
    assert isinstance(model, nn.Module)
    return model


def check_backbone(config: BackboneConfig, size: int) -> None:
    """Build a backbone and show it two images, before time is spent on anything else.

    Raises:
        UsageError: what ``build_backbone`` refuses, or a model that cannot take these images.
    """
    model = build_backbone(config).eval()
    try:
        with torch.no_grad():
            shape = tuple(model(torch.zeros(2, 3, size, size)).shape)
    except Exception as error:  # each model fails in its own way
        raise UsageError(
            f"{config.name} cannot take RGB images of {size} pixels: {_first_line(error)}",
            where="backbone",
            todo="choose another: python -m benchmark ls backbones",
        ) from error
    if shape != (2, model.num_features):
        raise UsageError(
            f"Expected one vector of {model.num_features} features an image, but got {shape}",
            where="backbone.options",
            todo="leave the model's pooling as it is",
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
