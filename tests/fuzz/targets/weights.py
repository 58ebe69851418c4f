"""Weights of networks and training states, of the suite and of others; pictures of a stream."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from benchmark.data.images import decode
from benchmark.data.streaming import decoding
from benchmark.generation.fitting import apply
from benchmark.generation.quality import features
from benchmark.generation.weights import check_safetensors
from benchmark.publishing import foreign
from benchmark.recording import weights_file
from benchmark.recording.blueprint import Blueprint
from benchmark.training import checkpoints
from tests.fuzz.kit import Target, file

NET = {"fc.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2), "n": torch.tensor(3)}


def safetensors(data: bytes) -> None:
    """A weights file with a blueprint, and the check of a generator's files by their size."""
    path = file("weights.safetensors", data)
    metadata, _ = weights_file.read_tensors(path)
    check_safetensors(path)
    weights_file.blueprint_in(metadata, path)


def header(data: bytes) -> None:
    check_safetensors(file("unet.safetensors", data))


def blueprint(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    weights_file.blueprint_in({weights_file.KEY: text}, file("weights.safetensors", b""))


def adapter(data: bytes) -> None:
    apply._read(file("adapter.safetensors", data))


def _extractor(suffix: str) -> Callable[[bytes], None]:
    return lambda data: _no_value(features._read_weights(file(f"features{suffix}", data)))


def _no_value(_: object) -> None:
    return None


def foreign_checkpoint(data: bytes) -> None:
    """Somebody's checkpoint, and whether its names fit a network."""
    state = foreign.read_state(file("model.pth", data))
    foreign.fit_names(state, NET)


def training_state(data: bytes) -> None:
    checkpoints.load(file("checkpoint.pt", data), torch.device("cpu"))


def picture(data: bytes) -> None:
    """A picture as training decodes it: what the packed store refuses is refused here, too."""
    if not data.startswith(b"\xff\xd8\xff") or decoding._pixels(data) > 1 << 20:
        data = data[:200]
    found = decoding.decoded(data, "x.jpg", "RGB")
    assert np.array_equal(found, decode(data, "x.jpg", None, "RGB"))


def _pictures() -> list[bytes]:
    found = []
    pixels = np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3)
    for options in ({"quality": 90}, {"progressive": True}, {"subsampling": 0}):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", **options)
        found.append(buffer.getvalue())
    return found


def _blueprint() -> str:
    values = {
        "schema": "network/1", "experiment": "abc", "label": "plain", "seed": 0,
        "words": ["method=ce"], "dataset": "toy", "classes": ["a", "b"], "counts_real": [3, 1],
        "keep": [3, 1], "add": [0, 0], "track": "real", "fixed_rows": None, "image_size": 8,
        "modifiers": "none", "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2], "stack": [],
        "backbone": {"name": "x"}, "recipe": {}, "trained_sha256": "0" * 64,
        "state_sha256": "0" * 64,
    }  # fmt: skip
    return Blueprint.model_validate_json(json.dumps(values)).model_dump_json(by_alias=True)


def _safetensors() -> list[bytes]:
    return [save(NET, {"format": "pt", weights_file.KEY: _blueprint()}), save(NET)]


def _torch() -> list[bytes]:
    contents: list[Any] = [
        NET,
        {"state_dict": {f"module.{name}": value for name, value in NET.items()}, "epoch": 3},
    ]
    found = []
    for content in contents:
        for new in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=new)
            found.append(buffer.getvalue())
    return found


TARGETS = (
    Target("safetensors", "safetensors", safetensors, _safetensors),
    Target("safetensors_header", "safetensors", header, _safetensors),
    Target("blueprint", "json", blueprint, lambda: [_blueprint().encode()]),
    Target("adapter", "safetensors", adapter, _safetensors),
    Target("extractor_safetensors", "safetensors", _extractor(".safetensors"), _safetensors),
    Target("extractor_torch", "zip", _extractor(".pth"), _torch,
    ("torch._weights_only_unpickler",)),
    Target("checkpoint_foreign", "zip", foreign_checkpoint, _torch,
           ("torch._weights_only_unpickler",)),
    Target("picture", "bytes", picture, _pictures),
    Target("checkpoint", "zip", training_state, lambda: _torch()[::2]),
)  # fmt: skip
