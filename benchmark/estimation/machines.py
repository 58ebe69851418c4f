"""Machines that are not at hand, as data: what they sustain in training and in drawing images."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from benchmark.config import parse
from benchmark.errors import unknown
from benchmark.paths import config_dir

FILE = "machines.yaml"
SMALL_PIXELS = 64


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Sustained TFLOP/s of training, by precision."""

    fp32: float
    bf16: float


@dataclass(frozen=True, kw_only=True)
class Speeds:
    """Sustained TFLOP/s: networks on small images, on larger ones, a denoiser in half precision."""

    small: Speed
    large: Speed
    diffusion: float


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine's profile.

    Attributes:
        what: it is, for readers.
        memory_gb: of the device.
        reserved_gb: of it that no tensor can use.
        overlap: whether an operation is started while earlier ones run.
        op_microseconds: to start an operation.
        rates: sustained TFLOP/s.
        sources: of the values, by their name, each with "measured", "published" or "estimated".
    """

    what: str
    memory_gb: float
    reserved_gb: float
    overlap: bool
    op_microseconds: float
    rates: Speeds
    sources: dict[str, str]

    def flops_a_second(self, image_size: int, precision: str) -> float:
        """Sustained FLOP/s of training on images of so many pixels a side."""
        rates = self.rates.small if image_size <= SMALL_PIXELS else self.rates.large
        return 1e12 * (rates.bf16 if precision == "bf16" else rates.fp32)

    def seconds(self, flops: float, ops: float, image_size: int, precision: str) -> float:
        """Time of so many floating-point operations in so many operations of the library."""
        compute = flops / self.flops_a_second(image_size, precision)
        launch = ops * self.op_microseconds / 1e6
        return max(compute, launch) if self.overlap else compute + launch


@dataclass(frozen=True, kw_only=True)
class GeneratorNeeds:
    """What a generator takes.

    Attributes:
        call: TFLOP of a network call.
        image: TFLOP of an image besides, mostly of the decoder.
        weights_gb: memory of its weights in half precision.
        image_gb: memory of each image of a batch.
        fit_gb: memory of fitting it.
        download_gb: of its weights on disk.
        batch: images drawn at a time, as shipped.
    """

    call: float
    image: float
    weights_gb: float
    image_gb: float
    fit_gb: float
    download_gb: float
    batch: int

    @property
    def drawing_gb(self) -> float:
        """Memory of drawing a batch."""
        return self.weights_gb + self.batch * self.image_gb


def machine(name: str) -> Machine:
    """The profile of a machine.

    Raises:
        UsageError: there is none of that name.
    """
    known = _file()["machines"]
    if name not in known:
        raise unknown("machine", name, known, where="--on")
    return parse(Machine, known[name], f"{FILE}: {name}")


def generator_needs(name: str) -> GeneratorNeeds | None:
    """What the generator of a shipped name takes; None where nobody counted it."""
    found = _file()["generators"].get(name)
    return parse(GeneratorNeeds, found, f"{FILE}: {name}") if found else None


@cache
def _file() -> Mapping[str, Any]:
    with (config_dir() / FILE).open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file))
