"""Settings of a generator that is trained from nothing, checked without importing torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen, MultipleOf

from benchmark.config import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, parse
from benchmark.errors import UsageError, unknown
from benchmark.paths import config_dir
from benchmark.registry import yaml_names
from benchmark.system.yaml_text import read_yaml

DEFAULT = "small32"
Share = Annotated[float, Ge(0), Le(1)]
Widths = Annotated[tuple[PositiveInt, ...], MinLen(2)]


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """The autoencoder between pixels and latents.

    Attributes:
        widths: channels by level; each further level halves the picture.
        latent_channels: of a latent.
        steps: of its optimiser.
        batch_size: pictures a step.
        lr: of AdamW, falling by a cosine.
        kl_weight: of the divergence from a standard normal, a latent value.
    """

    widths: Widths
    latent_channels: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    kl_weight: NonNegativeFloat


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """The text encoder, trained with the denoiser.

    Attributes:
        width: of a token's embedding.
        layers: transformer layers.
        heads: of their attention.
    """

    width: PositiveInt
    layers: PositiveInt
    heads: PositiveInt


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    """The denoiser of latents.

    Attributes:
        widths: channels by level.
        attention: for each level, whether it attends to the prompt; the middle always does.
        pooled_text: whether the pooled prompt also scales and shifts every block.
        layers: residual blocks of a level.
        heads: of its attention.
        steps: of its optimiser.
        batch_size: latents a step.
        lr: of AdamW.
        warmup: steps until the full rate.
        flat: share of the steps before the rate falls to zero.
        ema: decay of the moving average that is kept.
        caption_drop: share of pictures shown without a caption, for guidance.
    """

    widths: Widths
    attention: tuple[bool, ...]
    pooled_text: bool
    layers: PositiveInt
    heads: PositiveInt
    steps: PositiveInt
    batch_size: PositiveInt
    lr: PositiveFloat
    warmup: NonNegativeInt
    flat: Share
    ema: Share
    caption_drop: Share


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """A generator and how it is trained.

    Attributes:
        name: of these settings.
        size: height and width of a picture in pixels, a multiple of 8.
        precision: of the forward pass; weights stay float32.
        flip: whether mirrored pictures are shown as well.
        looks: share of a picture's true looks that its caption mentions.
        norm_groups: of every group norm; all widths are multiples of it.
        autoencoder: see there.
        text: see there.
        denoiser: see there.
    """

    name: str
    size: Annotated[int, Ge(8), MultipleOf(8)]
    precision: Literal["fp32", "bf16"]
    flip: bool
    looks: Share
    norm_groups: PositiveInt
    autoencoder: AutoencoderConfig
    text: TextConfig
    denoiser: DenoiserConfig


def trainer_config(words: Sequence[str]) -> TrainerConfig:
    """The settings of ``fit=NAME`` with ``fit.KEY=VALUE`` laid over them.

    Args:
        words: such words only; without ``fit=NAME`` it is ``DEFAULT``.

    Raises:
        UsageError: no such file, key or value, or networks that cannot be built.
    """
    from omegaconf import OmegaConf

    names = yaml_names("fit")
    chosen = [word.partition("=")[2] for word in words if word.startswith("fit=")]
    name = chosen[-1] if chosen else DEFAULT
    if name not in names:
        raise unknown("set of settings", name, names, where="fit")
    found = OmegaConf.create(read_yaml(config_dir() / "fit" / f"{name}.yaml"))
    for word in words:
        key, _, value = word.partition("=")
        if key != "fit":
            _set(found, key.removeprefix("fit."), value, word)
    values: Any = OmegaConf.to_container(found)
    config = parse(TrainerConfig, values, "fit")
    _check(config)
    return config


def _set(config: Any, key: str, value: str, word: str) -> None:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    try:
        OmegaConf.update(config, key, OmegaConf.from_dotlist([f"value={value}"])["value"])
    except (OmegaConfBaseException, YAMLError, ValueError, AttributeError, TypeError) as error:
        raise UsageError("Expected fit.KEY=VALUE", where=word, todo="see --help") from error


def _check(config: TrainerConfig) -> None:
    """Refuse what the networks would trip over (UsageError)."""
    coder, text, unet = config.autoencoder, config.text, config.denoiser
    side = config.size / 2 ** (len(coder.widths) - 1)
    smallest = side / 2 ** (len(unet.widths) - 1)
    if smallest != int(smallest) or smallest < 1:
        raise _wrong("levels that halve the size evenly", f"{smallest:g} pixels in the last",
                     "fit.denoiser.widths")  # fmt: skip
    if len(unet.attention) != len(unet.widths):
        raise _wrong(f"{len(unet.widths)} values", len(unet.attention), "fit.denoiser.attention")
    for where, widths in (("autoencoder", coder.widths), ("denoiser", unet.widths)):
        if odd := [width for width in widths if width % config.norm_groups]:
            raise _wrong(f"multiples of {config.norm_groups} (fit.norm_groups)", odd[0],
                         f"fit.{where}.widths")  # fmt: skip
    for where, width, heads in (
        ("text", text.width, text.heads),
        *(("denoiser", width, unet.heads) for width in unet.widths),
    ):
        if width % heads:
            raise _wrong(f"heads that divide a width of {width}", heads, f"fit.{where}.heads")


def _wrong(expected: str, got: object, where: str) -> UsageError:
    return UsageError(f"Expected {expected}, but got {got}", where=where)
