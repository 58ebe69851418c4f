"""Extractors: what they compute, what their hash covers, what they refuse."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.config import BackboneConfig
from benchmark.data.augmentation import pad_images
from benchmark.data.sets.digits import read_digits
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.quality.features import (
    Classifier,
    NetFeatures,
    Pixels,
    timm_features,
    weights_hash,
)
from benchmark.generation.quality.training import TrainSettings, balanced_rows, train_extractor
from benchmark.models import build_backbone

QUICK = TrainSettings(steps=5, batch_size=16)


def noise(n: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def backbone(name: str = "cifar_resnet8", seed: int = 0) -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build_backbone(BackboneConfig(name=name, options={}))


def test_pixels_are_block_means() -> None:
    images = noise(3, 16)
    blocks = images.reshape(3, 8, 2, 8, 2, 3).mean((2, 4)) / 127.5 - 1
    found = Pixels()(images)
    assert found.dtype == np.float32 and found.shape == (3, 192)
    np.testing.assert_allclose(found, blocks.transpose(0, 3, 1, 2).reshape(3, -1), atol=1e-5)
    assert Pixels(4).hash != Pixels().hash
    assert not isinstance(Pixels(), Classifier)


def test_features_are_those_of_evaluation() -> None:
    net, images = backbone().eval(), noise(300, 8)
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    padded = pad_images(torch.from_numpy(images), 0, mean, std)
    with torch.no_grad():
        expected = net(padded.normalise(padded.buffer)).numpy()
    found = NetFeatures("test", net, mean=mean, std=std)(images)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_no_images_give_no_rows() -> None:
    assert Pixels()(noise(0)).shape == (0, 192)
    assert NetFeatures("test", backbone())(noise(0)).shape == (0, 64)


def test_hash_covers_weights_and_preprocessing() -> None:
    first, other = backbone(seed=0), backbone(seed=1)
    assert weights_hash(first) == weights_hash(backbone(seed=0)) != weights_hash(other)
    assert NetFeatures("a", first).hash == NetFeatures("b", first).hash
    assert NetFeatures("a", first).hash != NetFeatures("a", first, size=16).hash
    assert NetFeatures("a", first).hash != NetFeatures("a", first, mean=(0, 0, 0)).hash
    first.bfloat16()
    assert weights_hash(first) != weights_hash(backbone(seed=0))


def test_without_a_head_there_are_no_logits() -> None:
    measure = NetFeatures("a net", backbone())
    assert not measure.knows_classes
    with pytest.raises(UsageError, match="Expected a classifier of the data set, but got a net"):
        measure.logits(measure(noise(2)))


def test_trained_extractor_learns_digits_in_seconds() -> None:
    images, labels = read_digits()
    measure = train_extractor(images[:400], labels[:400], 10, TrainSettings(steps=80))
    assert isinstance(measure, Classifier) and measure.knows_classes
    right = measure.logits(measure(images[1000:])).argmax(1) == labels[1000:]
    assert right.mean() > 0.85


def test_training_repeats_and_follows_its_seed() -> None:
    images, labels = read_digits()
    state = torch.random.get_rng_state()
    first, again, other = (
        train_extractor(images[:50], labels[:50], 10, TrainSettings(steps=5, seed=seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(state, torch.random.get_rng_state())
    assert first.hash == again.hash != other.hash
    np.testing.assert_array_equal(first(images[:9]), again(images[:9]))


def test_batches_are_class_balanced() -> None:
    labels = np.repeat([2, 0, 1], [1, 9, 990])
    rows = balanced_rows(labels, 6000, np.random.default_rng(0)).numpy()
    shares = np.bincount(labels[rows]) / 6000
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    assert len(np.unique(rows[labels[rows] == 0])) == 9


def test_training_needs_every_class() -> None:
    images, labels = read_digits()
    with pytest.raises(DataError, match="images of all 11 classes, but class 10 has none"):
        train_extractor(images[:50], labels[:50], 11, QUICK)
    with pytest.raises(DataError, match=r"labels \(n,\), but got shapes"):
        train_extractor(images[:50], labels[:49], 10, QUICK)


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
def test_timm_weights_from_a_file(tmp_path: Path, suffix: str) -> None:
    net, path = backbone(), tmp_path / f"weights.{suffix}"
    weights = {**net.state_dict(), "head.weight": torch.zeros(10, 64)}
    if suffix == "pt":
        torch.save({"state_dict": {f"module.{k}": v for k, v in weights.items()}}, path)
    else:
        save_file(weights, path)
    found = timm_features("cifar_resnet8", path, size=8)
    assert weights_hash(found.net) == weights_hash(net)
    images = noise(4)
    expected = NetFeatures("x", net, mean=found_mean(found), std=found_std(found))(images)
    np.testing.assert_allclose(found(images), expected, rtol=1e-5, atol=1e-5)


def found_mean(measure: NetFeatures) -> tuple[float, ...]:
    return tuple(measure._shift.flatten().tolist())


def found_std(measure: NetFeatures) -> tuple[float, ...]:
    return tuple(measure._scale.flatten().tolist())


def test_images_are_resampled_to_the_network(tmp_path: Path) -> None:
    save_file(backbone().state_dict(), tmp_path / "w.safetensors")
    measure = timm_features("cifar_resnet8", tmp_path / "w.safetensors", size=16)
    assert measure._input(noise(2, 8)).shape == (2, 3, 16, 16)


def test_absent_weights(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file dino.safetensors.*copy them here"):
        timm_features("cifar_resnet8", tmp_path / "dino.safetensors")


def test_weights_of_another_model(tmp_path: Path) -> None:
    save_file(backbone("cifar_resnet8").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=r"the weights of cifar_resnet20, but \d+ of \d+ tensors"):
        timm_features("cifar_resnet20", tmp_path / "w.safetensors")


def test_damaged_weights(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"not tensors")
    with pytest.raises(IntegrityError, match="Expected safetensors, or a checkpoint of tensors"):
        timm_features("cifar_resnet8", tmp_path / "w.safetensors")


def test_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    torch.save({"net": backbone()}, tmp_path / "w.pt")
    with pytest.raises(IntegrityError, match="checkpoint of tensors alone"):
        timm_features("cifar_resnet8", tmp_path / "w.pt")


def test_unknown_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean cifar_resnet8"):
        timm_features("cifar_resnet9", tmp_path / "w.safetensors")
