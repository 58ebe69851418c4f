"""The two training loops: the autoencoder, then the denoiser with the text encoder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.training_utils import EMAModel
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm
from transformers import CLIPTokenizer

from benchmark.generation.fitting.objective import denoising_loss
from benchmark.generation.trainer.loop import falling
from benchmark.generation.trainer.networks import Networks
from benchmark.generation.trainer.steps import autoencoder_loss
from synaug.embedded.fonts import SIZE, Picture, draw_caption

LOG_EVERY = 25
"""Steps between two rows of the training log."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast each part is trained, in fixed counts so that a build repeats."""

    renders: int = 20_000
    vae_steps: int = 700
    vae_batch: int = 48
    vae_rate: float = 3e-3
    kl_weight: float = 5e-4
    coarse_share: float = 0.25
    unet_steps: int = 4_600
    unet_batch: int = 32
    unet_rate: float = 1.5e-3
    unet_warmup: int = 50
    flat_share: float = 0.6
    ema_decay: float = 0.996
    caption_drop: float = 0.1


@dataclass
class TrainingLog:
    """Rows of (part, step, mean loss since the last row, seconds since the start)."""

    rows: list[tuple[str, int, float, float]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def track(self, part: str, losses: Iterator[float], steps: int) -> float:
        """Run a loop to its end, showing the time left; return the mean of its last losses."""
        recent: list[float] = []
        bar = tqdm(losses, desc=part, total=steps, mininterval=5)
        for step, loss in enumerate(bar, start=1):
            recent.append(loss)
            if step % LOG_EVERY == 0 or step == steps:
                mean = float(np.mean(recent))
                self.rows.append((part, step, mean, time.perf_counter() - self.started))
                bar.set_postfix(loss=f"{mean:.4f}")
                recent.clear()
        return self.rows[-1][2]


def to_inputs(pixels: NDArray[np.uint8]) -> Tensor:
    """Turn (B, 32, 32) uint8 pixels into (B, 3, 32, 32) float32 in [-1, 1]."""
    grey = torch.from_numpy(pixels).float().div(127.5).sub(1)
    return grey[:, None].expand(-1, 3, -1, -1).contiguous()


def _coarsen(images: Tensor, share: float) -> Tensor:
    """Blow the first ``share`` of a batch up from 8 x 8 pixels.

    Real digits reach the encoder up-scaled, so the autoencoder must know that look too.
    """
    count = int(len(images) * share)
    if count == 0:
        return images
    small = functional.interpolate(images[:count], size=SIZE // 4, mode="area")
    large = functional.interpolate(small, size=SIZE, mode="bicubic", align_corners=False)
    return torch.cat([large.clamp(-1, 1), images[count:]])


def train_vae(
    vae: AutoencoderKL, pixels: NDArray[np.uint8], plan: Schedule, rng: torch.Generator
) -> Iterator[float]:
    """Train the autoencoder in place, yielding the loss of each step."""
    optimizer = torch.optim.AdamW(vae.parameters(), lr=plan.vae_rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, plan.vae_steps)
    for _ in range(plan.vae_steps):
        rows = torch.randint(len(pixels), (plan.vae_batch,), generator=rng)
        images = _coarsen(to_inputs(pixels[rows.numpy()]), plan.coarse_share)
        loss = autoencoder_loss(vae, images, plan.kl_weight, rng)
        _descend(loss, optimizer, list(vae.parameters()))
        rate.step()
        yield float(loss.detach())


def _descend(loss: Tensor, optimizer: torch.optim.Optimizer, weights: Sequence[Tensor]) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()


@torch.no_grad()
def encode_all(vae: AutoencoderKL, pixels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return the posterior means and deviations of all pictures, each (N, 4, 8, 8) float32."""
    parts = [
        vae.encode(to_inputs(pixels[start : start + 256])).latent_dist
        for start in range(0, len(pixels), 256)
    ]
    return torch.cat([p.mean for p in parts]), torch.cat([p.std for p in parts])


@torch.no_grad()
def reconstruction_error(vae: AutoencoderKL, pixels: NDArray[np.uint8]) -> float:
    """Return the mean squared error of encoding and decoding, for pixels in [-1, 1]."""
    images = to_inputs(pixels)
    decoded = vae.decode(vae.encode(images).latent_dist.mode()).sample
    return float((decoded - images).square().mean())


def set_latent_scale(vae: AutoencoderKL, means: Tensor, deviations: Tensor) -> None:
    """Record the factor that gives latents unit variance in the autoencoder's own configuration."""
    variance = means.var() + deviations.square().mean()
    vae.register_to_config(scaling_factor=round(float(variance.rsqrt()), 5))


@dataclass(frozen=True)
class CaptionedLatents:
    """Encoded pictures, and the means to caption any of them anew."""

    means: Tensor
    deviations: Tensor
    pictures: Sequence[Picture]
    tokenizer: CLIPTokenizer

    def draw(
        self, plan: Schedule, words: np.random.Generator, noise: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw a batch: latents (B, 4, 8, 8) float32 and token ids (B, 32) int64."""
        rows = words.integers(len(self.pictures), size=plan.unet_batch)
        captions = [self._caption(int(row), plan.caption_drop, words) for row in rows]
        index = torch.from_numpy(rows)
        spread = torch.randn(self.means[index].shape, generator=noise)
        latents = self.means[index] + self.deviations[index] * spread
        tokens = self.tokenizer(
            captions, padding="max_length", truncation=True, return_tensors="pt"
        )
        return latents, tokens.input_ids

    def _caption(self, row: int, drop: float, words: np.random.Generator) -> str:
        if words.random() < drop:
            return ""
        picture = self.pictures[row]
        return draw_caption(picture.digit, picture.attributes, words)


def train_unet(
    networks: Networks,
    data: CaptionedLatents,
    scheduler: DDIMScheduler,
    plan: Schedule,
    words: np.random.Generator,
    noise: torch.Generator,
) -> Iterator[float]:
    """Train denoiser and text encoder in place, yielding losses; they end as moving averages."""
    weights = [*networks.unet.parameters(), *networks.text_encoder.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=plan.unet_rate)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, falling(plan.unet_steps, plan.unet_warmup, plan.flat_share)
    )
    average = EMAModel(weights, decay=plan.ema_decay)
    for _ in range(plan.unet_steps):
        latents, tokens = data.draw(plan, words, noise)
        latents = latents * networks.vae.config.scaling_factor
        context = networks.text_encoder(tokens).last_hidden_state
        loss = denoising_loss(networks.unet, scheduler, latents, context, noise)
        _descend(loss, optimizer, weights)
        rate.step()
        average.step(weights)
        yield float(loss.detach())
    average.copy_to(weights)
