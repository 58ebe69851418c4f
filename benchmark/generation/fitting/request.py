"""What a fit is asked for and what comes of it: its identity, its folder, its marker; no torch."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from benchmark.data.rows import pixels_hash
from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.diffusers_config import DiffusersConfig
from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.fitting.cost import FitCost
from benchmark.generation.weights import weights_hash
from benchmark.paths import cache_root
from benchmark.system.files import content_hash, read_json, sha256_file, write_json

FIT_SCHEMA = 1
MARKER = "fit.json"
JOINT = "joint"


def fit_dir() -> Path:
    """Where fits are kept."""
    return cache_root() / "fits"


@dataclass(frozen=True, kw_only=True, eq=False)
class FitRequest:
    """A generator and the real training images that it is to be fitted to.

    Attributes:
        config: how.
        base: the generator; its sampling settings and low-rank weights of its own play no part.
        device: "auto", "cpu" or "cuda".
        images: uint8 (n, height, width, 3) real training images.
        labels: int64 (n,).
        classes: readable class names, in label order.
        seed: of the fit; another one draws other noise and other first weights.

    Raises:
        UsageError: images and labels differ in number, or a class has no image.
    """

    config: FitConfig
    base: DiffusersConfig
    device: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    seed: int

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise UsageError(
                f"Expected a label for each of {len(self.images)} images, but got "
                f"{len(self.labels)}",
                where="fit",
            )
        counts = np.bincount(self.labels, minlength=len(self.classes))
        if len(counts) != len(self.classes) or not counts.all():
            empty = [name for name, n in zip(self.classes, counts, strict=False) if not n]
            raise UsageError(
                "Expected at least one training image of every class, but got none of "
                f"{', '.join(empty[:5]) or 'a label beyond the classes'}",
                where="fit",
                todo="choose a split in which every class has training images",
            )

    @property
    def training_dtype(self) -> Literal["float32", "bfloat16"]:
        """The type in which the base's weights are held while fitting.

        Gradients underflow in float16, which is replaced by float32.
        """
        return "float32" if self.base.dtype == "float16" else self.base.dtype

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The JSON value whose hash is the key: all that decides the fitted weights."""
        return {
            "schema": FIT_SCHEMA,
            "weights": weights_hash(self.base.folder, self.base.variant),
            "size": self.base.size,
            "dtype": self.training_dtype,
            "fit": dataclasses.asdict(self.config),
            "images": pixels_hash(self.images, self.labels),
            "classes": list(self.classes),
            "seed": self.seed,
        }

    @cached_property
    def key(self) -> str:
        """Content hash, 16 hex digits; the name of the fit's folder."""
        return content_hash(self.identity, 16)

    @property
    def units(self) -> dict[str, tuple[int, ...]]:
        """The adapters to be trained, by name, with the labels that each one is for."""
        if self.config.scope == JOINT:
            return {JOINT: tuple(range(len(self.classes)))}
        return {unit_name(label): (label,) for label in range(len(self.classes))}

    @property
    def prompt_names(self) -> tuple[str, ...]:
        """What prompts must call each class: its own name, or its new token."""
        if self.config.kind == "lora":
            return self.classes
        return tuple(token(label) for label in range(len(self.classes)))


def unit_name(label: int) -> str:
    """Name of the adapter of one class."""
    return f"class-{label:03d}"


def token(label: int) -> str:
    """The new token of a class."""
    return f"<class-{label:03d}>"


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A finished fit.

    Attributes:
        folder: where it is kept.
        key: the name of the folder.
        prompt_names: what prompts must call each class, in label order.
        cost: what it took.
        hashes: SHA-256 of each adapter, by file name.
    """

    folder: Path
    key: str
    prompt_names: tuple[str, ...]
    cost: FitCost
    hashes: Mapping[str, str]

    def adapter(self, label: int) -> Path:
        """The file to draw a class with; the same one for all classes of a joint fit."""
        joint = adapter_name(JOINT)
        name = joint if joint in self.hashes else adapter_name(unit_name(label))
        if name not in self.hashes:
            raise UsageError(
                f"Expected a label below {len(self.prompt_names)}, but got {label}",
                where=self.folder,
            )
        return self.folder / name


def adapter_name(unit: str) -> str:
    """File name of an adapter."""
    return f"{unit}.safetensors"


def write_marker(
    folder: Path, request: FitRequest, cost: FitCost, versions: Mapping[str, str]
) -> None:
    """Mark a fit as finished; its adapters must have been written."""
    names = [adapter_name(unit) for unit in request.units]
    value = {
        "identity": request.identity,
        "prompt_names": list(request.prompt_names),
        "cost": dataclasses.asdict(cost),
        "adapters": {name: sha256_file(folder / name) for name in names},
        "versions": dict(versions),
    }
    write_json(folder / MARKER, value)


_COST, _HASHES = TypeAdapter(FitCost), TypeAdapter(dict[str, str])


def read_fitted(folder: Path) -> Fitted:
    """Read a finished fit and check its adapters.

    Raises:
        IntegrityError: the marker or an adapter is damaged or absent.
    """
    value = read_json(folder / MARKER)
    try:
        fitted = Fitted(
            folder=folder,
            key=folder.name,
            prompt_names=tuple(value["prompt_names"]),
            cost=_COST.validate_python(value["cost"]),
            hashes=_HASHES.validate_python(value["adapters"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(
            f"Expected the marker of a finished fit, but got {error!r}",
            where=folder / MARKER,
            todo="delete the folder; the generator is then fitted again",
        ) from error
    for name, expected in fitted.hashes.items():
        _check_adapter(folder / name, expected)
    return fitted


def _check_adapter(path: Path, expected: str) -> None:
    got = sha256_file(path) if path.is_file() else "no file"
    if got != expected:
        raise IntegrityError(
            f"Expected an adapter with hash {expected[:12]}, but got {got[:12]}",
            where=path,
            todo="delete its folder; the generator is then fitted again",
        )
