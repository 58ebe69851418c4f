"""Every kind of data set, prepared from generated trees through the real code."""

import hashlib
import importlib
import io
import pickle
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from benchmark import api
from benchmark.config import parse
from benchmark.data import imagenet100_lists
from benchmark.data.dataset import Dataset
from benchmark.data.official_cifar import SOURCES
from benchmark.data.sets import cifar
from benchmark.data.store import find
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.paths import config_dir
from benchmark.registry import DATASETS

RNG = np.random.default_rng(0)
NAMES = ["cifar100lt", "cifar10lt", "digitslt", "digitslt100", "folder", "imagenet100lt"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make(name: str, **changes: Any) -> Dataset:
    """A data set from its shipped YAML file, with changes."""
    text = (config_dir() / "dataset" / f"{name}.yaml").read_text()
    values = yaml.safe_load(text)["dataset"] | changes
    cls = DATASETS.load(values.pop("kind"))
    made: Dataset = cls(parse(cls.Config, values, "dataset"))
    return made


def png(size: int = 32, level: int | None = None) -> bytes:
    pixels = RNG.integers(0, 256, (size, size, 3), dtype=np.uint8)
    if level is not None:
        pixels[:] = level
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_zip(path: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return str(path)


def tree(
    parts: dict[str, int], classes: list[str], inner: str = "", size: int = 8
) -> dict[str, bytes]:
    return {
        f"{part}/{name}/{inner}{row:03d}.png": png(size)
        for part, count in parts.items()
        for name in classes
        for row in range(count)
    }


# digits


def test_digits_follow_the_seed() -> None:
    data = make("digitslt")
    first, second = data.load(0), data.load(1)
    assert first.card.counts != second.card.counts
    assert sorted(first.card.counts, reverse=True) == [50, 32, 20, 13, 8, 5, 3, 2, 1, 1]
    assert first.card.design == "blocked"
    assert first.card.colour == "L"
    assert first.split.rule_hash == second.split.rule_hash
    assert first.split.rows_hash != second.split.rows_hash
    assert data.load(0).split == first.split


@pytest.mark.parametrize(
    ("name", "total", "n_max", "n_test"),
    [("digitslt", 135, 50, 124), ("digitslt100", 276, 100, 74)],
)
def test_digits_parts_are_disjoint(name: str, total: int, n_max: int, n_test: int) -> None:
    data = make(name).load(3)
    assert data.train.counts(10) == data.card.counts
    assert len(data.train) == total
    assert data.heldout.counts(10) == tuple(n_max - count for count in data.card.counts)
    assert data.test.counts(10) == (n_test,) * 10
    assert data.card.n_test_per_class == n_test
    ids = [set(part.ids) for part in (data.train, data.heldout, data.test)]
    assert len(set.union(*ids)) == sum(map(len, ids))
    images = np.asarray(data.train.images)
    assert images.shape == (total, 8, 8, 3)
    assert images.dtype == np.uint8
    assert images.max() == 255


def test_digits_need_no_preparing() -> None:
    report = make("digitslt").prepare(None)
    assert not report.done
    assert "nothing to do" in str(report)
    assert "bundled" in str(report)


# cards


@pytest.mark.parametrize("name", [name for name in NAMES if name != "folder"])
def test_cards_hold_together(name: str) -> None:
    card = make(name).card()
    assert len(card.classes) == len(card.class_ids) == len(card.counts) == card.n_classes
    assert len(set(card.classes)) == card.n_classes
    assert card.chance == 1 / card.n_classes
    assert set(card.groups) == {convention.name for convention in card.conventions}
    assert card.imbalance == max(card.counts) / min(card.counts)


def test_cifar_names_are_readable_and_sorted() -> None:
    card = make("cifar100lt").card()
    assert "maple tree" in card.classes
    assert list(card.class_ids) == sorted(card.class_ids)
    assert sum(card.counts) == 10847
    assert sum(make("cifar10lt").card().counts) == 12406


def test_carving_lowers_counts_but_not_groups() -> None:
    whole, carved = make("cifar100lt").card(), make("cifar100lt", val="carve").card()
    assert carved.counts[0] == 450
    assert carved.counts_long_tailed == whole.counts
    assert carved.groups == whole.groups


def test_settings_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="Expected split_replicate=0"):
        make("cifar100lt", split_replicate=2)
    with pytest.raises(UsageError, match="class 8 gets 0"):
        make("cifar10lt", n_max=50, imbalance=100)
    with pytest.raises(UsageError, match="root_name"):
        make("folder", root_name="../up")


def test_modules_import_no_torch() -> None:
    modules = [f"benchmark.data.sets.{name}" for name in DATASETS.names()]
    modules += ["benchmark.data.cards", "benchmark.data.splits", "benchmark.data.prepare"]
    code = f"import sys, {', '.join(modules)}; sys.exit('torch' in sys.modules)"
    root = str(Path(importlib.import_module("benchmark").__file__ or "").parents[1])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


@pytest.mark.parametrize("name", ["cifar100lt", "imagenet100lt", "tinyimagenetlt", "folder"])
def test_unprepared_data_names_the_command(name: str) -> None:
    with pytest.raises(DataError, match=r"run: python -m benchmark prepare dataset="):
        make(name).load(0)


@pytest.mark.parametrize("name", ["imagenet100lt", "tinyimagenetlt", "folder"])
def test_preparing_needs_a_source(name: str) -> None:
    with pytest.raises(DataError, match=r"Expected (source=PATH|split=FOLDER)"):
        make(name).prepare(None)


# CIFAR


@pytest.fixture
def small_cifar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar, "TOTALS", {"train": 100, "test": 20})


def cifar_tree(**changes: int) -> dict[str, bytes]:
    return tree({"train": 10, "test": 2} | changes, list(cifar.CLASS_IDS[10]), size=32)


@pytest.mark.usefixtures("small_cifar")
def test_cifar_from_images(tmp_path: Path) -> None:
    data = make("cifar10lt", n_max=10, imbalance=5)
    files = cifar_tree()
    report = data.prepare(write_zip(tmp_path / "x.zip", files), progress=False)
    assert report.done
    assert report.rows == {"train": 100, "test": 20}
    assert not data.prepare(None).done
    loaded = data.load(0)
    assert loaded.train.counts(10) == loaded.card.counts == (10, 8, 6, 5, 4, 4, 3, 2, 2, 2)
    assert len(loaded.train) + len(loaded.heldout) == 100
    assert loaded.val is None
    for row, name in enumerate(loaded.train.ids):
        with Image.open(io.BytesIO(files[str(name)])) as image:
            np.testing.assert_array_equal(loaded.train.images[row], np.asarray(image))
    store = find("cifar10")
    assert store
    assert store.meta["source"]["order"] == "sorted by file name within a class"
    carved = make("cifar10lt", n_max=10, imbalance=5, val="carve").load(0)
    assert carved.val is not None
    assert len(carved.val) == 1
    assert len(carved.train) == sum(carved.card.counts) == len(loaded.train) - 1


@pytest.mark.usefixtures("small_cifar")
def test_a_folder_and_a_zip_give_one_source_hash(tmp_path: Path, cache: Path) -> None:
    source = write_zip(tmp_path / "x.zip", cifar_tree())
    data = make("cifar10lt", n_max=10, imbalance=5)
    data.prepare(source, progress=False)
    first = data.load(0).split
    (cache / "data" / "cifar10").rename(cache / "old")
    with zipfile.ZipFile(source) as archive:
        archive.extractall(tmp_path / "tree" / "cifar")
    data.prepare(str(tmp_path / "tree"), progress=False)
    assert data.load(0).split == first


def official(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive in the official format, with its checksums in torchvision's place."""
    from torchvision.datasets import CIFAR10

    base, md5s = folder / CIFAR10.base_folder, {}
    base.mkdir(parents=True)
    batches = [f"data_batch_{n}" for n in range(1, 6)] + ["test_batch", "batches.meta"]
    for name in batches:
        labels = list(range(10)) * 2
        content: dict[str, Any] = {"label_names": list(cifar.CLASS_IDS[10])}
        if name != "batches.meta":
            content = {"data": RNG.integers(0, 256, (20, 3072), np.uint8), "labels": labels}
        data = pickle.dumps(content)
        (base / name).write_bytes(data)
        md5s[name] = hashlib.md5(data).hexdigest()
    archive = folder / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as file:
        file.add(base, CIFAR10.base_folder)
    pairs = [[name, md5s[name]] for name in batches]
    monkeypatch.setattr(CIFAR10, "train_list", pairs[:5])
    monkeypatch.setattr(CIFAR10, "test_list", pairs[5:6])
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5s["batches.meta"]})
    monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    own = replace(SOURCES[10], sha256=hashlib.sha256(archive.read_bytes()).hexdigest())
    monkeypatch.setitem(SOURCES, 10, own)
    return archive


@pytest.mark.usefixtures("small_cifar")
@pytest.mark.parametrize("form", ["archive", "folder", "parent"])
def test_cifar_from_the_official_archive(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = official(tmp_path / "got", monkeypatch)
    source = {
        "archive": archive,
        "folder": archive.parent / "cifar-10-batches-py",
        "parent": archive.parent,
    }[form]
    data = make("cifar10lt", n_max=10, imbalance=5)
    data.prepare(str(source), progress=False)
    loaded = data.load(0)
    store = find("cifar10")
    assert store
    assert store.meta["source"]["order"] == "original"
    assert loaded.train.counts(10) == loaded.card.counts
    assert len(loaded.test) == 20
    np.testing.assert_array_equal(store.labels("train"), list(range(10)) * 10)


def test_offline_says_what_else_can_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = replace(SOURCES[10], url="https://127.0.0.1:9/cifar-10-python.tar.gz")
    monkeypatch.setitem(SOURCES, 10, nowhere)
    with pytest.raises(DataError, match=r"Expected to download .* source=PATH: a folder, zip"):
        make("cifar10lt").prepare(None, progress=False)


def test_unofficial_pickles_are_never_opened(tmp_path: Path) -> None:
    opened = tmp_path / "opened"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return opened.touch, ()

    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    (base / "data_batch_1").write_bytes(pickle.dumps(Trap()))
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as file:
        file.add(base, base.name)
    for source in (base, tmp_path / "cifar-10-python.tar.gz"):
        with pytest.raises(IntegrityError, match="Expected the official"):
            make("cifar10lt").prepare(str(source), progress=False)
    assert not opened.exists()


# Tiny-ImageNet


TINY = {"classes": 3, "n_max": 6, "imbalance": 3, "size": 8}
WNIDS = ["n00000001", "n00000002", "n00000003"]


def test_tiny_from_plain_folders(tmp_path: Path) -> None:
    files = tree({"train": 6, "val": 2}, WNIDS)
    files["classes.tsv"] = b"n00000001\ttench, Tinca\nn00000003\tfox\n"
    data = make("tinyimagenetlt", **TINY)
    data.prepare(write_zip(tmp_path / "x.zip", files), progress=False)
    loaded = data.load(0)
    assert loaded.card.classes == ("tench", "n00000002", "fox")
    assert loaded.card.class_ids == tuple(WNIDS)
    assert loaded.card.n_test_per_class == 2
    assert loaded.train.counts(3) == loaded.card.counts == (6, 3, 2)


def test_tiny_from_the_official_layout(tmp_path: Path) -> None:
    files = tree({"train": 6}, WNIDS, inner="images/")
    lines = []
    for row, wnid in enumerate([*WNIDS, *WNIDS]):
        files[f"val/images/val_{row}.png"] = png(8)
        lines.append(f"val_{row}.png\t{wnid}\t0\t0\t1\t1")
    files["val/val_annotations.txt"] = "\n".join(lines).encode()
    files["words.txt"] = b"n00000002\tgoose\n"
    outer = {f"tiny-imagenet-200/{name}": data for name, data in files.items()}
    data = make("tinyimagenetlt", **TINY)
    data.prepare(write_zip(tmp_path / "x.zip", outer), progress=False)
    loaded = data.load(0)
    assert loaded.card.classes[1] == "goose"
    assert loaded.test.counts(3) == (2, 2, 2)
    assert loaded.test.ids[0].endswith("val_0.png")
    assert loaded.test.ids[1].endswith("val_3.png")


def test_tiny_says_what_to_set(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", tree({"train": 6, "val": 2}, WNIDS))
    with pytest.raises(DataError, match=r"set dataset\.classes=3 if"):
        make("tinyimagenetlt").prepare(source)
    with pytest.raises(DataError, match="at least 7 images a class, but got 6 in n00000001"):
        make("tinyimagenetlt", **TINY | {"n_max": 7}).prepare(source)


# folder


def test_folder_with_its_natural_tail(tmp_path: Path) -> None:
    files = {f"birds/{c}/{i}.png": png(8) for c, n in [("a_b", 20), ("c", 5)] for i in range(n)}
    data = make("folder", size=8)
    data.prepare(write_zip(tmp_path / "x.zip", files), progress=False)
    loaded = data.load(0)
    assert loaded.card.classes == ("a b", "c")
    assert loaded.card.counts == (16, 4) == loaded.train.counts(2)
    assert loaded.test.counts(2) == (4, 1)
    assert len(loaded.heldout) == 0
    assert loaded.card.n_test_per_class is None
    assert not set(loaded.train.ids) & set(loaded.test.ids)


@pytest.mark.parametrize("top", ["", "mine/"])
@pytest.mark.parametrize("part", ["test", "val"])
def test_folder_with_a_test_tree_and_an_induced_tail(tmp_path: Path, top: str, part: str) -> None:
    files = {top + k: v for k, v in tree({"train": 10, part: 3}, ["x", "y"], size=12).items()}
    data = make("folder", size=8, profile="exponential", n_max=10, imbalance=5, root_name="b-1")
    data.prepare(write_zip(tmp_path / "x.zip", files), progress=False)
    loaded = data.load(0)
    assert loaded.card.counts == (10, 2)
    assert loaded.heldout.counts(2) == (0, 8)
    assert loaded.test.counts(2) == (3, 3)
    assert loaded.train.images.shape == (12, 8, 8, 3)


def test_folder_without_a_test_tree(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "x.zip", tree({"train": 2}, ["x", "y"]))
    with pytest.raises(DataError, match="Expected a folder 'test'"):
        make("folder").prepare(source)


# ImageNet-100


@pytest.fixture
def small_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet100_lists, "EXTRA", 1)
    counts = (3,) + (2,) * 99
    monkeypatch.setattr("benchmark.data.sets.imagenet100.COUNTS", counts)


def imagenet_tree(root: Path) -> str:
    data = png(10)
    for part, count in (("train", 5), ("val", 2)):
        for wnid in (*imagenet100_lists.WNIDS, "n99999999"):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for row in range(count):
                (folder / f"{wnid}_{row}.JPEG").write_bytes(data)
    return str(root)


@pytest.mark.usefixtures("small_imagenet")
def test_imagenet_drawn_rows(tmp_path: Path) -> None:
    source = imagenet_tree(tmp_path / "in")
    data = make("imagenet100lt", rows="drawn", size=8, keep_heldout=True, val="extra")
    report = data.prepare(source, progress=False)
    assert report.rows == {"train": 201, "val": 100, "test": 200, "heldout": 199}
    loaded = data.load(0)
    assert loaded.split.rule == "drawn"
    assert loaded.val is not None
    parts = (loaded.train, loaded.val, loaded.heldout)
    assert len(set.union(*(set(part.ids) for part in parts))) == 500
    assert loaded.train.counts(100) == loaded.card.counts
    for name, label in zip(loaded.train.ids, loaded.train.labels, strict=True):
        assert imagenet100_lists.WNIDS[label] in str(name)


def test_imagenet_flat_validation_folder(tmp_path: Path) -> None:
    files = {"train/n02869837/a.JPEG": png(8), "val/ILSVRC2012_val_00000001.JPEG": png(8)}
    with pytest.raises(DataError, match="flat 'val' folder"):
        make("imagenet100lt", rows="drawn").prepare(write_zip(tmp_path / "x.zip", files))


def test_imagenet_lists_are_checked(tmp_path: Path) -> None:
    data = make("imagenet100lt")
    with pytest.raises(DataError, match="published list, but it is missing"):
        data.prepare("x", split=str(tmp_path))
    (tmp_path / "imageNet_100_LT_train.txt").write_text("train/n02869837/x.JPEG 0\n")
    with pytest.raises(IntegrityError, match="Expected the published list"):
        data.prepare("x", split=str(tmp_path))
    with pytest.raises(UsageError, match="Expected no lists"):
        make("imagenet100lt", rows="drawn").prepare("x", split=str(tmp_path))


@pytest.mark.usefixtures("small_imagenet")
def test_imagenet_published_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, hashes = imagenet_tree(tmp_path / "in"), {}
    (tmp_path / "lists").mkdir()
    for name, rows in (("train", (4, 1)), ("val", (0,)), ("test", (1,))):
        part, file = "val" if name == "test" else "train", imagenet100_lists.PARTS[name]
        text = "".join(
            f"{part}/{wnid}/{wnid}_{row}.JPEG {label}\n"
            for label, wnid in enumerate(imagenet100_lists.WNIDS)
            for row in rows
        )
        (tmp_path / "lists" / file).write_text(text)
        hashes[file] = hashlib.sha256(text.encode()).hexdigest()
    monkeypatch.setattr(imagenet100_lists, "SHA256", hashes)
    data = make("imagenet100lt", size=8, keep_heldout=True, val="extra")
    report = data.prepare(source, split=str(tmp_path / "lists"), progress=False)
    assert report.rows == {"train": 200, "val": 100, "test": 100, "heldout": 200}
    wnid = imagenet100_lists.WNIDS[0]
    loaded = data.load(0)
    assert list(loaded.train.ids[:2]) == [f"train/{wnid}/{wnid}_{row}.JPEG" for row in (4, 1)]
    assert loaded.split.rule == "published"
    folder = tmp_path / "in" / "train" / wnid
    (folder / f"{wnid}_4.JPEG").unlink()
    with pytest.raises(DataError, match=r"1 of 200 are missing, first '.*_4.JPEG'.*train.txt:1]"):
        make("imagenet100lt", size=9).prepare(source, split=str(tmp_path / "lists"))


@pytest.mark.slow
@pytest.mark.usefixtures("small_imagenet")
def test_resnet50_takes_two_steps_at_224_pixels(tmp_path: Path) -> None:
    words = ["dataset=imagenet100lt", "dataset.rows=drawn", "progress=false"]
    api.prepare(*words, source=imagenet_tree(tmp_path / "in"))
    record = api.run(
        "method=ce", *words, "recipe.steps.unit=iterations", "recipe.steps.amount=2",
        "device=cpu", f"out={tmp_path / 'runs'}",
    )  # fmt: skip
    science = record.experiment.config
    assert (science["backbone"]["name"], science["dataset"]["size"]) == ("resnet50", 224)
    assert science["recipe"]["name"] == "r_imagenet_lt"
    assert record.metrics.nll > 0
