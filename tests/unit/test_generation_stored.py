"""Stored pools: verified, listed, exported for other tools, cleaned."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.exporting import export
from benchmark.generation.pool import Pool
from benchmark.generation.stored import StoredPool, pool_folder, read_pool
from benchmark.generation.verify import verify
from benchmark.verbs import generating
from tests.fixtures.generation import Stub, stub_spec

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
COUNTS = [3, 1, 2]


def _pool() -> Pool:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure(COUNTS, generator)
    return pool


def _stored() -> StoredPool:
    return read_pool(_pool().folder)


def test_a_sound_pool_has_no_problems() -> None:
    found = verify(_stored())
    assert (found.planned, found.accepted, found.problems, found.orphans) == (6, 6, (), 0)


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def _image(pool: Pool) -> Path:
    return next((pool.folder / "images").rglob("*.png"))


def _part(pool: Pool) -> Path:
    return next(pool.results_folder.glob("part-*.jsonl"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: _edit(p.plan_path, "bold", "bald"), "1 rows differ"),
        (lambda p: _edit(_part(p), '"calls":6', '"calls":7'), "1 rows have another id, seed"),
        (lambda p: _edit(_part(p), '"slot":0', '"slot":9'), "1 rows are not in the plan"),
        (lambda p: _image(p).unlink(), "1 are missing"),
        (lambda p: _image(p).write_bytes(b"x"), "1 are not what was drawn"),
    ],
)
def test_damage_is_found(damage, words: str) -> None:  # type: ignore[no-untyped-def]
    pool = _pool()
    damage(pool)
    problems = verify(read_pool(pool.folder)).problems
    assert any(words in line for line in problems), problems


def test_an_edited_specification_is_refused() -> None:
    pool = _pool()
    _edit(pool.folder / "pool.json", '"pool_seed": 7', '"pool_seed": 8')
    with pytest.raises(IntegrityError, match="its content gives the key"):
        verify(read_pool(pool.folder))


def test_files_without_a_row_are_counted_and_cleaned() -> None:
    pool = _pool()
    image = _image(pool)
    shutil.copy(image, image.with_name("0" * 24 + ".png"))
    assert verify(read_pool(pool.folder)).orphans == 1
    debris = generating.debris()
    assert [path.suffix for path in debris].count(".png") == 1
    generating.clean(debris)
    assert verify(read_pool(pool.folder)).orphans == 0
    assert pool.missing(COUNTS) == 0


def test_a_pool_is_read_as_an_image_folder() -> None:
    from torchvision.datasets import ImageFolder

    pool = _pool()
    found = ImageFolder(str(pool.folder / "images"))
    assert found.classes == ["0000_zero", "0001_one", "0002_two"]
    assert [label for _, label in found.samples] == [0, 0, 0, 1, 2, 2]


# timm leaves the files it has read to the garbage collector
@pytest.mark.filterwarnings(
    "ignore:unclosed file", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_timm_reads_a_pool() -> None:
    from timm.data import create_dataset

    found = create_dataset("", root=str(_pool().folder / "images"))
    assert [found[place][1] for place in range(len(found))] == [0, 0, 0, 1, 2, 2]


def test_the_datasets_library_reads_an_export(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the datasets library is not installed")
    export(_stored(), tmp_path / "out")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
    )["train"]
    assert sorted(found["label"]) == [0, 0, 0, 1, 2, 2]


def test_an_export_carries_its_metadata(tmp_path: Path) -> None:
    stored = _stored()
    found = export(stored, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out/metadata.jsonl").read_text().splitlines()]
    assert (found.format, found.images, len(rows)) == ("folder", 6, 6)
    for row in rows:
        with Image.open(tmp_path / "out" / row["file_name"]) as image:
            assert image.size == (16, 16)
        assert row["network_calls"] == row["predicted_calls"] == 6
        assert row["prompt"].startswith("a photo of ")
    with pytest.raises(UsageError, match="new or empty folder"):
        export(stored, tmp_path / "out")


def test_an_export_as_tar_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.generation.exporting.SHARD", 4)
    found = export(_stored(), tmp_path / "out", "tar")
    assert sorted(path.name for path in found.folder.glob("*.tar")) == ["00000.tar", "00001.tar"]
    with tarfile.open(found.folder / "00001.tar") as archive:
        names = archive.getnames()
        assert [name.partition(".")[2] for name in names] == ["png", "cls", "json"] * 2
        label = archive.extractfile(names[1])
        assert label is not None
        assert label.read() in (b"0", b"2")


def test_many_images_are_exported_as_tar_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark.generation.exporting.TAR_ABOVE", 5)
    assert export(_stored(), tmp_path / "out").format == "tar"


def test_pools_are_listed_and_shown() -> None:
    pool = _pool()
    assert "6 of 6" in generating.listing(None)
    text = generating.show(pool.spec.key[:4], None)
    assert "36 measured, 36 predicted" in text
    assert "a photo of {modifier} {class}" in text
    assert generating.write_modifier_sheet(pool.spec.key, None).is_file()


def test_an_unknown_pool_is_named_with_the_nearest() -> None:
    key = _pool().spec.key
    with pytest.raises(UsageError, match=key):
        pool_folder(key[:-1] + "z")


def test_a_pool_that_cannot_be_read_is_listed_as_such() -> None:
    pool = _pool()
    (pool.folder / "pool.json").write_text("{}")
    assert "cannot be read" in generating.listing(None)
