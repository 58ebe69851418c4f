"""What images cost: network calls predicted and measured, FLOPs, device time, outside knowledge.

A network call is one forward pass of the denoiser for one image; classifier-free guidance makes
two of them at every step.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmark.errors import UsageError, unknown

ONE_A_STEP = (
    "DDIM", "DDPM", "DEISMultistep", "DPMSolverMultistep", "DPMSolverSinglestep",
    "EulerAncestralDiscrete", "EulerDiscrete", "LCM", "LMSDiscrete", "TCD", "UniPCMultistep",
)  # fmt: skip
TWO_A_STEP = ("HeunDiscrete", "KDPM2AncestralDiscrete", "KDPM2Discrete")
ONE_MORE = ("PNDM",)
SCHEDULERS = tuple(sorted(ONE_A_STEP + TWO_A_STEP + ONE_MORE))
STEP_LIMITS = {"LCM": 50, "TCD": 50}


@dataclass(frozen=True, kw_only=True)
class GenerationCost:
    """The generation block of a record, for the images of one budget as if drawn alone.

    Attributes:
        candidates: images drawn: accepted and rejected ones.
        accepted: images in the training set.
        rejected: degenerate frames, drawn again with the next attempt's seed.
        failed: images lost after drawing (missing or corrupt files) and drawn again; these enter
            the pool's totals only.
        network_calls_predicted: by the rule of the scheduler, for the candidates.
        network_calls_measured: counted by a hook on the denoiser; padding of a last batch is left
            out.
        guidance_factor: network calls at each step: 2 with classifier-free guidance.
        flops: floating-point operations of the candidates, from one measured call and one decode.
        device_seconds: time spent drawing the candidates, without loading.
        load_seconds: one loading of the generator.
        device: hardware name, or several joined by " + ".
        dtype: of the generator's weights.
        knowledge: outside knowledge that the generator brings.
        pool_key: the pool the images come from.
        pool_candidates: images ever drawn for the pool, for all budgets together.
        pool_network_calls: measured calls of all of them.
        pool_device_seconds: time spent on all of them.
        fit_steps: optimiser steps of fitting the generator.
        fit_network_calls: what fitting took in network calls: three for each image seen, a forward
            and a backward pass.
        fit_seconds: device time of fitting.
        fit_flops: floating-point operations of fitting.
        web_images: images fetched from the web, kept or not.
        known: False where images came without a statement of what they took.
    """

    candidates: int = 0
    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    network_calls_predicted: int = 0
    network_calls_measured: int = 0
    guidance_factor: int = 0
    flops: float = 0.0
    device_seconds: float = 0.0
    load_seconds: float = 0.0
    device: str = ""
    dtype: str = ""
    knowledge: tuple[str, ...] = ()
    pool_key: str = ""
    pool_candidates: int = 0
    pool_network_calls: int = 0
    pool_device_seconds: float = 0.0
    fit_steps: int = 0
    fit_network_calls: int = 0
    fit_seconds: float = 0.0
    fit_flops: float = 0.0
    web_images: int = 0
    known: bool = True


NO_COST = GenerationCost()


def guidance_factor(guidance: float) -> int:
    """Network calls at each step: 1 up to guidance 1, else 2."""
    return 2 if guidance > 1 else 1


def predicted_steps(scheduler: str, steps: int, strength: float | None = None) -> int:
    """How often the denoiser is run for one image, guidance not counted.

    Args:
        scheduler: a name of ``SCHEDULERS``.
        steps: the number asked for, at least 1.
        strength: None for text-to-image; in (0, 1] for image-to-image.

    Raises:
        UsageError: an unknown scheduler, or a combination that diffusers refuses or that would
            run no step at all.
    """
    if scheduler not in SCHEDULERS:
        raise unknown("scheduler", scheduler, SCHEDULERS, where="generator.scheduler")
    if steps < 1:
        raise UsageError(f"Expected at least 1 step, but got {steps}", where="generator.steps")
    if steps > STEP_LIMITS.get(scheduler, steps):
        raise UsageError(
            f"Expected at most {STEP_LIMITS[scheduler]} steps for {scheduler}, but got {steps}",
            where="generator.steps",
            todo="use fewer steps, or another scheduler such as DPMSolverMultistep",
        )
    used = steps if strength is None else _strength_steps(steps, strength)
    if scheduler in TWO_A_STEP:
        return 2 * used - 1
    return used + (scheduler in ONE_MORE and steps > 1)


def _strength_steps(steps: int, strength: float) -> int:
    if not 0 < strength <= 1:
        raise UsageError(
            f"Expected a strength in (0, 1], but got {strength}", where="generator.strength"
        )
    # The truncated float product is what diffusers computes: 0.29 * 100 gives 28.
    used = min(int(steps * strength), steps)
    if used < 1:
        raise UsageError(
            f"Expected steps * strength of at least 1, but got {steps} * {strength}",
            where="generator.strength",
            todo=f"use at least {int(1 / strength) + 1} steps, or more strength",
        )
    return used


def predicted_calls(
    scheduler: str, steps: int, guidance: float, strength: float | None = None
) -> int:
    """Network calls for one image: ``predicted_steps`` times ``guidance_factor``."""
    return predicted_steps(scheduler, steps, strength) * guidance_factor(guidance)


def joined(names: Iterable[str]) -> str:
    """Distinct non-empty names, sorted and joined by " + "."""
    return " + ".join(sorted({name for name in names if name}))
