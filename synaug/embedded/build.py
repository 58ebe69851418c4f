"""Train the embedded generator from nothing and save it as a pipeline folder.

    python -m synaug.embedded.build --out DIR [--preset tiny|full] [--seed 0]

Renders digits, trains the autoencoder, then denoiser and text encoder together. The folder also
gets ``training_log.csv`` and ``build.json``: what the weights were made from, and their hashes.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from tqdm import trange

from benchmark.generation.trainer.networks import (
    Architecture,
    assemble,
    new_networks,
    new_scheduler,
)
from benchmark.generation.trainer.saving import save_pipeline, weight_hashes, write_log
from benchmark.generation.trainer.tokenizer import build_tokenizer
from synaug.embedded.fonts import FONTS, WORDS, Picture, draw_picture
from synaug.embedded.training import (
    CaptionedLatents,
    Schedule,
    TrainingLog,
    encode_all,
    reconstruction_error,
    set_latent_scale,
    train_unet,
    train_vae,
)

PRESETS: Final[Mapping[str, Schedule]] = {
    "full": Schedule(),
    "tiny": Schedule(renders=96, vae_steps=6, vae_batch=16, unet_steps=6, unet_batch=8),
}
"""``full`` makes the shipped checkpoint; ``tiny`` proves in seconds that the build runs."""

PACKAGES: Final = ("diffusers", "matplotlib", "numpy", "pillow", "scipy", "torch", "transformers")
"""Whose versions a build records: each can change a pixel or a weight."""

_STREAMS: Final = ("pictures", "initial", "vae", "captions", "noise")


def stream_seed(seed: int, name: str) -> int:
    """Return the 32-bit seed of one named random stream of a build."""
    sequence = np.random.SeedSequence([seed, _STREAMS.index(name)])
    return int(sequence.generate_state(1)[0])


def draw_pictures(count: int, seed: int) -> list[Picture]:
    """Draw the training pictures; the i-th depends on ``seed`` and i only."""
    return [
        draw_picture(np.random.default_rng([seed, index]))
        for index in trange(count, desc="render", mininterval=5)
    ]


def build(
    plan: Schedule, arch: Architecture, seed: int
) -> tuple[StableDiffusionPipeline, TrainingLog, dict[str, float]]:
    """Train a pipeline; return it with its log and final figures."""
    log = TrainingLog()
    tokenizer = build_tokenizer(WORDS)
    networks = new_networks(arch, tokenizer, stream_seed(seed, "initial"))
    pictures = draw_pictures(plan.renders, stream_seed(seed, "pictures"))
    pixels = np.stack([picture.pixels for picture in pictures])

    losses = train_vae(networks.vae, pixels, plan, _torch_stream(seed, "vae"))
    figures = {"vae_loss": log.track("vae", losses, plan.vae_steps)}
    networks.vae.requires_grad_(False)
    figures["vae_reconstruction_mse"] = reconstruction_error(networks.vae, pixels[:512])
    means, deviations = encode_all(networks.vae, pixels)
    set_latent_scale(networks.vae, means, deviations)

    data = CaptionedLatents(means, deviations, pictures, tokenizer)
    words = np.random.default_rng(stream_seed(seed, "captions"))
    noise = _torch_stream(seed, "noise")
    losses = train_unet(networks, data, new_scheduler(), plan, words, noise)
    figures["unet_loss"] = log.track("unet", losses, plan.unet_steps)
    return assemble(networks, tokenizer), log, figures


def _torch_stream(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(stream_seed(seed, name))


def save(pipeline: StableDiffusionPipeline, log: TrainingLog, out: Path) -> dict[str, str]:
    """Write the pipeline in half precision, as it then stays, with its log.

    Returns the SHA-256 of each weights file.
    """
    save_pipeline(pipeline, out)
    write_log(out, log.rows)
    return weight_hashes(out)


def describe(
    plan: Schedule, arch: Architecture, seed: int, figures: Mapping[str, float]
) -> dict[str, Any]:
    """Return what a build was made from: settings, seeds, fonts and library versions."""
    return {
        "streams": {name: stream_seed(seed, name) for name in _STREAMS},
        "schedule": asdict(plan),
        "architecture": asdict(arch),
        "fonts": [font.file for font in FONTS],
        "words": list(WORDS),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
        "final": {name: round(value, 5) for name, value in figures.items()},
    }


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; ``--vae-steps`` and ``--unet-steps`` override the preset."""
    parser = argparse.ArgumentParser(prog="python -m synaug.embedded.build", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="full")
    parser.add_argument("--vae-steps", type=int, help="override the preset's count")
    parser.add_argument("--unet-steps", type=int, help="override the preset's count")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


def chosen_schedule(arguments: argparse.Namespace) -> Schedule:
    """Return the preset with the counts that the command line overrides."""
    counts = {name: getattr(arguments, name) for name in ("vae_steps", "unet_steps")}
    for name, count in counts.items():
        if count is not None and count < 1:
            option = "--" + name.replace("_", "-")
            raise SystemExit(f"{option}: expected at least 1 step, but got {count}")
    given = {name: count for name, count in counts.items() if count is not None}
    return replace(PRESETS[arguments.preset], **given)


def main(argv: Sequence[str] | None = None) -> None:
    """Build, save, and say where the time went."""
    arguments = parse_arguments(argv)
    plan, arch = chosen_schedule(arguments), Architecture()
    started = time.perf_counter()
    pipeline, log, figures = build(plan, arch, arguments.seed)
    facts = describe(plan, arch, arguments.seed, figures)
    facts["arguments"] = {k: v for k, v in vars(arguments).items() if k != "out"}
    facts["weights_sha256"] = save(pipeline, log, arguments.out)
    facts["seconds"] = round(time.perf_counter() - started, 1)
    facts["threads"] = torch.get_num_threads()
    target = arguments.out / "build.json"
    target.write_text(json.dumps(facts, indent=2) + "\n")
    target.chmod(0o644)
    print(f"{arguments.out}: {facts['final']}, {facts['seconds']:.0f} s")


if __name__ == "__main__":
    main()
