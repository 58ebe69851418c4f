"""What a generator is to the rest of the suite; imports neither torch nor diffusers."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.registry import GENERATORS


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What the images of one batch have in common besides the generator's settings.

    Attributes:
        strength: how far an image leaves its guide, in (0, 1]; None for text-to-image.
        adapter: file of a fitted adapter to draw with; None for the generator as it is.
    """

    strength: float | None = None
    adapter: Path | None = None


TEXT = Mode()


@dataclass(frozen=True, kw_only=True)
class DrawResult:
    """Images and what they took.

    Attributes:
        images: RGB images, one a prompt, in order.
        calls: network calls made for these images; divisible by their number.
        seconds: wall time on the device.
        finite: for each image, whether all its values were finite before rounding to 8 bits.
    """

    images: list[Image.Image]
    calls: int
    seconds: float
    finite: list[bool]


@dataclass(frozen=True, kw_only=True)
class LoadReport:
    """What loading a generator took, and what it costs to run.

    Attributes:
        device: hardware name.
        seconds: loading time, also if it was loaded before.
        flops_call: floating-point operations of one network call.
        flops_image: further operations an image, such as the decoder and a guide's encoder.
        versions: library versions, recorded beside the images.
    """

    device: str = ""
    seconds: float = 0.0
    flops_call: float = 0.0
    flops_image: float = 0.0
    versions: Mapping[str, str] = field(default_factory=dict)


class Generator(ABC):
    """Draws images from prompts and seeds. Loads its weights at the first call of ``load``.

    Attributes:
        batch_size: images drawn together.
        dtype: of the weights, as text.
        knowledge: outside knowledge that its weights bring, as tags.
    """

    Config: ClassVar[type[Any]]
    config: Any
    batch_size: int
    dtype: str
    knowledge: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, config: Any, device: str = "auto") -> None: ...

    @abstractmethod
    def fetch(self) -> Path:
        """Put the weights on this machine, downloading what is absent; returns their folder.

        Raises:
            DataError: they cannot be reached.
        """

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """All that decides what an image looks like, weights by content; JSON values only."""

    @abstractmethod
    def check(self, mode: Mode = TEXT) -> None:
        """Refuse settings that cannot work and weights that are not there, before any work.

        Raises:
            UsageError: impossible settings.
            DataError: absent weights; the message gives the command that fetches them.
            IntegrityError: truncated or altered weights.
        """

    @abstractmethod
    def predicted_calls(self, strength: float | None = None) -> int:
        """Network calls for one image, guidance counted.

        Raises:
            UsageError: the settings run no step at all, or are impossible.
        """

    @property
    def guidance_factor(self) -> int:
        """Network calls at each step."""
        return 1

    @abstractmethod
    def load(self, mode: Mode = TEXT) -> LoadReport:
        """Load the weights if that has not been done; never downloads."""

    @abstractmethod
    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        guides: Sequence[Image.Image] | None = None,
        mode: Mode = TEXT,
    ) -> DrawResult:
        """Draw one image a prompt, each from its own 32-bit seed.

        An image depends on its own prompt, seed and guide, not on what shares its batch.

        Args:
            prompts: what each image shows.
            seeds: of the noise.
            guides: images to start from, where ``mode`` has a strength.
            mode: what they have in common.
        """

    def close(self) -> None:  # noqa: B027
        """Free memory; ``load`` may be called again."""


def build_generator(values: Mapping[str, Any], device: str = "auto") -> Generator:
    """A generator from its configuration group.

    Args:
        values: plain values with a ``kind``.
        device: "auto", "cpu" or "cuda".

    Raises:
        UsageError: no or an unknown kind, or a setting that is unknown or impossible.
    """
    if "kind" not in values:
        raise UsageError(
            "Expected a generator kind, but got none",
            where="generator.kind",
            todo=f"allowed: {', '.join(GENERATORS.names())}",
        )
    cls = GENERATORS.load(str(values["kind"]))
    settings = {key: value for key, value in values.items() if key != "kind"}
    generator: Generator = cls(parse(cls.Config, settings, "generator"), device)
    return generator
