"""The deployed network as a file: what is written, what is refused when it is read."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark import tiny
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.publishing import network
from benchmark.publishing.network import read_network, rebuild
from benchmark.recording.blueprint import Blueprint
from benchmark.recording.weights_file import (
    KEY,
    WEIGHTS,
    find_weights,
    read_tensors,
    state_of,
    write_weights,
)
from benchmark.stack import Stack
from benchmark.training.train import train
from tests.fixtures.networks import tiny_blueprint


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Blueprint]:
    """The weights of a tiny run of an empty stack."""
    folder = tmp_path_factory.mktemp("run")
    job = tiny.tiny_job(Stack(()), folder, recipe=tiny.tiny_recipe(steps=2))
    net, _, _ = train(job)
    plan = tiny_blueprint(job, net, net)
    write_weights(folder / WEIGHTS, net, plan)
    return folder / WEIGHTS, plan


class Tied(nn.Module):
    """One tensor under two names, and a view of a larger one."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(3, 3)
        self.other = self.one
        self.register_buffer("row", torch.arange(6.0).reshape(2, 3)[1])


class Extra(nn.Module):
    """Keeps something that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        """A count."""
        return {"seen": 3}


def test_shared_memory_is_written_as_copies(tmp_path: Path, written) -> None:
    net = Tied()
    write_weights(tmp_path / "a.safetensors", net, written[1])
    found = load_file(tmp_path / "a.safetensors")
    assert found.keys() == net.state_dict().keys()
    assert all(torch.equal(found[name], value) for name, value in net.state_dict().items())


def test_a_state_beside_tensors_is_refused() -> None:
    with pytest.raises(UsageError, match="'_extra_state' is something else"):
        state_of(Extra())


def test_the_header_says_what_was_run(written) -> None:
    path, plan = written
    metadata, tensors = read_tensors(path)
    assert Blueprint.model_validate_json(metadata[KEY]) == plan
    net, found = read_network(path)
    assert found == plan and not net.training
    assert net.state_dict().keys() == tensors.keys()


def changed(written, tmp_path: Path, **changes: object) -> Path:
    """The same tensors under another blueprint."""
    path, plan = written
    value = json.loads(plan.model_dump_json(by_alias=True)) | changes
    save_file(load_file(path), tmp_path / WEIGHTS, {KEY: json.dumps(value)})
    return tmp_path / WEIGHTS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "network/2"}, "Expected a blueprint 'network/1', but got 'network/2'"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
        ({"classes": ["a", "b"]}, "Expected the blueprint of a run"),
        ({"keep": [10**12] * 10}, "10,000,000,000,0"),
        ({"state_sha256": "0" * 64}, "but their hash differs"),
        ({"backbone": {"name": "cifar_resnet8", "options": {"width": 8}}}, "but got others"),
        (
            {"backbone": {"name": "resnet18", "options": {"pretrained": True}}},
            "the backbone option pretrained",
        ),
        (
            {"backbone": {"name": "resnet18", "options": {"checkpoint_path": "/etc/passwd"}}},
            "the backbone option checkpoint_path",
        ),
    ],
)
def test_another_blueprint_is_refused(written, tmp_path: Path, changes, said: str) -> None:
    with pytest.raises(IntegrityError, match=said) as caught:
        read_network(changed(written, tmp_path, **changes))
    assert "\n" not in str(caught.value) and "; " in str(caught.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"name": "nowhere", "version": 1}, "Unknown component 'nowhere'"),
        ({"name": "mixup", "version": 99}, "Expected version 99 of 'mixup', but got 1"),
        ({"name": "mixup", "version": 1, "settings": {"alfa": 1}}, "did you mean alpha"),
    ],
)
def test_a_method_that_is_not_here_is_named(written, tmp_path: Path, part, said: str) -> None:
    stack = [{"origin": "built-in", "settings": {}} | part]
    with pytest.raises(UsageError, match=said):
        read_network(changed(written, tmp_path, stack=stack))


def test_settings_that_make_no_network_are_one_line(written, monkeypatch) -> None:
    def fails(job: object) -> None:
        raise ZeroDivisionError("a component's own")

    monkeypatch.setattr(network, "untrained", fails)
    with pytest.raises(IntegrityError, match="'tiny' cannot be built again: a component's own"):
        rebuild(written[1])


def test_a_file_of_others_has_no_blueprint(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(IntegrityError, match=r"no blueprint .*; score it as any checkpoint"):
        read_network(tmp_path / "a.safetensors")


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "header", "long header", "missing"])
def test_damaged_files_are_one_line(written, tmp_path: Path, damage: str) -> None:
    whole, path = written[0].read_bytes(), tmp_path / "a.safetensors"
    content = {
        "cut": whole[:-7],
        "empty": b"",
        "text": b"hello, this is no safetensors file at all",
        "header": whole[:8] + b"\xff" * 50 + whole[58:],
        "long header": (2**62).to_bytes(8, "little") + whole[8:],
    }
    if damage in content:
        path.write_bytes(content[damage])
    kind = DataError if damage == "missing" else IntegrityError
    with pytest.raises(kind, match="Expected a safetensors file, but") as caught:
        read_network(path)
    assert "\n" not in str(caught.value)


def test_a_run_from_before_says_how_to_get_weights(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(DataError, match="run it again with on_existing=rerun"):
        find_weights(tmp_path)
    with pytest.raises(DataError, match="name a folder of a finished run"):
        find_weights(tmp_path.parent)
    with pytest.raises(DataError, match="Expected a run folder or an export"):
        find_weights(tmp_path / "nowhere")
