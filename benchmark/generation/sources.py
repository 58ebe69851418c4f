"""What a component may ask to have added, and where those images come from; no torch."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt, Le, MinLen

from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.prompts import PromptSpec

Strength = Annotated[float, Gt(0), Le(1)]


@dataclass(frozen=True, kw_only=True)
class Guides:
    """Real training images that generated ones start from.

    Attributes:
        pairing: the guide is of the image's own class ("intra") or of any class ("inter").
        strengths: how far an image leaves its guide, in (0, 1]; they take turns over the slots.
        over: for "inter", guides are drawn evenly over "images" (head-heavy) or over "classes".
    """

    pairing: Literal["intra", "inter"]
    strengths: Annotated[tuple[Strength, ...], MinLen(1)]
    over: Literal["images", "classes"] = "images"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Images that a generator draws.

    Attributes:
        prompts: how prompts are written.
        guides: real images to start from; None for text-to-image.
        fit: how the generator is fitted first; None leaves it as it is.
    """

    prompts: PromptSpec
    guides: Guides | None = None
    fit: FitConfig | None = None


@dataclass(frozen=True, kw_only=True)
class Collected:
    """Images that somebody else made or found.

    Attributes:
        location: folder of class folders, or the key of a stored collection.
        near_test: what is done about near-duplicates of test images: "drop" them, or "report".
        network_calls_per_image: what one image took, where neither its row nor the collection
            says; None if nobody knows.
    """

    location: str
    near_test: Literal["drop", "report"] = "drop"
    network_calls_per_image: int | None = None


@dataclass(frozen=True, kw_only=True)
class Heldout:
    """Real training images from outside the long-tailed subset."""


Source = Drawn | Collected | Heldout
