"""What the denoiser is trained to predict, and the loss of one batch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmark.errors import UsageError, unknown


def training_schedule(scheduler: Any) -> Any:
    """The noise schedule that a pipeline's sampler was made from, for training."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(scheduler.config)


def target(schedule: Any, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
    """What the denoiser should predict: the noise, the velocity or the latents themselves.

    Args:
        schedule: a scheduler of diffusers with a ``prediction_type``.
        latents: (batch, channels, height, width) clean.
        noise: the same shape.
        times: (batch,) time steps.

    Raises:
        UsageError: the checkpoint was trained for something else.
    """
    kind = schedule.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        velocity: Tensor = schedule.get_velocity(latents, noise, times)
        return velocity
    if kind == "sample":
        return latents
    allowed = ("epsilon", "v_prediction", "sample")
    raise unknown("prediction type", str(kind), allowed, where="the generator's scheduler")


class Prompts:
    """Embeddings of the classes' prompts, kept where they cannot change.

    Args:
        pipe: the pipeline.
        texts: prompt of each class, by label.
        fixed: whether the text encoder and the tokens stay as they are.
    """

    def __init__(self, pipe: Any, texts: Sequence[str], fixed: bool) -> None:
        self._pipe, self._texts, self._fixed = pipe, texts, fixed
        self._known: dict[int, Tensor] = {}

    def embed(self, labels: Sequence[int]) -> Tensor:
        """Embeddings (labels, tokens, width), with gradients unless they are fixed."""
        if self._fixed:
            return torch.cat([self._kept(label) for label in labels])
        distinct = sorted(set(labels))
        encoded = self._encode([self._texts[label] for label in distinct])
        return encoded[[distinct.index(label) for label in labels]]

    def _kept(self, label: int) -> Tensor:
        if label not in self._known:
            with torch.no_grad():
                self._known[label] = self._encode([self._texts[label]])
        return self._known[label]

    def _encode(self, texts: list[str]) -> Tensor:
        encoded: Tensor = self._pipe.encode_prompt(texts, self._pipe.device, 1, False)[0]
        return encoded


def denoising_loss(
    unet: Any, schedule: Any, latents: Tensor, embeddings: Tensor, rng: torch.Generator
) -> Tensor:
    """Mean squared error of one batch at random time steps, in float32.

    Args:
        unet: the denoiser.
        schedule: see ``training_schedule``.
        latents: float32 (batch, channels, height, width), scaled.
        embeddings: (batch, tokens, width) of the prompts.
        rng: CPU generator of time steps and noise.
    """
    total = schedule.config.num_train_timesteps
    times = torch.randint(total, (len(latents),), generator=rng).to(unet.device)
    noise = torch.randn(latents.shape, generator=rng).to(unet.device)
    latents = latents.to(unet.device)
    noisy = schedule.add_noise(latents, noise, times).to(unet.dtype)
    predicted = unet(noisy, times, embeddings.to(unet.dtype)).sample
    return functional.mse_loss(predicted.float(), target(schedule, latents, noise, times))


def check_pipeline(pipe: Any, where: object) -> None:
    """Refuse pipelines other than those with one text encoder and a U-Net (UsageError)."""
    parts = set(pipe.components)
    if not {"unet", "text_encoder", "tokenizer"} <= parts or "text_encoder_2" in parts:
        raise UsageError(
            "Expected a generator with one text encoder and a U-Net (Stable Diffusion 1.x or "
            f"2.x) to fit, but got {type(pipe).__name__}",
            where=where,
            todo="fit another generator, or set a method that does not fit one",
        )
