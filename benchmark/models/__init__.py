"""Backbones: any timm model, and the CIFAR ResNets registered with timm."""

from torch import nn

from benchmark.config import BackboneConfig
from benchmark.errors import UsageError, unknown
from benchmark.registry import BACKBONES


def build_backbone(config: BackboneConfig) -> nn.Module:
    """A timm model without its classifier: images -> (batch, ``num_features``).

    Raises:
        UsageError: unknown model name, or options its constructor refuses.
    """
    import timm

    import benchmark.models.cifar_resnet  # noqa: F401  (registers its models with timm)

    if config.name in BACKBONES.entries:
        BACKBONES.load(config.name)
    if not timm.is_model(config.name):
        raise unknown("backbone", config.name, timm.list_models(), where="backbone.name")
    try:
        model = timm.create_model(config.name, num_classes=0, **config.options)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{config.name} refuses its options: {error}", where="backbone.options"
        ) from error
    assert isinstance(model, nn.Module)
    return model
