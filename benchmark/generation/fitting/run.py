"""Fit a generator to real training images, unless that has been done."""

import importlib.metadata
import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmark.generation.fitting.adapter import require_packages
from benchmark.generation.fitting.cost import (
    CALLS_AN_IMAGE,
    FitCost,
    optimizer_steps,
    predicted_network_calls,
)
from benchmark.generation.fitting.objective import check_pipeline
from benchmark.generation.fitting.request import (
    MARKER,
    FitRequest,
    Fitted,
    fit_dir,
    read_fitted,
    write_marker,
)
from benchmark.generation.fitting.training import (
    CHECKPOINT,
    Fit,
    FitProgress,
    load_progress,
    new_draws,
    out_of_memory,
)
from benchmark.generation.pipelines import (
    counted_flops,
    device_name,
    load_pipeline,
    pick_device,
)
from benchmark.system.interrupts import stop_flag
from benchmark.system.locks import held
from benchmark.system.progress import Tracker

# above this size, activations rather than weights fill a device
_CHECKPOINT_FROM = 512
_VERSIONED = ("torch", "diffusers", "transformers", "safetensors", "peft", "accelerate")


def ensure_fit(request: FitRequest, root: Path | None = None, progress: bool = True) -> Fitted:
    """The fit of a request: a finished one, or one that is made or continued now.

    Args:
        request: what is fitted to what.
        root: folder of fits; None for the one in the cache.
        progress: whether to show a progress bar.

    Raises:
        Interrupted: SIGTERM or Ctrl-C; the state was saved.
        UsageError: missing packages, a generator that cannot be fitted, or too little memory.
        DataError: the generator's weights are not on this machine.
        IntegrityError: damaged weights, checkpoint, or finished fit.
        StorageError: the disk is full or the folder cannot be written.
    """
    folder = (root or fit_dir()) / request.key
    if not (folder / MARKER).exists():
        if request.config.kind == "lora":
            require_packages()
        with held(folder / ".lock", f"makes fit {folder.name}"):
            if not (folder / MARKER).exists():
                _fit(request, folder, progress)
    return read_fitted(folder)


def _fit(request: FitRequest, folder: Path, shown: bool) -> None:
    device = pick_device(request.device)
    # weights that only speed up sampling, such as LCM's, are made to be put on a fitted generator
    base = replace(request.base, dtype=request.training_dtype, lora=None)
    pipe = load_pipeline(base, device)
    check_pipeline(pipe, base.folder)
    flops = _flops(pipe, request)
    if base.size >= _CHECKPOINT_FROM:
        pipe.unet.enable_gradient_checkpointing()
    reached = _train(request, folder, pipe, shown)
    cost = _cost(request, reached, flops, device_name(device))
    write_marker(folder, request, cost, _versions())
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _train(request: FitRequest, folder: Path, pipe: Any, shown: bool) -> FitProgress:
    total = optimizer_steps(request.config, len(request.classes))
    reached, saved = load_progress(folder / CHECKPOINT, pipe.device)
    done = reached.unit * request.config.steps + reached.step
    with stop_flag() as stop, Tracker("fit", total, "steps", done=done, enabled=shown) as tracker:
        try:
            Fit(request, folder, pipe, stop, reached, tracker).run(saved)
        except torch.OutOfMemoryError as error:
            raise out_of_memory(request.config.batch_size) from error
    return reached


def _cost(
    request: FitRequest, progress: FitProgress, flops: tuple[float, float], device: str
) -> FitCost:
    config, n_classes = request.config, len(request.classes)
    steps = optimizer_steps(config, n_classes)
    draws = [new_draws(request, unit, labels) for unit, labels in request.units.items()]
    distinct = sum(len(each.used) for each in draws)
    seen, (call, encoding) = steps * config.batch_size, flops
    return FitCost(
        optimizer_steps=steps,
        images_seen=seen,
        network_calls=predicted_network_calls(config, n_classes),
        device_seconds=round(progress.seconds, 3),
        flops=CALLS_AN_IMAGE * call * seen + encoding * distinct,
        device=device,
        real_images=distinct,
    )


@torch.no_grad()
def _flops(pipe: Any, request: FitRequest) -> tuple[float, float]:
    """Floating-point operations of one denoiser call and of one encoding."""
    pixels = torch.zeros(1, 3, request.base.size, request.base.size)
    latents = pipe.vae.encode(pixels.to(pipe.device, pipe.vae.dtype)).latent_dist.mean
    text = pipe.encode_prompt(["a photo"], pipe.device, 1, False)[0]
    times = torch.zeros(1, dtype=torch.long, device=pipe.device)
    call = counted_flops(lambda: pipe.unet(latents.to(pipe.unet.dtype), times, text))
    return call, counted_flops(lambda: pipe.vae.encode(pixels.to(pipe.device, pipe.vae.dtype)))


def _versions() -> dict[str, str]:
    installed = [name for name in _VERSIONED if importlib.util.find_spec(name)]
    return {name: importlib.metadata.version(name) for name in installed}
