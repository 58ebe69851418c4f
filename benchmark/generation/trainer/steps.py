"""The losses of the two parts of a generator, each as a function of the step alone.

Every draw of a step comes from a stream named by seed, part and step, so a resumed training takes
the steps of one that was never stopped, and no generator state is saved.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import Tensor
from transformers import CLIPTokenizer

from benchmark.generation.fitting.objective import denoising_loss
from benchmark.generation.trainer.captions import Captions
from benchmark.generation.trainer.networks import Networks
from benchmark.seeds import torch_generator

ABSOLUTE = 0.3
_ENCODED = 256

Loss = Callable[[int], Tensor]


def to_inputs(pixels: Tensor) -> Tensor:
    """uint8 (n, h, w, 3) -> float32 (n, 3, h, w) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()


def autoencoder_loss(
    vae: AutoencoderKL, images: Tensor, kl_weight: float, rng: torch.Generator
) -> Tensor:
    """Squared and absolute error of a batch's reconstruction, and the divergence of its latents.

    Args:
        vae: diffusers' autoencoder.
        images: float32 (n, 3, h, w) in [-1, 1].
        kl_weight: of the divergence of a latent value from a standard normal.
        rng: draws the latents.
    """
    posterior = vae.encode(images).latent_dist
    error = vae.decode(posterior.sample(rng)).sample.float() - images
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    loss: Tensor = error.square().mean() + ABSOLUTE * error.abs().mean() + kl_weight * kl
    return loss


@dataclass(frozen=True)
class Pictures:
    """The training pictures on the device.

    Attributes:
        pixels: uint8 (n, h, w, 3).
        flip: whether half of them are shown mirrored.
        seed: of all draws.
    """

    pixels: Tensor
    flip: bool
    seed: int

    def rows(self, part: str, step: int, batch: int) -> tuple[Tensor, Tensor, torch.Generator]:
        """Rows of a step, which of them are mirrored, and the generator for what is left to draw.

        Rows go through a permutation of all, then through another one.
        """
        n = len(self.pixels)
        first = step * batch
        passes = range(first // n, (first + batch - 1) // n + 1)
        order = torch.cat([self._order(part, number) for number in passes])
        start = first - passes.start * n
        rng = torch_generator(self.seed, "train generator", part, step)
        mirrored = torch.rand(batch, generator=rng) < (0.5 if self.flip else 0.0)
        return order[start : start + batch], mirrored, rng

    def _order(self, part: str, number: int) -> Tensor:
        rng = torch_generator(self.seed, "train generator", part, "pass", number)
        return torch.randperm(len(self.pixels), generator=rng)

    def batch(self, rows: Tensor, mirrored: Tensor) -> Tensor:
        """float32 (batch, 3, h, w) in [-1, 1]."""
        device = self.pixels.device
        pixels = self.pixels[rows.to(device)]
        turned = torch.where(mirrored.to(device)[:, None, None, None], pixels.flip(2), pixels)
        return to_inputs(turned)


def autoencoder_steps(networks: Networks, pictures: Pictures, batch: int, kl_weight: float) -> Loss:
    """The autoencoder's loss at a step."""

    def loss(step: int) -> Tensor:
        rows, mirrored, rng = pictures.rows("autoencoder", step, batch)
        return autoencoder_loss(networks.vae, pictures.batch(rows, mirrored), kl_weight, rng)

    return loss


@dataclass(frozen=True)
class Latents:
    """Encoded pictures, plain and mirrored.

    Attributes:
        mean: float32 (2, n, c, side, side), of the posterior; mirrored pictures come second.
        std: the same shape.
    """

    mean: Tensor
    std: Tensor

    @property
    def scale(self) -> float:
        """The factor that gives latents unit variance."""
        return round(float((self.mean.var() + self.std.square().mean()).rsqrt()), 5)

    def sample(self, rows: Tensor, mirrored: Tensor, rng: torch.Generator) -> Tensor:
        """Latents of a batch, drawn from their posteriors; not scaled."""
        device = self.mean.device
        side, at = mirrored.long().to(device), rows.to(device)
        noise = torch.randn((len(rows), *self.mean.shape[2:]), generator=rng).to(device)
        return self.mean[side, at] + self.std[side, at] * noise


@torch.no_grad()
def encode(networks: Networks, pictures: Pictures, between: Callable[[], None]) -> Latents:
    """Encode all pictures; ``between`` is called after every block and may raise."""
    parts = []
    for mirrored in (False, True) if pictures.flip else (False,):
        for start in range(0, len(pictures.pixels), _ENCODED):
            rows = torch.arange(start, min(start + _ENCODED, len(pictures.pixels)))
            turned = torch.full((len(rows),), mirrored)
            parts.append(networks.vae.encode(pictures.batch(rows, turned)).latent_dist)
            between()
    sides = 2 if pictures.flip else 1
    mean = torch.cat([part.mean.float() for part in parts])
    std = torch.cat([part.std.float() for part in parts])
    shape = (sides, len(pictures.pixels), *mean.shape[1:])
    return Latents(mean.reshape(shape), std.reshape(shape))


@torch.no_grad()
def reconstruction_error(networks: Networks, pixels: Tensor) -> float:
    """Mean squared error of encoding and decoding uint8 (n, h, w, 3), for pixels in [-1, 1]."""
    images = to_inputs(pixels)
    decoded = networks.vae.decode(networks.vae.encode(images).latent_dist.mode()).sample
    return float((decoded.float() - images).square().mean())


@dataclass(frozen=True)
class Captioned:
    """What the denoiser is trained on.

    Attributes:
        latents: of all pictures.
        pictures: who draws rows.
        captions: of all pictures.
        tokenizer: of the captions.
    """

    latents: Latents
    pictures: Pictures
    captions: Captions
    tokenizer: CLIPTokenizer

    def tokens(self, rows: Tensor, rng: torch.Generator) -> Tensor:
        """Token ids int64 (batch, tokens) of captions drawn for the rows."""
        found = self.tokenizer(
            self.captions.draw(rows, rng),
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        ids: Tensor = found.input_ids
        return ids


def denoiser_steps(networks: Networks, data: Captioned, schedule: object, batch: int) -> Loss:
    """The loss of the denoiser, text encoder included, at a step."""
    scale = networks.vae.config.scaling_factor

    def loss(step: int) -> Tensor:
        rows, mirrored, rng = data.pictures.rows("denoiser", step, batch)
        latents = data.latents.sample(rows, mirrored, rng) * scale
        tokens = data.tokens(rows, rng).to(latents.device)
        context = networks.text_encoder(tokens).last_hidden_state
        return denoising_loss(networks.unet, schedule, latents, context, rng)

    return loss


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in decibels of a mean squared error for values in [-1, 1]."""
    return 10 * math.log10(4 / max(error, 1e-12))
