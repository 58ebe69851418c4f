"""Types of every configuration group. Values live once, in YAML; checks live here.

``parse`` turns a mapping into one of these frozen dataclasses, or raises one clear error that
names the key, what was expected and the nearest allowed names.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import TypeAdapter, ValidationError

from benchmark.errors import UsageError, unknown

T = TypeVar("T")
# what YAML files put where the command line has to give a value
MISSING = "???"

PositiveInt = Annotated[int, Gt(0)]
NonNegativeInt = Annotated[int, Ge(0)]
PositiveFloat = Annotated[float, Gt(0)]
NonNegativeFloat = Annotated[float, Ge(0)]
Probability = Annotated[float, Ge(0), Le(1)]
OpenShare = Annotated[float, Gt(0), Lt(1)]
Share = Annotated[float, Ge(0), Lt(1)]


@dataclass(frozen=True, kw_only=True)
class StepsConfig:
    """How long the base stage is: passes over its rows, or optimiser steps."""

    unit: Literal["epochs", "iterations"]
    amount: PositiveInt


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optimiser of timm's factory; ``weight_decay`` reaches all parameters, as published."""

    name: str
    lr: PositiveFloat
    momentum: Annotated[float, Ge(0), Lt(1)]
    weight_decay: NonNegativeFloat
    nesterov: bool


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig:
    """Learning rate over time, by timm's schedulers.

    Attributes:
        name: "multistep" (drops at ``milestones``), "cosine" or "constant".
        unit: whether the rate changes between epochs or between steps.
        warmup: linear warm-up, in units; the first unit has rate lr / warmup.
        milestones: shares of the stage after which the rate is multiplied by ``gamma``.
        gamma: the factor of one drop.
    """

    name: Literal["multistep", "cosine", "constant"]
    unit: Literal["epoch", "step"]
    warmup: NonNegativeInt
    milestones: tuple[OpenShare, ...] = ()
    gamma: PositiveFloat = 1.0


Border = Literal["zero", "reflect"]
Strength = Annotated[float, Ge(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Training augmentation, in the order crop, flip, rotation, jitter, policy, hole.

    Attributes:
        pad: border around the image for the crop, in pixels; 0 with ``crop="resized"``.
        flip: probability of a horizontal flip.
        border: what the border holds: black, or the image mirrored.
        crop: "pad" crops the padded image at its own size; "resized" enlarges a random part of it
            (area ``scale_min`` to 1, aspect ratio 3/4 to 4/3).
        scale_min: the smallest area of a resized crop, as a share of the image.
        rotate: largest rotation either way, in degrees; black comes in at the corners.
        jitter: strengths of brightness, contrast, saturation (factors 1 - s to 1 + s) and hue
            (share of the circle), as in torchvision's ColorJitter.
        policy: AutoAugment's policy for CIFAR-10 or ImageNet, or RandAugment.
        policy_ops: operations an image under RandAugment.
        policy_magnitude: of RandAugment, in tenths of each operation's range.
        cutout: side of one square hole of the mean colour, in pixels; 0 for none.

    Raises:
        UsageError: a border that nothing would see.
    """

    pad: NonNegativeInt
    flip: Probability
    border: Border = "zero"
    crop: Literal["pad", "resized"] = "pad"
    scale_min: Annotated[float, Gt(0), Le(1)] = 0.08
    rotate: Annotated[float, Ge(0), Le(180)] = 0.0
    jitter: tuple[Strength, Strength, Strength, Annotated[float, Ge(0), Le(0.5)]] = (0, 0, 0, 0)
    policy: Literal["none", "autoaugment_cifar10", "autoaugment_imagenet", "randaugment"] = "none"
    policy_ops: PositiveInt = 2
    policy_magnitude: Annotated[float, Ge(0), Le(10)] = 10.0
    cutout: NonNegativeInt = 0

    def __post_init__(self) -> None:
        if self.crop == "resized" and self.pad:
            raise UsageError(
                f"Expected no border where crops are resized, but got pad={self.pad}",
                where="recipe.augmentation.pad",
                todo="set recipe.augmentation.pad=0",
            )


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """What all methods share. ``name`` is printed with every number trained under it."""

    name: str
    steps: StepsConfig
    batch_size: PositiveInt
    optimizer: OptimizerConfig
    schedule: ScheduleConfig
    augmentation: AugmentationConfig
    precision: Literal["fp32", "bf16"]
    ema: Annotated[float, Gt(0), Lt(1)] | None = None


@dataclass(frozen=True, kw_only=True)
class BackboneConfig:
    """A timm model by name, built without a classifier; ``options`` go to its constructor."""

    name: str
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlumbingConfig:
    """Settings that change no number and enter no hash.

    Attributes:
        out: folder of run folders.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads of one run; 0 leaves torch's choice.
        decode_workers: threads that decode pictures where they are not packed; 0 is one a core.
        checkpoint_minutes: time between checkpoints while training.
        on_existing: what to do about a finished run: "skip" it or run it again.
        compile: wrap the network in ``torch.compile`` (pays for long runs only).
        wandb: "disabled", "offline" or "online"; a failure there never breaks a run.
        progress: show progress bars.
        share_stages: take over a stage that another run trained under the same conditions, and
            keep the own ones for others; results are the same either way.
        save_weights: keep the deployed network beside the record.
        beside: components whose runs are printed beside this one, run first where missing.
    """

    out: Annotated[str, MinLen(1)]
    device: Literal["auto", "cpu", "cuda"]
    threads: NonNegativeInt
    decode_workers: NonNegativeInt
    checkpoint_minutes: PositiveFloat
    on_existing: Literal["skip", "rerun"]
    compile: bool
    wandb: Literal["disabled", "offline", "online"]
    progress: bool
    share_stages: bool
    save_weights: bool
    beside: tuple[str, ...]


def _check_given(values: Any, where: str) -> None:
    """Refuse a plain value where settings are expected, and a setting without a value."""
    if not isinstance(values, Mapping):
        raise UsageError(
            f"Expected settings, but got {values!r}", where=where, todo=f"set {where}.KEY=VALUE"
        )
    for key, value in values.items():
        if value == MISSING:
            path = f"{where}.{key}" if where else key
            raise UsageError("Expected a value, but got none", where=path, todo=f"set {path}=VALUE")


def _check_keys(cls: type[Any], values: Mapping[str, Any], where: str) -> None:
    names = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            raise unknown("key", str(key), names or ["(none: it takes no settings)"], where=where)
    for field in dataclasses.fields(cls):
        nested = values.get(field.name)
        if dataclasses.is_dataclass(field.type) and isinstance(nested, Mapping):
            _check_keys(field.type, nested, f"{where}.{field.name}")  # type: ignore[arg-type]


def parse(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """Build the frozen dataclass ``cls`` from plain values.

    Args:
        cls: a dataclass whose annotations carry types and ranges.
        values: plain Python values (from YAML or the command line).
        where: the configuration path, printed in errors.

    Raises:
        UsageError: unknown or missing key, wrong type, impossible value.
    """
    _check_given(values, where)
    _check_keys(cls, values, where)
    try:
        result: T = TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in (where, *first["loc"]) if part != "")
        raise UsageError(
            f"{first['msg']}, but got {first.get('input')!r}",
            where=path,
            todo="see `show` for the allowed values",
        ) from None
    return result
