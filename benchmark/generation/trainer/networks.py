"""The networks of a small text-to-image generator, and their assembly into a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmark.generation.trainer.tokenizer import MAX_LENGTH

TRAIN_STEPS = 1000
"""Noise levels that the denoiser is trained on."""


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of the three networks.

    Attributes:
        size: height and width of a picture in pixels.
        text_width: of a token's embedding.
        text_layers: of the text encoder.
        text_heads: of its attention.
        vae_channels: of the autoencoder, by level; each further level halves the picture.
        latent_channels: of what the denoiser works on.
        unet_channels: of the denoiser, by level.
        unet_heads: of its attention.
        unet_attention: for each level, whether it attends to the prompt.
        pooled_text: whether the prompt, pooled, also scales and shifts every block; levels can
            then do without attention, which is cheaper.
        layers_per_block: residual blocks of a level.
        norm_groups: of every group norm; all channels are multiples of it.
    """

    size: int = 32
    text_width: int = 64
    text_layers: int = 2
    text_heads: int = 4
    vae_channels: tuple[int, ...] = (8, 16, 32)
    latent_channels: int = 4
    unet_channels: tuple[int, ...] = (32, 64)
    unet_heads: int = 4
    unet_attention: tuple[bool, ...] = (True, True)
    pooled_text: bool = False
    layers_per_block: int = 1
    norm_groups: int = 8

    @property
    def latent_side(self) -> int:
        """Side of a latent: the autoencoder halves the picture between its levels."""
        return self.size >> (len(self.vae_channels) - 1)


@dataclass(frozen=True)
class Networks:
    """The three trained parts."""

    text_encoder: CLIPTextModel
    vae: AutoencoderKL
    unet: UNet2DConditionModel


def new_text_encoder(arch: Architecture, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Build the text encoder: (B, 32) token ids -> (B, 32, text_width)."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=arch.text_width,
        projection_dim=arch.text_width,
        intermediate_size=4 * arch.text_width,
        num_hidden_layers=arch.text_layers,
        num_attention_heads=arch.text_heads,
        max_position_embeddings=MAX_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return CLIPTextModel(config)


def new_vae(arch: Architecture) -> AutoencoderKL:
    """Build the autoencoder: (B, 3, size, size) in [-1, 1] <-> (B, latent_channels, side, side)."""
    levels = len(arch.vae_channels)
    return AutoencoderKL(
        sample_size=arch.size,
        latent_channels=arch.latent_channels,
        block_out_channels=arch.vae_channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=arch.layers_per_block,
        norm_num_groups=arch.norm_groups,
        mid_block_add_attention=False,
    )


def new_unet(arch: Architecture) -> UNet2DConditionModel:
    """Build the denoiser, which predicts v for latents of (B, latent_channels, side, side)."""
    down = ["CrossAttnDownBlock2D" if each else "DownBlock2D" for each in arch.unet_attention]
    up = ["CrossAttnUpBlock2D" if each else "UpBlock2D" for each in arch.unet_attention[::-1]]
    pooled = {
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": arch.text_heads,
        "resnet_time_scale_shift": "scale_shift",
    }
    return UNet2DConditionModel(
        sample_size=arch.latent_side,
        in_channels=arch.latent_channels,
        out_channels=arch.latent_channels,
        block_out_channels=arch.unet_channels,
        down_block_types=tuple(down),
        up_block_types=tuple(up),
        layers_per_block=arch.layers_per_block,
        norm_num_groups=arch.norm_groups,
        # diffusers reads this argument as the number of heads for this kind of block
        attention_head_dim=arch.unet_heads,
        cross_attention_dim=arch.text_width,
        **(pooled if arch.pooled_text else {}),
    )


def new_networks(arch: Architecture, tokenizer: CLIPTokenizer, seed: int) -> Networks:
    """Initialise all three networks from ``seed``, leaving torch's global generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Networks(new_text_encoder(arch, tokenizer), new_vae(arch), new_unet(arch))


def new_scheduler() -> DDIMScheduler:
    """Build the noise schedule: Stable Diffusion's betas with v-prediction.

    Latents leave [-1, 1], so samples are not clipped.
    """
    return DDIMScheduler(
        num_train_timesteps=TRAIN_STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def assemble(networks: Networks, tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    """Join the parts into a text-to-image pipeline without a safety checker."""
    return StableDiffusionPipeline(
        vae=networks.vae.eval(),
        text_encoder=networks.text_encoder.eval(),
        tokenizer=tokenizer,
        unet=networks.unet.eval(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=False,
    )


def parameters(*modules: nn.Module) -> list[nn.Parameter]:
    """All parameters of some networks, in order."""
    return [each for module in modules for each in module.parameters()]
