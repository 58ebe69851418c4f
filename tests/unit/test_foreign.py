"""Checkpoints of others: what fits is loaded, what does not is listed, nothing is executed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.publishing import foreign
from benchmark.publishing.foreign import create, fit_names, load_checkpoint, pretrained, read_state

MODEL = "cifar_resnet8"


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of a small network of ten classes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = create(MODEL, num_classes=10, width=16)
    return net.state_dict()


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in state.items()}


WRAPPED = {
    "bare": lambda s: s,
    "parallel": lambda s: {"state_dict": prefixed(s, "module."), "epoch": 3},
    "lightning": lambda s: {"state_dict": prefixed(s, "model."), "hyper_parameters": {"lr": 0.1}},
    "compiled": lambda s: {"model": prefixed(s, "_orig_mod."), "optimizer": {"state": {}}},
    "nested": lambda s: {"net": prefixed(s, "module.model.")},
    "old": lambda s: {k: v for k, v in s.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("name", WRAPPED)
def test_weights_are_found_whatever_they_are_wrapped_in(name: str, state, tmp_path: Path) -> None:
    path = tmp_path / "c.pth"
    torch.save(WRAPPED[name](state), path)
    net = load_checkpoint(MODEL, path, 10, mapped=False)
    assert not net.training
    same = {k: torch.equal(v, state[k]) for k, v in net.state_dict().items()}
    assert all(found or "num_batches" in k for k, found in same.items())


def test_safetensors_are_read(state, tmp_path: Path) -> None:
    save_file(prefixed(state, "model."), tmp_path / "c.safetensors")
    net = load_checkpoint(MODEL, tmp_path / "c.safetensors", 10, mapped=False)
    assert torch.equal(net.state_dict()["head.bias"], state["head.bias"])


def test_a_prefix_goes_only_where_a_wanted_name_is_left() -> None:
    kept = torch.zeros(1)
    found = fit_names({"model.a": kept, "model.b": kept, "net.c": kept}, ["a", "model.b"])
    assert list(found) == ["a", "model.b", "net.c"]


def test_another_number_of_classes_needs_a_map(state, tmp_path: Path) -> None:
    torch.save(state, tmp_path / "c.pt")
    with pytest.raises(UsageError, match="Expected 7 classes, but the checkpoint has 10"):
        load_checkpoint(MODEL, tmp_path / "c.pt", 7, mapped=False)
    net = load_checkpoint(MODEL, tmp_path / "c.pt", 7, mapped=True)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 10)


def test_what_does_not_fit_is_listed(state, tmp_path: Path) -> None:
    odd = dict(state) | {"extra.weight": torch.zeros(2), "conv1.weight": torch.zeros(4, 3, 3, 3)}
    del odd["bn1.bias"], odd["bn1.weight"]
    torch.save(odd, tmp_path / "c.pt")
    with pytest.raises(IntegrityError) as caught:
        load_checkpoint(MODEL, tmp_path / "c.pt", 10, mapped=False)
    said = str(caught.value)
    assert "2 missing (bn1.weight, bn1.bias)" in said
    assert "1 not expected (extra.weight)" in said
    assert "1 another shape (conv1.weight of 4x3x3x3 and not 16x3x3x3)" in said


def test_many_names_are_cut_short(tmp_path: Path) -> None:
    torch.save({f"a{n}": torch.zeros(1) for n in range(300)}, tmp_path / "c.pt")
    with pytest.raises(IntegrityError, match=r"300 not expected \(a0, a1, a2, a3, a4, ...\)") as c:
        load_checkpoint(MODEL, tmp_path / "c.pt", 10, mapped=False)
    assert len(str(c.value)) < 500


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    for name in ("c.pt", "c.safetensors"):
        with pytest.raises(DataError, match="but got none"):
            read_state(tmp_path / name)
    with pytest.raises(UsageError, match=r"Expected a checkpoint \(.safetensors"):
        read_state(tmp_path / "c.onnx")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: create("cifar_resnet33"),
            "Unknown model 'cifar_resnet33' .*did you mean cifar_resnet32",
        ),
        (lambda: create(MODEL, num_classes=-3), "cannot be built"),
        (lambda: pretrained("resnet19"), "Unknown model 'resnet19' .*did you mean resnet18"),
        (lambda: pretrained(MODEL), "Expected a model with published weights, but cifar_resnet8"),
        (lambda: create("hf-hub:timm/resnet18"), "Unknown model"),
    ],
)
def test_models_that_cannot_be_had(call: Any, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        call()


def test_weights_of_the_hub_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise OSError("no route")

    monkeypatch.setattr(foreign, "reach_hub", refuse)
    with pytest.raises(DataError, match=r"cannot be fetched .*; connect this machine"):
        pretrained("resnet18")
