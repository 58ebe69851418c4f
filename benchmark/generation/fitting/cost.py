"""What fitting a generator takes, predicted and measured; imports no torch."""

from dataclasses import dataclass

from benchmark.generation.fitting.config import FitConfig

CALLS_AN_IMAGE = 3
"""Network calls that training on one image counts as: the backward pass is two forward ones."""


@dataclass(frozen=True, kw_only=True)
class FitCost:
    """The cost of one fit.

    Attributes:
        optimizer_steps: over all adapters.
        images_seen: training images shown, with repetitions.
        network_calls: three for each image seen: a forward and a backward pass.
        device_seconds: time of encoding and training, without loading; over all processes that
            had a part in it.
        flops: floating-point operations: three denoiser calls for each image seen, and one
            encoding of each distinct image. Passes of the text encoder are left out.
        device: hardware name.
        real_images: distinct training images that the generator saw.
    """

    optimizer_steps: int
    images_seen: int
    network_calls: int
    device_seconds: float
    flops: float
    device: str
    real_images: int


def optimizer_steps(config: FitConfig, n_classes: int) -> int:
    """Optimiser steps over all adapters."""
    return config.steps * (n_classes if config.scope == "per_class" else 1)


def predicted_network_calls(config: FitConfig, n_classes: int) -> int:
    """Network calls that a fit takes, three for each image seen.

    Args:
        config: how the generator is fitted.
        n_classes: classes with at least one training image.
    """
    return CALLS_AN_IMAGE * config.batch_size * optimizer_steps(config, n_classes)
