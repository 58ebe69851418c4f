"""A trained pipeline and its log on disk."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline

from benchmark.system.files import sha256_file, write_text

LOG = "training_log.csv"
Row = tuple[str, int, float, float]


def save_pipeline(pipeline: StableDiffusionPipeline, folder: Path) -> None:
    """Write a pipeline in half precision, as its networks then stay."""
    for part in (pipeline.text_encoder, pipeline.vae, pipeline.unet):
        part.half()
    pipeline.save_pretrained(folder)
    for path in folder.rglob("*"):
        # safetensors writes files that only their owner may read
        path.chmod(0o755 if path.is_dir() else 0o644)


def write_log(folder: Path, rows: Iterable[Row]) -> None:
    """Write (part, step, loss, seconds) rows as ``training_log.csv``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("part", "step", "loss", "seconds"))
    writer.writerows((part, step, f"{loss:.5f}", f"{s:.1f}") for part, step, loss, s in rows)
    write_text(folder / LOG, text.getvalue())


def weight_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every weights file in a pipeline folder, by relative path."""
    files = sorted(folder.glob("*/*.safetensors"))
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
