"""The real archives, where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

from benchmark.config import parse
from benchmark.data import imagenet100_lists
from benchmark.data.sets.cifar import Cifar
from benchmark.data.sets.listed import Listed
from benchmark.data.sets.tinyimagenet import TinyImageNet
from benchmark.data.store import find
from benchmark.generation.prompts import load_modifiers
from benchmark.paths import config_dir
from tests.house import ROOT
from tests.realdata import tail_lists

MODIFIERS = ROOT / "synaug" / "modifiers"
FOLDER = os.environ.get("SYNAUG_BENCH_TEST_DATA")
REFERENCE = os.environ.get("SYNAUG_BENCH_TEST_REFERENCE")
needs_data = pytest.mark.skipif(not FOLDER, reason="SYNAUG_BENCH_TEST_DATA is not set")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    patch = pytest.MonkeyPatch()
    patch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


def values(name: str) -> dict[str, object]:
    shipped: dict[str, object] = yaml.safe_load(
        (config_dir() / "dataset" / f"{name}.yaml").read_text()
    )["dataset"]
    del shipped["kind"]
    return shipped


@needs_data
def test_cifar100() -> None:
    data = Cifar(parse(Cifar.Config, values("cifar100lt"), "dataset"))
    report = data.prepare(str(Path(str(FOLDER)) / "cifar100.zip"), progress=False)
    assert report.rows == {"train": 50_000, "test": 10_000}
    loaded = data.load(0)
    assert loaded.train.counts(100) == loaded.card.counts
    assert len(loaded.train) == 10_847
    assert loaded.test.counts(100) == (100,) * 100
    assert len(loaded.heldout) == 39_153
    store = find("cifar100")
    assert store is not None
    store.verify()
    pixels = np.asarray(store.images("train")).reshape(-1, 3) / 255
    np.testing.assert_allclose(pixels.mean(0), (0.5071, 0.4865, 0.4409), atol=1e-4)
    np.testing.assert_allclose(pixels.std(0), (0.2673, 0.2564, 0.2762), atol=1e-4)


@needs_data
def test_tiny_imagenet_100() -> None:
    chosen = values("tinyimagenetlt") | {"classes": 100, "n_max": 150, "imbalance": 50.0}
    data = TinyImageNet(parse(TinyImageNet.Config, chosen, "dataset"))
    data.prepare(str(Path(str(FOLDER)) / "tiny-imagenet-100.zip"), progress=False)
    loaded = data.load(0)
    assert loaded.card.counts[0] == 150
    assert loaded.card.n_test_per_class == 30
    assert loaded.card.classes[:2] == ("European fire salamander", "bullfrog")
    assert loaded.train.counts(100) == loaded.card.counts


@needs_data
def test_tiny_imagenet_through_list_files(tmp_path: Path) -> None:
    source = Path(str(FOLDER)) / "tiny-imagenet-100.zip"
    counts = tail_lists.write_lists(source, tmp_path, tail_lists.N_MAX, tail_lists.IMBALANCE)
    chosen = values("listed") | {"name": "tiny", "root_name": "tiny", "size": 64}
    data = Listed(parse(Listed.Config, chosen, "dataset"))
    report = data.prepare(str(source), split=str(tmp_path), progress=False)
    assert report.rows == {"train": 2971, "test": 3000}
    loaded = data.load(0)
    assert loaded.card.counts == loaded.train.counts(100) == counts
    assert loaded.card.n_test_per_class == 30
    assert loaded.card.classes[:2] == ("European fire salamander", "bullfrog")
    assert set(loaded.card.classes) <= set(load_modifiers("tinyimagenet", MODIFIERS).classes)
    # what is chosen follows from the names of files alone: the same rows everywhere
    assert data.load(1).split == loaded.split
    assert loaded.split.rule_hash == "b99030063eb0"


@pytest.mark.skipif(not REFERENCE, reason="SYNAUG_BENCH_TEST_REFERENCE is not set")
def test_published_imagenet100_lists() -> None:
    folder = Path(str(REFERENCE)) / "imagenet100lt"
    lists = imagenet100_lists.read_published(folder)
    assert lists.counts["train"] == imagenet100_lists.COUNTS
    assert set(lists.counts["val"]) == {20}
    assert set(lists.counts["test"]) == {50}
    assert lists.ids == imagenet100_lists.WNIDS
    order = (folder / "imagenet100_cmc_order.txt").read_text().split()
    assert tuple(order) == imagenet100_lists.WNIDS
