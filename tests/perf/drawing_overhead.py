"""CPU time to fill a pool against a bare diffusers loop that draws and saves the same images.

python -m tests.perf.drawing_overhead [--rounds N] [--images N] [--batch N]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmark.experiments.compose import quiet_libraries, settings
from benchmark.experiments.drawn import drawing
from benchmark.experiments.experiment import resolve
from benchmark.generation.frames import Materials
from benchmark.generation.generator import Generator
from benchmark.generation.plan import PlanRow, PoolSpec, build_plan
from benchmark.generation.pool import Pool

Draw = Callable[[Path], None]


def _generator(batch: int) -> tuple[Generator, PoolSpec]:
    quiet_libraries()
    words = ["method=t2i", "dataset=digitslt", f"generator.batch_size={batch}"]
    experiment = resolve(settings(words))
    generator = experiment.settings.generator
    generator.load()
    return generator, drawing(experiment, lambda: None).pool.spec  # type: ignore[arg-type, return-value]


def bare(generator: Any, rows: list[PlanRow], batch: int, folder: Path) -> None:
    """What a script would do: a batch of prompts, a generator a seed, PNG files."""
    pipe, config = generator._pipe, generator.config
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        with torch.inference_mode():
            images = pipe(
                prompt=[row.prompt for row in part],
                negative_prompt=[config.negative_prompt] * len(part),
                num_inference_steps=config.steps,
                guidance_scale=config.guidance,
                height=config.size,
                width=config.size,
                generator=[torch.Generator().manual_seed(row.seed) for row in part],
            ).images
        for row, image in zip(part, images, strict=True):
            image.save(folder / f"{row.image_id}.png")


def _timed(work: Draw) -> float:
    """CPU seconds, so that other work on the machine counts less."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        work(Path(folder))
        return time.process_time() - begun


def overhead(rounds: int, images: int, batch: int) -> tuple[float, list[float]]:
    """The median of harness / bare loop, and each round's; the two take turns.

    Args:
        rounds: pairs of measurements, at least 1.
        images: of each measurement; a multiple of ten times ``batch`` pads nothing.
        batch: images drawn together.
    """
    generator, spec = _generator(batch)
    counts = [images // spec.n_classes] * spec.n_classes
    rows = build_plan(spec, counts)

    def harness(folder: Path) -> None:
        Pool.open(spec, folder).ensure(counts, generator, Materials(), progress=False)

    def loop(folder: Path) -> None:
        bare(generator, rows, batch, folder)

    _timed(loop)
    ratios = [_timed(harness) / _timed(loop) for _ in range(rounds)]
    return statistics.median(ratios), ratios


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=640)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()
    median, ratios = overhead(given.rounds, given.images, given.batch)
    shown = " ".join(f"{ratio:.3f}" for ratio in sorted(ratios))
    print(f"harness / bare loop: median {median:.3f} of {shown}")


if __name__ == "__main__":
    main()
