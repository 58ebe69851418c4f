"""Train a generator into a folder, unless it is there already."""

import importlib.metadata
import math
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import UsageError
from benchmark.generation.fitting.cost import CALLS_AN_IMAGE
from benchmark.generation.pipelines import counted_flops, device_name, pick_device, quiet
from benchmark.generation.trainer import networks as nets
from benchmark.generation.trainer.captions import SCALES, TEMPLATE, Captions, looks_of
from benchmark.generation.trainer.loop import Part, Progress, Training, falling
from benchmark.generation.trainer.request import FACTS, SCHEMA, TrainRequest, read_facts
from benchmark.generation.trainer.saving import save_pipeline, weight_hashes, write_log
from benchmark.generation.trainer.settings import TrainerConfig
from benchmark.generation.trainer.steps import (
    Captioned,
    Latents,
    Pictures,
    autoencoder_steps,
    denoiser_steps,
    encode,
    psnr,
    reconstruction_error,
)
from benchmark.generation.trainer.tokenizer import build_tokenizer
from benchmark.seeds import derive
from benchmark.system import hardware
from benchmark.system.files import write_json
from benchmark.system.interrupts import stop_flag
from benchmark.system.locks import held
from benchmark.system.progress import Tracker
from benchmark.training.half_precision import say_if_slow

WORK = ".fit"
_VERSIONED = ("torch", "diffusers", "transformers", "safetensors", "numpy")
_JUDGED = 512


@dataclass(frozen=True)
class Trained:
    """A generator that is there.

    Attributes:
        folder: of the pipeline.
        facts: what it was made from; ``fit.json``.
        new: whether it was trained now.
    """

    folder: Path
    facts: dict[str, Any]
    new: bool


def train_generator(request: TrainRequest, folder: Path, progress: bool = True) -> Trained:
    """Train a pipeline, or go on with it; a finished one is left as it is.

    Args:
        request: what on what.
        folder: of the pipeline: new, empty, or of the same request.
        progress: whether to show a bar.

    Raises:
        UsageError: the folder holds something else, or the device has too little memory.
        Interrupted: SIGTERM or Ctrl-C; the state was saved.
        IntegrityError: a damaged checkpoint.
        StorageError: the disk is full or the folder cannot be written.
    """
    facts = _kept(folder, request.key)
    if facts is not None:
        return Trained(folder, facts, new=False)
    with held(folder / WORK / ".lock", "trains this generator"):
        facts = _kept(folder, request.key)
        if facts is not None:
            # another process trained it in the meantime
            return Trained(folder, facts, new=False)
        facts = _train(request, folder, progress)
        write_json(folder / FACTS, facts)
    shutil.rmtree(folder / WORK, ignore_errors=True)
    return Trained(folder, facts, new=True)


def _kept(folder: Path, key: str) -> dict[str, Any] | None:
    """The facts of the generator that is there already; None where it is to be trained."""
    facts = read_facts(folder)
    if facts is not None and facts.get("key") != key:
        raise UsageError(
            "Expected a new folder, but got one with a generator of other settings, pictures or "
            "seed",
            where=folder,
            todo="give another folder, or delete this one",
        )
    if facts is None and folder.exists() and not (folder / WORK).is_dir() and any(folder.iterdir()):
        raise UsageError("Expected a new or empty folder, but got one with files", where=folder)
    return facts


@dataclass(frozen=True)
class _Subject:
    """What one training works on."""

    request: TrainRequest
    networks: nets.Networks
    pictures: Pictures
    captions: Captions
    tokenizer: Any

    @property
    def config(self) -> TrainerConfig:
        return self.request.config


def _train(request: TrainRequest, folder: Path, shown: bool) -> dict[str, Any]:
    device = pick_device(request.device)
    if request.config.precision == "bf16":
        say_if_slow(device, "fit.precision")
    subject = _subject(request, device)
    config, parts = request.config, vars(subject.networks)
    total = config.autoencoder.steps + config.denoiser.steps
    with stop_flag() as stop, quiet(), Tracker("train", total, "steps", enabled=shown) as tracker:
        training = Training(
            folder / WORK / "checkpoint.pt", request.key, dict(parts), device,
            config.precision == "bf16", stop, tracker,
        )  # fmt: skip
        training.resume()
        begun = time.perf_counter()
        training.run(0, _autoencoder(subject))
        tracker.done = max(tracker.done, config.autoencoder.steps)
        latents = encode(subject.networks, subject.pictures, training.check_stop)
        subject.networks.vae.register_to_config(scaling_factor=latents.scale)
        training.run(1, _denoiser(subject, latents))
        figures = _figures(subject, training.progress)
        waited = time.perf_counter() - begun
        pipeline = nets.assemble(subject.networks, subject.tokenizer)
        flops = _flops(subject, device)
        _write(pipeline, training.progress, folder)
    return {
        "schema": SCHEMA,
        "key": request.key,
        "knowledge": list(request.knowledge),
        "source": dict(request.source),
        "images": len(request.images),
        "captions": {"template": TEMPLATE, "looks": {name: list(w) for name, w in SCALES.items()}},
        "identity": request.identity,
        "cost": {
            "device": device_name(device),
            "cpu": hardware.cpu_name(),
            "threads": torch.get_num_threads(),
            "seconds": round(max(training.progress.seconds, waited), 1),
            "flops": flops,
        },
        "final": figures,
        "weights_sha256": weight_hashes(folder),
        "versions": {name: importlib.metadata.version(name) for name in _VERSIONED},
    }


def _subject(request: TrainRequest, device: torch.device) -> _Subject:
    config = request.config
    labels = request.labels
    looks = looks_of(request.images)
    captions = Captions(request.classes, labels, looks, config.looks, config.denoiser.caption_drop)
    tokenizer = build_tokenizer(captions.words)
    seed = derive(request.seed, "train generator", "weights") & 0xFFFFFFFF
    networks = nets.new_networks(architecture(config), tokenizer, seed)
    for network in vars(networks).values():
        network.to(device).train()
    pixels = torch.from_numpy(request.images).to(device)
    pictures = Pictures(pixels, config.flip, request.seed)
    return _Subject(request, networks, pictures, captions, tokenizer)


def architecture(config: TrainerConfig) -> nets.Architecture:
    """The networks that settings describe."""
    return nets.Architecture(
        size=config.size,
        text_width=config.text.width,
        text_layers=config.text.layers,
        text_heads=config.text.heads,
        vae_channels=config.autoencoder.widths,
        latent_channels=config.autoencoder.latent_channels,
        unet_channels=config.denoiser.widths,
        unet_heads=config.denoiser.heads,
        unet_attention=config.denoiser.attention,
        pooled_text=config.denoiser.pooled_text,
        layers_per_block=config.denoiser.layers,
        norm_groups=config.norm_groups,
    )


def _autoencoder(subject: _Subject) -> Part:
    config = subject.config.autoencoder
    return Part(
        "autoencoder",
        config.steps,
        nets.parameters(subject.networks.vae),
        autoencoder_steps(subject.networks, subject.pictures, config.batch_size, config.kl_weight),
        config.lr,
        lambda step: 0.5 * (1 + math.cos(math.pi * step / config.steps)),
    )


def _denoiser(subject: _Subject, latents: Latents) -> Part:
    config, networks = subject.config.denoiser, subject.networks
    networks.vae.requires_grad_(False)
    data = Captioned(latents, subject.pictures, subject.captions, subject.tokenizer)
    return Part(
        "denoiser",
        config.steps,
        nets.parameters(networks.unet, networks.text_encoder),
        denoiser_steps(networks, data, nets.new_scheduler(), config.batch_size),
        config.lr,
        falling(config.steps, config.warmup, config.flat),
        config.ema,
    )


def _figures(subject: _Subject, progress: Progress) -> dict[str, float]:
    error = reconstruction_error(subject.networks, subject.pictures.pixels[:_JUDGED])
    last = {name: mean for name, _, mean, _ in progress.log}
    losses = {f"{name}_loss": round(mean, 5) for name, mean in last.items()}
    return {**losses, "reconstruction_psnr_db": round(psnr(error), 2)}


@torch.no_grad()
def _flops(subject: _Subject, device: torch.device) -> float:
    """Floating-point operations of the whole training; a backward pass counts as two forward."""
    config, parts = subject.config, subject.networks
    pixels = torch.zeros(1, 3, config.size, config.size, device=device)
    latent = parts.vae.encode(pixels).latent_dist.mean
    ids = subject.tokenizer([""], padding="max_length", return_tensors="pt").input_ids.to(device)
    times = torch.zeros(1, dtype=torch.long, device=device)
    coder = counted_flops(lambda: parts.vae(pixels))
    call = counted_flops(
        lambda: parts.unet(latent, times, parts.text_encoder(ids).last_hidden_state)
    )
    coded, seen = (part.steps * part.batch_size for part in (config.autoencoder, config.denoiser))
    return CALLS_AN_IMAGE * (coder * coded + call * seen)


def _write(pipeline: Any, progress: Progress, folder: Path) -> None:
    """The pipeline, written beside and renamed into place part by part."""
    new = folder / WORK / "pipeline"
    shutil.rmtree(new, ignore_errors=True)
    save_pipeline(pipeline, new)
    for path in sorted(new.iterdir()):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        os.replace(path, target)
    write_log(folder, progress.log)
