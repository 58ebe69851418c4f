"""Checkpoints: written whole, checked on reading, never executed; hashes of weights."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.errors import IntegrityError
from benchmark.training import checkpoints
from benchmark.training.checkpoints import weights_hash

CPU = torch.device("cpu")


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.target),)


def saved(folder: Path) -> Path:
    path = folder / "checkpoint.pt"
    checkpoints.save(path, {"weights": torch.arange(2000.0), "step": 3, "note": ["a", None]})
    return path


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    state = checkpoints.load(saved(tmp_path), CPU)
    assert torch.equal(state["weights"], torch.arange(2000.0))
    assert (state["step"], state["note"]) == (3, ["a", None])


def test_saving_leaves_no_temporary_file(tmp_path: Path) -> None:
    saved(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, share: float) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(IntegrityError, match=r"cannot be read.*delete the file"):
        checkpoints.load(path, CPU)


def test_one_flipped_bit_of_a_weight_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = bytearray(path.read_bytes())
    place = bytes(data).find(torch.arange(2000.0).numpy().tobytes()[4000:4040])
    assert place > 0
    data[place + 3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(IntegrityError, match=str(path)):
        checkpoints.load(path, CPU)


def test_a_flipped_bit_anywhere_never_changes_the_state(tmp_path: Path) -> None:
    path = saved(tmp_path)
    data = path.read_bytes()
    refused = 0
    for place in range(0, len(data), 97):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        try:
            state = checkpoints.load(path, CPU)
        except IntegrityError:
            refused += 1
        else:
            assert torch.equal(state["weights"], torch.arange(2000.0))
            assert state["step"] == 3
    assert refused > 50


@pytest.mark.parametrize("wrap", ["plain", "torch"])
def test_a_malicious_pickle_is_not_executed(tmp_path: Path, wrap: str) -> None:
    path, target = tmp_path / "checkpoint.pt", tmp_path / "executed"
    payload = {"net": Bomb(target)}
    if wrap == "torch":
        torch.save(payload, path)
    else:
        path.write_bytes(pickle.dumps(payload))
    with pytest.raises(IntegrityError):
        checkpoints.load(path, CPU)
    assert not target.exists()


def test_a_malicious_pickle_would_be_executed_by_pickle(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    pickle.loads(pickle.dumps(Bomb(target)))
    assert target.exists()


def test_something_else_than_a_dictionary_is_refused(tmp_path: Path) -> None:
    torch.save(torch.ones(2), tmp_path / "tensor.pt")
    with pytest.raises(IntegrityError, match="TypeError"):
        checkpoints.load(tmp_path / "tensor.pt", CPU)


def test_a_zip_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.pt", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(IntegrityError):
        checkpoints.load(tmp_path / "other.pt", CPU)


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_equal_weights_have_equal_hashes() -> None:
    one, two = net(), net().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert weights_hash(one) == weights_hash(two)


def test_convolutions_of_one_pixel_are_hashed_in_either_layout() -> None:
    one, two = nn.Conv2d(64, 8, 1), nn.Conv2d(64, 8, 1)
    two.load_state_dict(one.state_dict())
    assert weights_hash(one) == weights_hash(two.to(memory_format=torch.channels_last))  # type: ignore[call-overload]


@pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_var", "1.num_batches_tracked"])
def test_a_change_of_any_tensor_changes_the_hash(name: str) -> None:
    before, changed = weights_hash(net()), net()
    changed.state_dict()[name].add_(1)
    assert weights_hash(changed) != before


def test_an_exchange_of_two_tensors_changes_the_hash() -> None:
    one = nn.ParameterDict({"a": torch.zeros(2), "b": torch.ones(2)})
    two = nn.ParameterDict({"b": torch.zeros(2), "a": torch.ones(2)})
    assert weights_hash(one) != weights_hash(two)
