"""The one adapter over diffusers: Stable Diffusion 1.x, 2.x, XL, Turbo, LCM and the embedded one.

Nothing is special-cased for any checkpoint but its path. Each image has a CPU random generator
of its own, so it does not depend on what shares its batch.
"""

import importlib.metadata
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.cost import guidance_factor, predicted_calls
from benchmark.generation.diffusers_config import DiffusersConfig, fetch
from benchmark.generation.generator import DrawResult, Generator, LoadReport

_EMBEDS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
_VERSIONED = ("torch", "diffusers", "transformers", "safetensors")
# PNDM's Runge-Kutta warm-up would add calls that no checkpoint in use asks for; the single-step
# solver sets its own option at the first use, with a warning.
_SCHEDULER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNDM": {"skip_prk_steps": True},
    "DPMSolverSinglestep": {"lower_order_final": True},
}
Embeddings = dict[str, Tensor]


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    flops: int = sdpa_flop_count(query, key, value)
    return flops


# Torch's counter knows the attention kernels of GPUs only.
_UNCOUNTED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of diffusers and transformers inside the block."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    before = [(one.get_verbosity(), one.is_progress_bar_enabled()) for one in libraries]
    for one in libraries:
        one.set_verbosity_error()
        one.disable_progress_bar()
    try:
        yield
    finally:
        for one, (verbosity, bar) in zip(libraries, before, strict=True):
            one.set_verbosity(verbosity)
            if bar:
                one.enable_progress_bar()


class CallCounter:
    """Counts forward passes of a denoiser, one for each image of a batch.

    Args:
        denoiser: the module to watch.
    """

    def __init__(self, denoiser: nn.Module) -> None:
        self.total = 0
        self._handle = denoiser.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample = args[0] if args else kwargs.get("sample", kwargs.get("hidden_states"))
        self.total += len(sample)  # type: ignore[arg-type]

    def close(self) -> None:
        """Stop counting."""
        self._handle.remove()


def pick_device(name: str) -> torch.device:
    """The device called "cpu" or "cuda", or the best there is for "auto".

    Raises:
        UsageError: "cuda" where there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "Expected a CUDA device, but torch finds none", where="device", todo="set device=cpu"
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def device_name(device: torch.device) -> str:
    """The hardware behind a device, for records."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu ({platform.machine()})"


def make_scheduler(name: str, base: Mapping[str, Any], spacing: str | None) -> Any:
    """A diffusers scheduler with the noise schedule of a checkpoint.

    Args:
        name: without the word "Scheduler".
        base: configuration of the checkpoint's own scheduler.
        spacing: of the time steps; None leaves the checkpoint's.

    Raises:
        UsageError: the scheduler has no such spacing.
    """
    cls = getattr(diffusers, f"{name}Scheduler")
    extra = dict(_SCHEDULER_OPTIONS.get(name, {}))
    if spacing is not None:
        extra["timestep_spacing"] = spacing
    with quiet():
        scheduler = cls.from_config(base, **extra)
    if spacing is not None and scheduler.config.get("timestep_spacing") != spacing:
        raise UsageError(
            f"Expected a scheduler with time step spacing, but {name} has none",
            where="generator.spacing",
            todo="set generator.spacing=null",
        )
    return scheduler


def load_pipeline(config: DiffusersConfig, device: torch.device) -> Any:
    """The pipeline of a configuration, without a safety checker; never downloads.

    Raises:
        DataError: the weights are not on this machine.
        IntegrityError: they cannot be read.
        UsageError: impossible settings.
    """
    config.check()
    folder: Path = config.folder
    try:
        with quiet():
            options = _load_options(config, folder)
            # imported here and not above: it brings every pipeline, which takes seconds
            pipe = diffusers.AutoPipelineForText2Image.from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise IntegrityError(
            f"Expected a pipeline that loads, but got {str(error).splitlines()[0]}", where=folder
        ) from error
    pipe.scheduler = make_scheduler(config.scheduler, pipe.scheduler.config, config.spacing)
    pipe.set_progress_bar_config(disable=True)
    pipe = pipe.to(device)
    if config.channels_last:
        denoiser(pipe).to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    return pipe


def _load_options(config: DiffusersConfig, folder: Path) -> dict[str, Any]:
    options: dict[str, Any] = {
        "dtype": getattr(torch, config.dtype),
        "variant": config.variant,
        "use_safetensors": True,
        "local_files_only": True,
    }
    # Degenerate frames are detected and drawn again; a checker would hide them as black images.
    if "safety_checker" in (folder / "model_index.json").read_text(encoding="utf-8"):
        options |= {"safety_checker": None, "feature_extractor": None}
        options |= {"requires_safety_checker": False}
    return options


def denoiser(pipe: Any) -> nn.Module:
    """The network that is run at every step."""
    module: nn.Module = pipe.unet if getattr(pipe, "unet", None) is not None else pipe.transformer
    return module


class DiffusersGenerator(Generator):
    """Text-to-image by a diffusers pipeline on the local disk.

    Args:
        config: what is drawn and how.
        device: "auto", "cpu" or "cuda".
    """

    Config = DiffusersConfig

    def __init__(self, config: DiffusersConfig, device: str = "auto") -> None:
        self.config = config
        self.batch_size = config.batch_size
        self.dtype = config.dtype
        self.knowledge = config.knowledge
        self._device_choice = device
        self._pipe: Any = None
        self._report = LoadReport()
        self._embeddings: dict[str, Embeddings] = {}

    def fetch(self) -> Path:
        """See ``Generator.fetch``."""
        return fetch(self.config)

    def fingerprint(self) -> dict[str, Any]:
        """See ``Generator.fingerprint``."""
        identity: dict[str, Any] = self.config.fingerprint()
        return identity

    def check(self) -> None:
        """See ``Generator.check``; also refuses float16 on a CPU."""
        self.config.check()
        device = pick_device(self._device_choice)
        if device.type == "cpu" and self.config.dtype == "float16":
            raise UsageError(
                "Expected float32 or bfloat16 on a CPU, but got float16",
                where="generator.dtype",
                todo="set generator.dtype=float32",
            )
        make_scheduler(self.config.scheduler, {}, self.config.spacing)

    @property
    def predicted_calls(self) -> int:
        """See ``Generator.predicted_calls``."""
        return predicted_calls(self.config.scheduler, self.config.steps, self.config.guidance)

    @property
    def guidance_factor(self) -> int:
        """2 with classifier-free guidance, else 1."""
        return guidance_factor(self.config.guidance)

    def load(self) -> LoadReport:
        """See ``Generator.load``; also measures the FLOPs of one image."""
        if self._pipe is not None:
            return self._report
        start = time.perf_counter()
        self.check()
        device = pick_device(self._device_choice)
        self._pipe = load_pipeline(self.config, device)
        seconds = time.perf_counter() - start
        call, image = self._measure_flops()
        self._report = LoadReport(
            device=device_name(device),
            seconds=round(seconds, 3),
            flops_call=call,
            flops_image=image,
            versions={name: importlib.metadata.version(name) for name in _VERSIONED},
        )
        return self._report

    def close(self) -> None:
        """See ``Generator.close``."""
        self._pipe = None
        self._embeddings.clear()

    def draw(self, prompts: Sequence[str], seeds: Sequence[int]) -> DrawResult:
        """See ``Generator.draw``; the last batch is padded to ``batch_size``.

        Raises:
            UsageError: the device has too little memory for the batch.
        """
        self.load()
        start = time.perf_counter()
        pairs = list(zip(prompts, seeds, strict=True))
        chunks = [pairs[at : at + self.batch_size] for at in range(0, len(pairs), self.batch_size)]
        drawn = [self._draw_chunk(chunk) for chunk in chunks]
        pixels = np.concatenate([chunk for chunk, _ in drawn])
        finite = np.isfinite(pixels).all(axis=(1, 2, 3)).tolist()
        return DrawResult(
            images=[to_image(one) for one in pixels],
            calls=sum(calls for _, calls in drawn),
            seconds=time.perf_counter() - start,
            finite=finite,
        )

    def _draw_chunk(self, pairs: Sequence[tuple[str, int]]) -> tuple[np.ndarray, int]:
        padding = [pairs[-1]] * (self.batch_size - len(pairs))
        pixels, calls = self.draw_values([*pairs, *padding])
        return pixels[: len(pairs)], calls * len(pairs) // self.batch_size

    def draw_values(self, pairs: Sequence[tuple[str, int]]) -> tuple[np.ndarray, int]:
        """Draw one batch as it is, before rounding to 8 bits.

        Args:
            pairs: prompts and 32-bit seeds.

        Returns:
            float32 (batch, height, width, 3) in [0, 1], and the network calls made.
        """
        self.load()
        counter = CallCounter(denoiser(self._pipe))
        try:
            return self._sample(pairs, self.config.steps), counter.total
        except torch.OutOfMemoryError as error:
            raise UsageError(
                f"Expected memory for {len(pairs)} images at a time, but the device ran out",
                where="generator.batch_size",
                todo=f"set generator.batch_size={max(self.batch_size // 2, 1)}",
            ) from error
        finally:
            counter.close()

    @torch.inference_mode()
    def _sample(self, pairs: Sequence[tuple[str, int]], steps: int) -> np.ndarray:
        made = self._pipe(
            num_inference_steps=steps,
            guidance_scale=self.config.guidance,
            height=self.config.size,
            width=self.config.size,
            generator=[torch.Generator().manual_seed(seed) for _, seed in pairs],
            output_type="pt",
            **self._embed([text for text, _ in pairs]),
        )
        values: np.ndarray = made.images.float().permute(0, 2, 3, 1).cpu().numpy()
        return values

    def _embed(self, prompts: Sequence[str]) -> Embeddings:
        found = [self._embedding(text) for text in prompts]
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}

    def _embedding(self, text: str) -> Embeddings:
        # One prompt at a time, so that an embedding cannot depend on what shares its batch.
        if text not in self._embeddings:
            guided = self.guidance_factor == 2
            encoded = self._pipe.encode_prompt(
                prompt=[text],
                device=self._pipe.device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
                negative_prompt=[self.config.negative_prompt] if guided else None,
            )
            named = zip(_EMBEDS, encoded, strict=False)
            self._embeddings[text] = {key: value for key, value in named if value is not None}
        return self._embeddings[text]

    def _measure_flops(self) -> tuple[float, float]:
        pairs = [("a photo", 0)]
        with torch.inference_mode():
            self._embed([text for text, _ in pairs])
        counter = CallCounter(denoiser(self._pipe))
        try:
            with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as flops:
                self._sample(pairs, steps=2)
        finally:
            counter.close()
        by_module = flops.get_flop_counts()
        network = sum(by_module.get(type(denoiser(self._pipe)).__name__, {}).values())
        total = flops.get_total_flops()
        return network / max(counter.total, 1), float(total - network)


def to_image(values: np.ndarray) -> Image.Image:
    """An 8-bit RGB image from (height, width, 3) values in [0, 1]; non-finite ones become 0."""
    clean = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return Image.fromarray((clean.clip(0, 1) * 255).round().astype(np.uint8))
