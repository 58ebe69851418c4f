"""Weights that are code, lie about their size, or bring a pipeline's own modules."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.config import BackboneConfig
from benchmark.generation import weights
from benchmark.generation.diffusers_config import DiffusersConfig
from benchmark.models import build_backbone
from benchmark.publishing.foreign import create, load_checkpoint, read_state
from benchmark.recording.weights_file import read_tensors
from benchmark.training import checkpoints
from tests.security.cases import MARK, Case, Runs, each, files_below, outcome_of

Make = Callable[[Path], object]


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, in which a module lies that leaves a mark when it is imported."""
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({MARK!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return folder


def nothing_ran(folder: Path) -> bool:
    return not any(name.endswith(MARK) for name in files_below(folder))


class Net(nn.Linear):
    """A class that a checkpoint may hold whole."""


def torch_saved(value: Any, **options: Any) -> Make:
    return lambda path: torch.save(value, path, **options)


def pickled(data: bytes) -> Make:
    return lambda path: path.write_bytes(data)


def packed(content: bytes, name: str = "archive/data.pkl") -> Make:
    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr(name, content)

    return make


def stored(content: bytes) -> Make:
    """An archive as torch writes them, with another pickle in it."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", content)
            file.writestr("archive/version", b"3\n")
            file.writestr("archive/byteorder", b"little")

    return make


def call(module: str, name: str, *words: str) -> bytes:
    """A pickle that calls a function with texts."""
    given = "".join(f"V{word}\n" for word in words)
    return f"c{module}\n{name}\n({given}tR.".encode()


BUILD = b"\x80\x02ctorch\nTensor\n)\x81}X\x0c\x00\x00\x00__setstate__cos\nsystem\nsb."
DEEP = b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b"."
HUGE = b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"x."
SYSTEM = call("os", "system", f"touch {MARK}")
CHECKPOINTS = [
    Case("class in state_dict", torch_saved({"state_dict": {"a": torch.zeros(1)}, "x": Runs()})),
    Case("class, format before 1.6", torch_saved(Runs(), _use_new_zipfile_serialization=False)),
    Case("whole network", torch_saved(Net(2, 2))),
    Case("plain pickle", pickled(pickle.dumps(Runs()))),
    Case("os.system", stored(SYSTEM)),
    Case("builtins.eval", stored(call("builtins", "eval", f"open('{MARK}', 'w')"))),
    Case("builtins.exec, old name", stored(call("__builtin__", "exec", f"open('{MARK}', 'w')"))),
    Case("import by name", stored(call("importlib", "import_module", "evil"))),
    Case("module beside", stored(call("evil", "Evil"))),
    Case("torch.load within", stored(call("torch", "load", "x.pt"))),
    Case("torch.hub", stored(call("torch.hub", "load", "x"))),
    Case("getattr of a tensor", stored(BUILD)),
    Case("lists 30,000 deep", stored(DEEP)),
    Case("text of an exabyte", stored(HUGE)),
    Case("pickle of no end", stored(b"\x80\x02" + b"(" * 100_000)),
    Case("bomb", packed(bytes(16 << 20))),
    Case("pickle called safetensors", pickled(b"\0" * 8 + SYSTEM)),
    Case("zip of something else", packed(b"x", "../../evil.py")),
    Case("nothing", pickled(b"")),
    Case("random bytes", pickled(bytes(range(256)) * 20)),
]


@each(CHECKPOINTS)
@pytest.mark.parametrize("read", [read_state, lambda p: checkpoints.load(p, torch.device("cpu"))])
def test_a_checkpoint_is_read_without_running_it(case: Case, read: Any, inside: Path) -> None:
    path = inside / "c.pt"
    case.given(path)
    outcome_of(lambda: read(path), case)
    assert nothing_ran(inside.parent)


def header(value: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def one(shape: Any = (2,), kind: str = "F32", ends: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": ends}


DATA = bytes(8)
TENSORS = [
    Case("header of an exabyte", header({"a": one()}, DATA, 2**60)),
    Case("header longer than the file", header({"a": one()}, DATA, 999)),
    Case("header 100,000 deep", header(b'{"a":' + b"[" * 100_000, DATA)),
    Case("header of no JSON", header(b"{'a': 1}", DATA)),
    Case("header in Latin-1", header(b'{"\xff\xfe": 1}', DATA)),
    Case("header of a list", header([1, 2], DATA)),
    Case("tensors that overlap", header({"a": one(), "b": one()}, DATA)),
    Case("gap between tensors", header({"a": one(ends=(4, 12))}, bytes(12))),
    Case("offsets backwards", header({"a": one(ends=(8, 0))}, DATA)),
    Case("offsets below zero", header({"a": one(ends=(-8, 0))}, DATA)),
    Case("offsets of letters", header({"a": one(ends="ab")}, DATA)),
    Case("offsets beyond the end", header({"a": one(ends=(0, 2**40))}, DATA)),
    Case("shape of a petabyte", header({"a": one((2**50,))}, DATA)),
    Case("shape that overflows", header({"a": one((2**33, 2**33))}, DATA)),
    Case("shape of NaN", header(b'{"a":{"dtype":"F32","shape":[NaN],"data_offsets":[0,8]}}', DATA)),
    Case("shape below zero", header({"a": one((-2,))}, DATA)),
    Case("type nobody knows", header({"a": one(kind="OBJECT")}, DATA)),
    Case("more bytes behind", header({"a": one()}, DATA + SYSTEM)),
    Case("nothing in it", b""),
    Case("pickle in it", pickle.dumps(Runs())),
    Case("names of a path", header({"../../a": one()}, DATA), "harmless"),
    Case("facts of a script", header({"__metadata__": {"a": "<script>"}, "a": one()}, DATA),
         "harmless"),
]  # fmt: skip


@each(TENSORS)
def test_safetensors_that_lie_are_refused(case: Case, inside: Path) -> None:
    path = inside / "x.safetensors"
    path.write_bytes(case.given)
    outcome_of(lambda: read_tensors(path), case)
    assert nothing_ran(inside.parent)


def a_state(**changes: torch.Tensor) -> bytes:
    buffer = io.BytesIO()
    torch.save(create("cifar_resnet8", num_classes=10).state_dict() | changes, buffer)
    return buffer.getvalue()


SHAPES = [
    Case("one layer wider", {"conv1.weight": torch.zeros(999, 3, 3, 3)}, said="another shape"),
    Case("one layer of a terabyte", {"conv1.weight": torch.zeros(1).expand(10**4, 10**4, 3, 3)},
         said="another shape"),
    Case("a scalar in place of a layer", {"conv1.weight": torch.tensor(1.0)}, said="another"),
    Case("one layer more", {"__class__": torch.zeros(1)}, said="not expected"),
]  # fmt: skip


@each(SHAPES)
def test_weights_of_other_shapes_are_refused(case: Case, inside: Path) -> None:
    (inside / "c.pt").write_bytes(a_state(**case.given))
    outcome_of(lambda: load_checkpoint("cifar_resnet8", inside / "c.pt", 10, False), case)


NAMES = [
    Case("hub name", {"name": "hf-hub:evil/model"}, said="Unknown backbone"),
    Case("hub name, old form", {"name": "hf_hub:evil/model"}, said="Unknown backbone"),
    Case("folder as a name", {"name": "local-dir:."}, said="Unknown backbone"),
    Case("dotted name", {"name": "evil.Evil"}, said="Unknown backbone"),
    Case("fetched weights", {"options": {"pretrained": True}}, said="trained here"),
    Case("weights by path", {"options": {"checkpoint_path": "c.pt"}}, said="trained here"),
    Case("weights by URL", {"options": {"pretrained_cfg": {"url": "https://x/y.pth"}}},
         said="trained here"),
    Case("layer by dotted path", {"options": {"act_layer": "os.system"}}, said="refuses"),
]  # fmt: skip


@each(NAMES)
def test_a_backbone_is_one_of_timm_without_weights(case: Case, inside: Path) -> None:
    (inside / "config.json").write_text('{"architecture": "resnet18"}')
    config = BackboneConfig(**{"name": "cifar_resnet8", "options": {}} | case.given)
    outcome_of(lambda: build_backbone(config), case)
    assert nothing_ran(inside.parent)


INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.30.0",
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def pipeline(folder: Path, **changes: Any) -> Path:
    """A pipeline as far as it is looked at before torch is imported."""
    for name in ("text_encoder", "unet", "vae", "scheduler"):
        (folder / name).mkdir(parents=True)
        (folder / name / "config.json").write_text("{}")
    (folder / "scheduler" / "config.json").rename(folder / "scheduler" / "scheduler_config.json")
    for name, file in (("text_encoder", "model"), ("unet", "diffusion_pytorch_model"),
                       ("vae", "diffusion_pytorch_model")):  # fmt: skip
        (folder / name / f"{file}.safetensors").write_bytes(header({"a": one()}, DATA))
    (folder / "model_index.json").write_text(json.dumps(INDEX | changes))
    return folder


def index(**changes: Any) -> Make:
    return lambda folder: pipeline(folder, **changes)


def having(name: str, content: bytes) -> Make:
    return lambda folder: (pipeline(folder) / name).write_bytes(content)


def only_pickles(folder: Path) -> None:
    unet = pipeline(folder) / "unet"
    (unet / "diffusion_pytorch_model.safetensors").unlink()
    (unet / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Runs()))


def without_an_index(content: bytes) -> Make:
    return having("model_index.json", content)


CODE, AUTO = b"open('EXECUTED', 'w')", b'{"auto_map": {"AutoModel": "evil.Evil"}}'
NO_CODE = "weights and settings alone"
PIPELINES = [
    Case("as it should be", index(), "harmless"),
    Case("part of a module here", index(unet=["evil", "Evil"]), said="evil.Evil"),
    Case("part of the standard library", index(unet=["os", "system"]), said="os.system"),
    Case("part of another library", index(unet=["torch", "load"]), said="torch.load"),
    Case("part by a dotted library", index(unet=["diffusers.utils", "X"]), said="a class of"),
    Case("part by a dotted class", index(unet=["diffusers", "os.system"]), said="a class of"),
    Case("part that is a function", index(unet=["diffusers", "logging"]), said="a class of"),
    Case("part found by its own settings", index(text_encoder=["transformers", "AutoModel"]),
         said="a class of"),
    Case("part of a path", index(**{"../../x": ["diffusers", "Unet"]}), said="a class of"),
    Case("part of one word", index(unet=["diffusers"]), said="a class of"),
    Case("part of numbers", index(unet=[1, 2]), said="a class of"),
    Case("pipeline class of a module", index(_class_name=["evil", "Evil"]), said="with its class"),
    Case("index of a list", without_an_index(b"[1]"), said="with its class"),
    Case("index without end", without_an_index(b"[" * 100_000), said="valid JSON"),
    Case("index in Latin-1", without_an_index(b"\xff\xfe"), said="valid JSON"),
    Case("pipeline.py", having("pipeline.py", CODE), said=NO_CODE),
    Case("code beside a part", having("unet/evil.py", CODE), said=NO_CODE),
    Case("settings that name code", having("text_encoder/config.json", AUTO), said="auto_map"),
    Case("tokenizer that names code", having("text_encoder/tokenizer_config.json", AUTO),
         said="auto_map"),
    Case("pickles alone", only_pickles, said="Expected safetensors weights for 'unet'"),
    Case("pickles beside", having("unet/diffusion_pytorch_model.bin", pickle.dumps(Runs())),
         "harmless"),
    Case("weights shorter than they say",
         having("unet/diffusion_pytorch_model.safetensors", header({"a": one()}, b"")),
         said="Expected a weights file of"),
    Case("weights 100,000 deep",
         having("unet/diffusion_pytorch_model.safetensors", header(b'{"a":' + b"[" * 100_000)),
         said="header cannot be read"),
]  # fmt: skip


def generator(**changes: Any) -> DiffusersConfig:
    return DiffusersConfig(**{
        "name": "path", "weights": "./pipe", "scheduler": "DDIM", "spacing": None, "steps": 2,
        "guidance": 1.0, "negative_prompt": "", "size": 8, "dtype": "float32", "batch_size": 1,
    } | changes)  # fmt: skip


@each(PIPELINES)
def test_a_pipeline_brings_no_code(case: Case, inside: Path) -> None:
    case.given(inside / "pipe")
    outcome_of(generator().check, case)
    assert nothing_ran(inside.parent)


PLACES = [
    Case("adapter that is a pickle", {"lora": "./a.bin"}, said="header cannot be read"),
    Case("adapter folder without one", {"lora": "./empty"}, said="pytorch_lora_weights"),
    Case("URL of weights", {"weights": "http://evil/x"}, said="a folder or a hub id"),
    Case("hub id that leads up", {"weights": "a/../../b"}, said="a folder or a hub id"),
    Case("hub id that was not fetched", {"weights": "evil/never-fetched"}, said="not fetched"),
    Case("package that would be imported", {"weights": "package:evil.inner/x"}, said="installed"),
    Case("package of no name", {"weights": "package:../x"}, said="an installed package"),
    Case("other weights than expected", {"weights_hash": "0" * 16}, said="with hash"),
]


@each(PLACES)
def test_where_weights_are_is_no_way_out(case: Case, inside: Path) -> None:
    pipeline(inside / "pipe")
    (inside / "empty").mkdir()
    (inside / "a.bin").write_bytes(pickle.dumps(Runs()))
    outcome_of(generator(**case.given).check, case)
    assert nothing_ran(inside.parent)


def test_what_is_fetched_from_the_hub_is_data() -> None:
    patterns = weights._patterns(None)
    refused = ("pipeline.py", "unet/evil.py", "unet/diffusion_pytorch_model.bin", "model.ckpt",
               "unet/model.pt", "x.pkl", "a.sh", "unet/flax_model.msgpack")  # fmt: skip
    taken = [name for name in refused for pattern in patterns if fnmatch(name, pattern)]
    assert not taken
    assert fnmatch("unet/diffusion_pytorch_model.safetensors", patterns[3])
