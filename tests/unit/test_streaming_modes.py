"""Data sets whose crops come from files or stored pictures: prepared, trained, told apart."""

import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.config import parse
from benchmark.data.keeping import PixelMode
from benchmark.data.sets.folder import Folder
from benchmark.data.sets.tinyimagenet import TinyImageNet
from benchmark.data.store import find
from benchmark.data.streaming.decoding import decoded, scaled_down
from benchmark.data.streaming.files import FilePictures
from benchmark.data.streaming.pictures import StoredPictures
from benchmark.errors import DataError, UsageError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import Experiment, resolve
from benchmark.experiments.runner import run_experiment
from benchmark.recording.record_models import Record
from tests.fixtures.pictures import encoded, odd_files, photograph, write_tree

COUNTS = {"zero": 8, "one": 5, "two": 3}
MODES: tuple[PixelMode, ...] = ("files", "store256")
WORDS = ("dataset=folder", "dataset.root_name=own", "dataset.size=16", "backbone=resnet8",
         "recipe=digits", "recipe.steps.amount=4", "recipe.batch_size=8",
         "recipe.augmentation.pad=0", "+recipe.augmentation.crop=resized",
         "recipe.augmentation.flip=0.5", "device=cpu", "progress=false")  # fmt: skip
CROPS_ONLY = ("method=ce", *WORDS)
real_files = os.environ.get("SYNAUG_BENCH_TEST_DATA")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, the first of which holds one file of every kind, too."""
    root = write_tree(tmp_path_factory.mktemp("source") / "own", COUNTS)
    for name, data in odd_files().items():
        (root / "train" / "zero" / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def prepared(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A cache in which all three modes were prepared."""
    with pytest.MonkeyPatch.context() as patch:
        cache = tmp_path_factory.mktemp("cache")
        patch.setenv("SYNAUG_BENCH_CACHE", str(cache))
        for mode in ("packed", *MODES):
            folder(mode).prepare(str(tree), progress=False)
        yield cache


def folder(mode: str, **changes: Any) -> Folder:
    values = dict(settings(["method=ce", *WORDS]).values["dataset"]) | changes
    del values["kind"]
    return Folder(parse(Folder.Config, values | {"pixels": mode}, "dataset"))


def experiment(mode: str, out: Path, *words: str) -> Experiment:
    given = [*(words or ("method=ce",)), *WORDS, f"dataset.pixels={mode}", f"out={out}"]
    return resolve(settings(given))


def run(mode: str, out: Path, *words: str) -> Record:
    return run_experiment(experiment(mode, out, *words))


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("mode", MODES)
def test_the_same_rows_are_chosen_and_scored_in_every_mode(mode: str) -> None:
    packed, data = folder("packed").load(0), folder(mode).load(0)
    assert data.split.rows_hash == packed.split.rows_hash
    assert data.split.rule_hash == packed.split.rule_hash
    np.testing.assert_array_equal(np.asarray(data.test.images), np.asarray(packed.test.images))
    assert data.test.pictures is None
    assert list(data.train.ids) == list(packed.train.ids)
    assert data.train.pictures is not None
    assert len(data.train.pictures.sizes) == len(data.train) == 8 + 5 + 3 + len(odd_files())
    assert data.card.counts == packed.card.counts


@pytest.mark.usefixtures("prepared")
def test_listed_files_show_the_packed_pixels_when_asked() -> None:
    packed, listed = (folder(mode).load(0).train for mode in ("packed", "files"))
    difference = np.asarray(listed.images).astype(int) - np.asarray(packed.images)
    assert int(np.abs(difference).max()) <= 1
    some = np.asarray([3, 0, 7])
    np.testing.assert_array_equal(listed.select(some).images[1], listed.images[0])
    np.testing.assert_array_equal(listed.images[-1], np.asarray(listed.images)[-1])


@pytest.mark.usefixtures("prepared")
def test_a_store_of_pictures_holds_each_whole_with_a_short_side_of_256(tree: Path) -> None:
    data = folder("store256").load(0)
    pictures = data.train.pictures
    assert isinstance(pictures, StoredPictures)
    assert int(pictures.sizes.min(axis=1).max()) == 256
    for row, name in enumerate(data.train.ids):
        whole = decoded((tree / str(name)).read_bytes(), str(name), "RGB")
        np.testing.assert_array_equal(pictures.read(row), scaled_down(whole))
        assert tuple(pictures.sizes[row]) == scaled_down(whole).shape[:2]


@pytest.mark.usefixtures("prepared")
def test_listed_files_take_no_disk_and_can_be_verified(tree: Path) -> None:
    stores = {mode: find(folder(mode)._store_name) for mode in ("packed", *MODES)}
    for store in stores.values():
        assert store is not None
        store.verify()
    listed = stores["files"]
    assert listed is not None
    size = sum(path.stat().st_size for path in listed.folder.glob("train.*"))
    assert size < 200 * listed.rows("train")
    assert listed.root == tree


@pytest.mark.usefixtures("prepared")
def test_modes_have_names_and_hashes_of_their_own(tmp_path: Path) -> None:
    found = {mode: experiment(mode, tmp_path) for mode in ("packed", *MODES)}
    assert [each.card.name for each in found.values()] == ["own", "own-files", "own-store256"]
    assert len({each.hash for each in found.values()}) == 3
    plain = resolve(settings(["method=ce", *WORDS]))
    assert plain.hash == found["packed"].hash
    assert "pixels" not in plain.science["dataset"]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("mode", MODES)
def test_a_run_from_the_command_line_does_not_depend_on_the_workers(
    mode: str, tmp_path: Path
) -> None:
    found = []
    for workers in (1, 3):
        out = tmp_path / str(workers)
        record = run(mode, out, "method=ce", f"decode_workers={workers}", "share_stages=false")
        with np.load(next(out.glob("**/preds.npz"))) as file:
            found.append({key: file[key] for key in file})
        assert record.dataset.name == f"own-{mode}"
    assert found[0].keys() == found[1].keys()
    for key, values in found[0].items():
        np.testing.assert_array_equal(values, found[1][key])


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("mode", MODES)
def test_generated_images_are_cut_from_whole_pictures_too(mode: str, tmp_path: Path) -> None:
    record = run(mode, tmp_path, "method=t2i", "budget=add", "budget.amount=1",
                 "generator.steps=1", "modifiers=digits", "generator=embedded")  # fmt: skip
    assert sum(record.dataset.counts_train) - sum(record.dataset.counts_real) == 3
    assert record.pool is not None
    assert record.pool.images == 3


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("mode", MODES)
def test_collected_and_held_out_images_come_as_pictures(mode: str, tmp_path: Path) -> None:
    for number, name in enumerate(COUNTS):
        (tmp_path / "web" / name).mkdir(parents=True)
        (tmp_path / "web" / name / "x.jpg").write_bytes(encoded(photograph(300 + number)))
    record = run(mode, tmp_path, "method=webaug", f"method.webaug.source={tmp_path / 'web'}",
                 "budget=add", "budget.amount=1")  # fmt: skip
    assert sum(record.dataset.counts_train) - sum(record.dataset.counts_real) == 3
    tail = ("dataset.profile=step", "dataset.n_max=3", "dataset.imbalance=3")
    record = run(mode, tmp_path, "method=heldout_real", "budget=list", "budget.counts=[1,1,0]",
                 *tail)  # fmt: skip
    assert record.dataset.counts_train[:2] == (4, 2)


@pytest.mark.usefixtures("prepared")
def test_files_that_moved_are_found_again(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tree, elsewhere)
    report = folder("files").prepare(str(elsewhere), progress=False)
    assert "read from there now" in str(report)
    pictures = folder("files").load(0).train.pictures
    assert isinstance(pictures, FilePictures)
    assert pictures.root == elsewhere
    pictures.verify()
    (elsewhere / "train" / "one" / "000.jpg").unlink()
    again = folder("files").prepare(str(tree), progress=False)
    assert "read from there now" in str(again)
    with pytest.raises(DataError, match=r"Expected a file of .* bytes, but got another or none"):
        folder("files").prepare(str(elsewhere), progress=False)
    assert folder("files").load(0).train.pictures.root == tree  # type: ignore[union-attr]


def test_files_of_an_archive_are_refused_and_a_store_takes_them(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    archive = tmp_path / "own.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(tree.rglob("*.*")):
            file.write(path, path.relative_to(tree))
    with pytest.raises(DataError, match=r"Expected a folder for dataset.pixels=files.*unpack it"):
        folder("files").prepare(str(archive), progress=False)
    folder("store256").prepare(str(archive), progress=False)
    assert len(folder("store256").load(0).train) == 16 + len(odd_files())


def test_an_unprepared_mode_names_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"own dataset.size=16 dataset.pixels=store256 source="):
        folder("store256").load(0)
    with pytest.raises(UsageError, match=r"dataset\.pixels"):
        settings(["method=ce", *WORDS, "dataset.pixels=file"])


@pytest.mark.slow
@pytest.mark.skipif(not real_files, reason="SYNAUG_BENCH_TEST_DATA is not set")
@pytest.mark.parametrize("mode", MODES)
def test_real_photographs(mode: PixelMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(Path(str(real_files)) / "tiny-imagenet-100.zip") as file:
        file.extractall(tmp_path / "tiny")
    words = ["method=ce", "dataset=tinyimagenetlt", "dataset.classes=100", "dataset.n_max=150",
             "dataset.imbalance=50", f"dataset.pixels={mode}", "backbone=resnet8",
             "recipe.steps.unit=iterations", "recipe.steps.amount=10", "device=cpu",
             "recipe.augmentation.pad=0", "+recipe.augmentation.crop=resized",
             f"out={tmp_path / 'runs'}"]  # fmt: skip
    chosen = settings(words)
    assert isinstance(chosen.dataset, TinyImageNet)
    report = chosen.dataset.prepare(str(tmp_path / "tiny"), progress=False)
    assert report.rows == {"train": 15_000, "test": 3_000}
    record = run_experiment(resolve(chosen))
    assert record.dataset.name == f"tinyimagenetlt-{mode}"
    with Image.open(next((tmp_path / "tiny" / "train").rglob("*.JPEG"))) as image:
        assert image.size == (64, 64)
