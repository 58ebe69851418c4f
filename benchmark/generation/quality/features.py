"""What images are measured by: pluggable extractors of features.

A score means nothing without the features it was measured on, so each extractor has a name and a
hash that covers its weights; scores of different extractors are never compared.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmark.config import BackboneConfig
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.models import build_backbone
from benchmark.seeds import scoped_global_seed
from benchmark.system.files import content_hash
from benchmark.system.pickled_names import check_names

HASH_LENGTH = 12
BATCH = 250
_WRAPPERS = ("state_dict", "model", "model_ema")
_HALF = (0.5, 0.5, 0.5)

Floats = NDArray[np.float32]


class Extractor(Protocol):
    """Images to features, the same ones for the same images."""

    @property
    def name(self) -> str:
        """What it is, for people."""

    @property
    def hash(self) -> str:
        """Hex digits that change with anything that changes the features."""

    def __call__(self, images: NDArray[np.uint8]) -> Floats:
        """Features float32 (n, d) of images uint8 (n, h, w, 3)."""


@runtime_checkable
class Classifier(Protocol):
    """An extractor that may also know the classes of the data set."""

    @property
    def knows_classes(self) -> bool:
        """Whether ``logits`` can be asked for."""

    def logits(self, features: Floats) -> Floats:
        """Class logits float32 (n, classes) of features float32 (n, d)."""


class Pixels:
    """The image itself, shrunk by area and brought to [-1, 1].

    Args:
        side: height and width that images are shrunk to.
    """

    def __init__(self, side: int = 8) -> None:
        self.side = side
        self.name = f"pixels {side}x{side}"
        self.hash = content_hash({"pixels": side}, HASH_LENGTH)

    def __call__(self, images: NDArray[np.uint8]) -> Floats:
        """Features float32 (n, 3 side^2)."""
        parts = [
            functional.adaptive_avg_pool2d(_scaled(part), self.side).flatten(1).numpy()
            for part in _batches(images)
        ]
        return _joined(parts, 3 * self.side**2)


def _batches(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    return [images[start : start + BATCH] for start in range(0, len(images), BATCH)]


def _joined(parts: list[Any], width: int) -> Floats:
    return np.concatenate([np.zeros((0, width), np.float32), *parts]).astype(np.float32)


def _scaled(images: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, h, w, 3) -> float (n, 3, h, w) in [-1, 1]."""
    # a copy: rows of a data set may be read-only, which torch warns of
    pixels = torch.from_numpy(np.array(images)).float().permute(0, 3, 1, 2)
    return pixels / 127.5 - 1


class NetFeatures:
    """Pooled features of a network, and class logits where it comes with a head.

    Args:
        name: what it is, for people.
        net: images (n, 3, h, w) -> features (n, d).
        head: features -> class logits; None where the network knows other classes.
        mean: of normalisation, by channel, for pixels in [0, 1].
        std: likewise.
        size: images are resampled to this height and width; None leaves them.
        device: where the network runs.
    """

    def __init__(
        self,
        name: str,
        net: nn.Module,
        *,
        head: nn.Module | None = None,
        mean: tuple[float, ...] = _HALF,
        std: tuple[float, ...] = _HALF,
        size: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.name, self.size, self.device = name, size, torch.device(device)
        self.net = net.to(self.device).eval()
        self._head = head.to(self.device).eval() if head is not None else None
        self._shift = torch.tensor(mean).view(1, 3, 1, 1)
        self._scale = torch.tensor(std).view(1, 3, 1, 1)
        settings = {"mean": mean, "std": std, "size": size, "weights": weights_hash(net)}
        self.hash = content_hash(settings, HASH_LENGTH)

    @torch.inference_mode()
    def __call__(self, images: NDArray[np.uint8]) -> Floats:
        """Features float32 (n, d)."""
        parts = [self.net(self._input(part)).float().cpu().numpy() for part in _batches(images)]
        return _joined(parts, int(getattr(self.net, "num_features", 0)))

    @torch.inference_mode()
    def logits(self, features: Floats) -> Floats:
        """Class logits float32 (n, classes).

        Raises:
            UsageError: the network came without a head for these classes.
        """
        if self._head is None:
            raise UsageError(
                f"Expected a classifier of the data set, but got {self.name}, which has no head",
                where="label agreement",
                todo="use an extractor trained on the training rows (train_extractor)",
            )
        out = self._head(torch.from_numpy(features).to(self.device))
        return np.asarray(out.float().cpu().numpy())

    @property
    def knows_classes(self) -> bool:
        """Whether it came with a head."""
        return self._head is not None

    def _input(self, images: NDArray[np.uint8]) -> Tensor:
        pixels = (_scaled(images) + 1) / 2
        if self.size is not None and pixels.shape[-1] != self.size:
            size = (self.size, self.size)
            pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True)
        return ((pixels.clamp(0, 1) - self._shift) / self._scale).to(self.device)


def weights_hash(net: nn.Module) -> str:
    """A digest of a network's weights and buffers, as hex digits."""
    digest = hashlib.sha256()
    for name, value in sorted(net.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def timm_features(
    name: str, weights: Path, *, size: int | None = None, device: str = "cpu"
) -> NetFeatures:
    """A timm model with weights from a file on this machine; nothing is downloaded.

    Args:
        name: of the model.
        weights: ``.safetensors``, or a checkpoint of tensors that torch reads with
            ``weights_only``.
        size: height and width of its input; None for the one it was made for.
        device: where it runs.

    Raises:
        DataError: there is no such file, or its weights are another model's.
        IntegrityError: the file is damaged, or holds more than tensors.
        UsageError: timm has no such model.
    """
    # its first weights are overwritten, but drawing them must not move the global generator
    with scoped_global_seed(0, "quality", "backbone"):
        net = build_backbone(BackboneConfig(name=name, options={}))
    _load(net, _read_weights(weights), name, weights)
    settings = _input_settings(net)
    return NetFeatures(
        f"timm {name}",
        net,
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        size=size or int(settings["input_size"][-1]),
        device=device,
    )


def _input_settings(net: nn.Module) -> Mapping[str, Any]:
    from timm.data import resolve_model_data_config

    settings: Mapping[str, Any] = resolve_model_data_config(net)
    return settings


def _read_weights(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise DataError(
            f"Expected the weights of a feature extractor, but there is no file {path.name}",
            where=path,
            todo="copy them here, or use the extractor that is trained on the training rows",
        )
    try:
        return _tensors(_parse(path))
    except Exception as error:  # each format fails in its own way
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise IntegrityError(
            f"Expected safetensors, or a checkpoint of tensors alone, but got: {first}",
            where=path,
            todo="fetch the file again, or convert it to safetensors",
        ) from error


def _parse(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    check_names(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _tensors(content: Any) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    found = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    return {name.removeprefix("module."): value for name, value in found.items()}


def _load(net: nn.Module, weights: dict[str, Tensor], name: str, path: Path) -> None:
    own = net.state_dict()
    absent = [key for key in own if key not in weights or weights[key].shape != own[key].shape]
    if absent:
        raise DataError(
            f"Expected the weights of {name}, but {len(absent)} of {len(own)} tensors are absent "
            f"or have another shape, such as '{absent[0]}'",
            where=path,
            todo="name the model these weights belong to",
        )
    # the classifier's own weights, which feature extraction leaves out, may remain
    net.load_state_dict({key: weights[key] for key in own})
