"""Diffusers pipelines on the local disk: loaded, given a scheduler, watched while they run."""

import importlib.util
import platform
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from benchmark.errors import IntegrityError, UsageError, one_line
from benchmark.generation.diffusers_config import DiffusersConfig

# PNDM's Runge-Kutta warm-up would add calls that no checkpoint in use asks for; the single-step
# solver sets its own option at the first use, with a warning.
_SCHEDULER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "PNDM": {"skip_prk_steps": True},
    "DPMSolverSinglestep": {"lower_order_final": True},
}


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    flops: int = sdpa_flop_count(query, key, value)
    return flops


# Torch's counter knows the attention kernels of GPUs only.
UNCOUNTED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flops}


def counted_flops(run: Callable[[], object]) -> float:
    """Floating-point operations of a call; a multiply-add is two."""
    with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        run()
    return float(counter.get_total_flops())


@contextmanager
def quiet() -> Iterator[None]:
    """No progress bars and no warnings of diffusers and transformers inside the block."""
    # imported where a pipeline is: most runs draw nothing, and it takes a second
    import diffusers
    import transformers

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
    import diffusers

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
    import diffusers

    config.check()
    folder: Path = config.folder
    try:
        with quiet():
            options = _load_options(config, folder)
            # imported here and not above: it brings every pipeline, which takes seconds
            pipe = diffusers.AutoPipelineForText2Image.from_pretrained(folder, **options)
    except Exception as error:  # damaged settings fail in every layer of two libraries
        raise IntegrityError(
            f"Expected a pipeline that loads, but got {one_line(error)}", where=folder
        ) from error
    pipe.scheduler = make_scheduler(config.scheduler, pipe.scheduler.config, config.spacing)
    pipe.set_progress_bar_config(disable=True)
    if config.lora is not None:
        _fuse(pipe, config.lora_file)
    pipe = pipe.to(device)
    if config.channels_last:
        denoiser(pipe).to(memory_format=torch.channels_last)
        pipe.vae.to(memory_format=torch.channels_last)
    if config.vae_slicing:
        pipe.vae.enable_slicing()
    return pipe


def _fuse(pipe: Any, lora: Path) -> None:
    """Merge low-rank weights into the pipeline's own."""
    if importlib.util.find_spec("peft") is None:
        raise UsageError(
            "Expected peft for low-rank weights, but it is not installed",
            where="generator.lora",
            todo="pip install 'synaug-bench[fit]'",
        )
    with quiet():
        pipe.load_lora_weights(str(lora.parent), weight_name=lora.name, local_files_only=True)
        pipe.fuse_lora()
        pipe.unload_lora_weights()


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
