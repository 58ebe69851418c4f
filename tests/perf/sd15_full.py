"""Stable Diffusion 1.5 at its real size, with random weights: drawn with, fitted, drawn with again.

Shows that the adapter, the fit and their memory hold at 860 million weights; pictures mean nothing.

command: python -m tests.perf.sd15_full FOLDER
time: minutes on two CPU cores, 8 GB of memory, 2.1 GB of disk; FOLDER is built where it is empty
"""

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmark.generation.fitting.request import FitRequest
from benchmark.generation.fitting.run import ensure_fit
from benchmark.generation.generator import Generator, Mode, build_generator
from tests.fixtures.fitting import fit_config
from tests.fixtures.sd_shaped import build_sd_shaped, sd_values

Part = Callable[[Path, int], str]
CLASSES = ("cat", "dog")


def generator_of(folder: Path, size: int) -> Generator:
    """A generator of two steps, one image at a time."""
    return build_generator(sd_values(folder / "weights", size=size, batch_size=1), "cpu")


def build(folder: Path, size: int) -> str:
    """Write the weights, unless they are there."""
    if not (folder / "weights" / "model_index.json").exists():
        build_sd_shaped(folder / "weights", "full")
    total = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return f"{total / 1e9:.2f} GB"


def text_to_image(folder: Path, size: int) -> str:
    """Load, then draw one image."""
    return _drawn(generator_of(folder, size), Mode())


def image_to_image(folder: Path, size: int) -> str:
    """Draw one image from another, at half strength."""
    return _drawn(generator_of(folder, size), Mode(strength=0.5))


def fit_request(folder: Path, size: int) -> FitRequest:
    """A fit of two steps on four random images."""
    generator: Any = generator_of(folder, size)
    pixels = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), dtype=np.uint8)
    return FitRequest(
        config=fit_config(steps=2, batch_size=1, lr=1e-4, rank=10, text_encoder=True),
        base=generator.config,
        device="cpu",
        images=pixels,
        labels=np.array([0, 0, 0, 1]),
        classes=CLASSES,
        seed=0,
    )


def fit(folder: Path, size: int) -> str:
    """Fit low-rank updates of denoiser and text encoder."""
    fitted = ensure_fit(fit_request(folder, size), folder / "fits", progress=False)
    megabytes = fitted.adapter(0).stat().st_size / 1e6
    cost = fitted.cost
    each = cost.device_seconds / cost.optimizer_steps
    return f"{each:.1f} s a step, {cost.flops / 1e12:.1f} TFLOP, adapter of {megabytes:.1f} MB"


def fitted_text_to_image(folder: Path, size: int) -> str:
    """Draw one image with the fit."""
    fitted = ensure_fit(fit_request(folder, size), folder / "fits", progress=False)
    return _drawn(generator_of(folder, size), Mode(adapter=fitted.adapter(0)))


def _drawn(generator: Generator, mode: Mode) -> str:
    report = generator.load(mode)
    guides = [Image.new("RGB", (32, 32), "teal")] if mode.strength else None
    drawn = generator.draw(["a photo of a cat"], [1], guides, mode)
    deviation = np.asarray(drawn.images[0]).std()
    return (
        f"loaded in {report.seconds:.0f} s, {drawn.calls} calls in {drawn.seconds:.0f} s, "
        f"{report.flops_call / 1e12:.3f} TFLOP a call, finite {drawn.finite[0]}, "
        f"deviation of pixels {deviation:.0f}"
    )


PARTS: dict[str, Part] = {
    "build": build,
    "text-to-image": text_to_image,
    "image-to-image": image_to_image,
    "fit": fit,
    "fitted text-to-image": fitted_text_to_image,
}


def main() -> None:
    """Run every part in turn and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf.sd15_full", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", nargs="*", default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--size", type=int, default=256, help="height and width in pixels")
    chosen = parser.parse_args()
    for name in chosen.parts:
        part, start = PARTS[name], time.perf_counter()
        said = part(chosen.folder, chosen.size)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        seconds = time.perf_counter() - start
        print(f"{name}: {seconds:.0f} s, peak {peak:.1f} GB; {said}", flush=True)


if __name__ == "__main__":
    main()
