"""Measure a built generator: does it draw the class asked for, and do modifiers act?

    python -m synaug.embedded.assess [--folder DIR] [--spacing trailing]

Classes are judged by an *oracle*: a small convolutional network trained, here and now, on font
renders only. Prints two Markdown tables: accuracy per kind of prompt, and median look per modifier.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.schedulers.scheduling_dpmsolver_multistep import DPMSolverMultistepScheduler
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from synaug.embedded import CHECKPOINT
from synaug.embedded.build import draw_pictures
from synaug.embedded.fonts import DIGITS, MODIFIERS

Pictures = NDArray[np.float32]
"""(N, 32, 32) float32 in [0, 1]."""

UNSEEN: Final[tuple[str, ...]] = (
    "very bold",
    "rusty",
    "sunny",
    "antique",
    "glowing",
    "hand-drawn",
    "dusty old",
    "colourful",
    "minimalist",
    "snow covered",
    "cracked",
    "golden",
)
"""Modifiers of which no captions speak, ``bold`` apart."""

SPACINGS: Final = ("trailing", "leading", "linspace")


@dataclass(frozen=True)
class Sampler:
    """A pipeline with the settings that samples are drawn under."""

    pipeline: StableDiffusionPipeline
    steps: int = 8
    guidance: float = 3.0
    batch: int = 64

    def draw(self, prompts: Sequence[str], seed: int) -> Pictures:
        """Draw one picture a prompt; the same seed gives every list of prompts the same noise."""
        generator = torch.Generator().manual_seed(seed)
        drawn = [
            self.pipeline(
                list(prompts[start : start + self.batch]),
                num_inference_steps=self.steps,
                guidance_scale=self.guidance,
                generator=generator,
                output_type="np",
            ).images
            for start in range(0, len(prompts), self.batch)
        ]
        return np.asarray(np.concatenate(drawn).mean(axis=-1), dtype=np.float32)


def load_pipeline(folder: Path, spacing: str = "trailing") -> StableDiffusionPipeline:
    """Load a pipeline folder offline, in single precision, with DPM-Solver++ so spaced."""
    pipeline: StableDiffusionPipeline = StableDiffusionPipeline.from_pretrained(
        str(folder), dtype=torch.float32, local_files_only=True
    )
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing=spacing
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def new_oracle() -> nn.Sequential:
    """Build the judge: (N, 1, 32, 32) pictures in [0, 1] -> (N, 10) logits."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

    layers = [nn.AvgPool2d(2), *block(1, 24), *block(24, 48), *block(48, 96)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 4, len(DIGITS)))


def to_unit(pixels: NDArray[np.uint8]) -> Pictures:
    """Turn uint8 pixels into float32 in [0, 1]."""
    return np.asarray(pixels / np.float32(255), dtype=np.float32)


def _rendered(count: int, seed: int) -> tuple[Pictures, NDArray[np.int64]]:
    pictures = draw_pictures(count, seed)
    pixels = to_unit(np.stack([picture.pixels for picture in pictures]))
    return pixels, np.array([picture.digit for picture in pictures], dtype=np.int64)


def train_oracle(renders: int, steps: int, seed: int) -> nn.Sequential:
    """Train the judge on fresh font renders."""
    pixels, labels = _rendered(renders, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        oracle = new_oracle()
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(oracle.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        rows = torch.randint(renders, (64,), generator=generator).numpy()
        logits = oracle(torch.from_numpy(pixels[rows])[:, None])
        loss = functional.cross_entropy(logits, torch.from_numpy(labels[rows]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    return oracle.eval()


@torch.no_grad()
def accuracy(oracle: nn.Module, pictures: Pictures, labels: NDArray[np.int64]) -> float:
    """Return the share of (N, 32, 32) pictures in which the judge sees the label."""
    predicted = oracle(torch.from_numpy(pictures)[:, None]).argmax(dim=1).numpy()
    return float((predicted == labels).mean())


def prompts_for(modifiers: Sequence[str], count: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return ``count`` prompts that cycle through classes and modifiers, with their labels."""
    labels = np.arange(count) % len(DIGITS)
    prompts = [
        " ".join(f"a photo of {modifiers[i // len(DIGITS) % len(modifiers)]}".split())
        + f" {DIGITS[label]}"
        for i, label in enumerate(labels)
    ]
    return prompts, labels


def prompt_kinds() -> Mapping[str, Sequence[str]]:
    """Return the kinds of prompt that accuracy is reported for."""
    known = [word for words in MODIFIERS.values() for word in words]
    return {"plain": ("",), "known modifier": known, "unseen modifier": UNSEEN}


def measure_look(pictures: Pictures) -> dict[str, float]:
    """Return medians over pictures: ink, height, aspect, slant, edge sharpness, peak."""
    peak = pictures.max(axis=(1, 2))
    solid = pictures > 0.3 * np.maximum(peak, 0.05)[:, None, None]
    height, width = solid.any(axis=2).sum(axis=1), solid.any(axis=1).sum(axis=1)
    slope_rows, slope_columns = np.gradient(pictures, axis=(1, 2))
    slope = np.hypot(slope_rows, slope_columns).max(axis=(1, 2))
    looks = {
        "ink": pictures.sum(axis=(1, 2)),
        "height": height,
        "aspect": width / np.maximum(height, 1),
        "slant": _slants(pictures),
        "sharpness": slope / np.maximum(peak, 0.05),
        "peak": peak,
    }
    return {name: float(np.median(values)) for name, values in looks.items()}


def _slants(pictures: Pictures) -> NDArray[np.float64]:
    """Return pixels to the right per pixel up, from the second moments of each picture."""
    weights = pictures.astype(np.float64) + 1e-9
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    side = np.arange(pictures.shape[1], dtype=np.float64)
    up = -(side - (weights.sum(axis=2) @ side)[:, None])
    right = side - (weights.sum(axis=1) @ side)[:, None]
    crossed = np.einsum("nij,ni,nj->n", weights, up, right)
    return np.asarray(crossed / np.einsum("nij,ni,ni->n", weights, up, up))


def report_accuracy(sampler: Sampler, oracle: nn.Module, count: int, seed: int) -> None:
    """Print accuracy and milliseconds a picture for each kind of prompt."""
    print("| prompts | accuracy | ms/image |\n|---|---|---|")
    for kind, modifiers in prompt_kinds().items():
        prompts, labels = prompts_for(modifiers, count)
        started = time.perf_counter()
        pictures = sampler.draw(prompts, seed)
        each = 1000 * (time.perf_counter() - started) / count
        print(f"| {kind} | {accuracy(oracle, pictures, labels):.3f} | {each:.0f} |", flush=True)


def report_looks(sampler: Sampler, count: int, seed: int) -> None:
    """Print the median look for plain prompts and each attribute's first word, on one noise."""
    print("\n| modifier | ink | height | aspect | slant | sharpness | peak |")
    print("|---|---|---|---|---|---|---|")
    for modifier in ("", *(words[0] for words in MODIFIERS.values())):
        prompts, _ = prompts_for((modifier,), count)
        look = measure_look(sampler.draw(prompts, seed))
        cells = " | ".join(f"{value:.2f}" for value in look.values())
        print(f"| {modifier or '(plain)'} | {cells} |", flush=True)


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m synaug.embedded.assess", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, default=CHECKPOINT)
    parser.add_argument("--spacing", choices=SPACINGS, default="trailing")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--guidance", type=float, default=3.0)
    parser.add_argument("--images", type=int, default=520, help="pictures per kind of prompt")
    parser.add_argument("--looks", type=int, default=40, help="pictures per modifier; 0 for none")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Train the oracle, then print both tables."""
    arguments = parse_arguments(argv)
    pipeline = load_pipeline(arguments.folder, arguments.spacing)
    sampler = Sampler(pipeline, arguments.steps, arguments.guidance)
    oracle = train_oracle(renders=8000, steps=600, seed=arguments.seed)
    held_out = accuracy(oracle, *_rendered(1000, arguments.seed + 1))
    print(f"Oracle on 1,000 held-out renders: {held_out:.3f}\n")
    report_accuracy(sampler, oracle, arguments.images, arguments.seed)
    if arguments.looks:
        report_looks(sampler, arguments.looks, arguments.seed)


if __name__ == "__main__":
    main()
