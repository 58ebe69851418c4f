"""Collections: any layout in, one stored form out, drawn from in a keyed order."""

import csv
import hashlib
import io
import json
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.data.images import harmonise
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.collections import (
    Collection,
    check_location,
    collected_cost,
    import_folder,
    screen,
)
from benchmark.generation.collections.naming import ClassNames, class_folder
from benchmark.generation.collections.screening import Near
from benchmark.generation.pool import Pool
from benchmark.generation.quality.leaks import Match
from tests.fixtures.generation import CLASSES as POOL_CLASSES
from tests.fixtures.generation import Stub, stub_spec

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
CLASSES = ("fire truck", "cat", "Über-dog")


def png(seed: int, size: int = 8, form: str = "PNG") -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


def write(folder: Path, files: dict[str, bytes | str]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def tree(counts: tuple[int, ...] = (3, 2, 1)) -> dict[str, bytes | str]:
    return {
        f"{name}/{row}.png": png(100 * label + row)
        for label, (name, count) in enumerate(zip(CLASSES, counts, strict=True))
        for row in range(count)
    }


def stored(collection: Collection) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {label: set() for label in range(len(collection.classes))}
    for row in collection.kept:
        found[row.label].add(row.sha256)
    return found


def hashes(files: dict[str, bytes | str]) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {label: set() for label in range(len(CLASSES))}
    for name, data in files.items():
        assert isinstance(data, bytes)
        found[CLASSES.index(name.partition("/")[0])].add(hashlib.sha256(data).hexdigest())
    return found


def make(tmp_path: Path, counts: tuple[int, ...] = (3, 2, 1), **options: Any) -> Collection:
    return import_folder(write(tmp_path / "in", tree(counts)), CLASSES, **options)


# names


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("fire truck", 0), ("Fire_Truck", 0), ("FIRE-TRUCK", 0), ("0000_fire_truck", 0),
        ("0000_fire truck", 0), ("cat", 1), ("1", 1), ("01", 1), ("001_cat", 1), ("n02", 1),
        ("über dog", 2), ("0002_ber-dog", 2), ("0002_Über_dog", 2),
    ],
)  # fmt: skip
def test_a_folder_is_called_by_its_class_in_any_spelling(folder: str, label: int) -> None:
    assert ClassNames(CLASSES, ("n01", "n02", "n03")).label(folder) == label


def test_an_unknown_folder_names_the_nearest_class() -> None:
    with pytest.raises(UsageError, match=r"Unknown class 'fire trick' .*did you mean fire truck"):
        ClassNames(CLASSES).label("fire trick", "x")


@pytest.mark.parametrize("folder", ["3", "003_cat_", "-1", "1.5", "train"])
def test_what_is_no_class_is_refused(folder: str) -> None:
    with pytest.raises((UsageError, DataError)):
        ClassNames(CLASSES).label(folder)


def test_a_number_that_contradicts_the_name_is_refused() -> None:
    with pytest.raises(DataError, match=r"Expected label 1 for the class 'cat'.*'000_cat'"):
        ClassNames(CLASSES).label("000_cat")


def test_classes_called_by_numbers_are_never_taken_for_labels() -> None:
    names = ClassNames(("7", "3", "0"))
    assert [names.label(name) for name in ("7", "3", "0")] == [0, 1, 2]
    with pytest.raises(UsageError):
        names.label("1")


def test_two_classes_of_one_name_need_their_numbers() -> None:
    names = ClassNames(("crane", "owl", "crane"))
    assert names.label("002_crane") == 2
    with pytest.raises(UsageError, match=r"labels 0, 2.*0000_crane"):
        names.label("crane")


def test_the_folder_of_a_class_leads_back_to_it() -> None:
    long = ("a" * 90, "b/c ?", "日本語")
    names = ClassNames(long)
    assert [names.label(class_folder(k, name)) for k, name in enumerate(long)] == [0, 1, 2]


# layouts


def zipped(folder: Path, files: dict[str, bytes | str]) -> Path:
    path = folder / "in.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def tarred(path: Path, files: dict[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            content = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("prefix", ["", "images/", "set/train/"])
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_class_folders_are_read_from_anything(prefix: str, kind: str, tmp_path: Path) -> None:
    files = {prefix + name: data for name, data in tree().items()}
    if kind == "folder":
        source = write(tmp_path / "in", files)
    else:
        source = zipped(tmp_path, files) if kind == "zip" else tarred(tmp_path / "in.tar", files)
    collection = import_folder(source, CLASSES)
    assert stored(collection) == hashes(tree())
    assert collection.counts == (3, 2, 1)
    assert collection.facts["candidates"] == 6


def test_bytes_are_kept_and_class_folders_carry_the_label(tmp_path: Path) -> None:
    collection = make(tmp_path)
    for row in collection.kept:
        assert collection.bytes_of(row) == (tmp_path / "in" / row.source).read_bytes()
        assert row.file_name == f"images/{class_folder(row.label, row.class_name)}/" + (
            f"{row.sha256[:24]}.png"
        )
    folders = sorted(path.name for path in (collection.folder / "images").iterdir())
    assert folders == ["0000_fire_truck", "0001_cat", "0002_über_dog"]


def test_torchvision_reads_a_collection_as_it_is(tmp_path: Path) -> None:
    from torchvision.datasets import ImageFolder

    collection = make(tmp_path)
    found = ImageFolder(str(collection.folder / "images"))
    assert np.bincount(found.targets).tolist() == list(collection.counts)


def test_the_suffix_follows_the_content(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {"cat/a.png": png(1, form="JPEG"), "cat/b.jpg": png(2)})
    suffixes = {Path(row.source).name: Path(row.file_name).suffix
                for row in import_folder(source, CLASSES).kept}  # fmt: skip
    assert suffixes == {"a.png": ".jpg", "b.jpg": ".png"}


def test_the_key_follows_the_content_alone(tmp_path: Path) -> None:
    first = make(tmp_path / "a")
    renamed = {name.replace(".png", "-x.png"): data for name, data in tree().items()}
    second = import_folder(zipped(tmp_path, renamed), CLASSES, root=tmp_path / "other")
    assert first.key == second.key
    assert first.key != make(tmp_path / "b", knowledge=("x",)).key
    assert first.key != make(tmp_path / "c", (3, 2, 2)).key
    assert first.key != make(tmp_path / "d", network_calls_per_image=4).key


def test_an_unchanged_source_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(tmp_path)
    monkeypatch.setattr("benchmark.generation.collections.importing.examine", None)
    assert import_folder(tmp_path / "in", CLASSES) == first


def test_a_changed_source_is_another_collection(tmp_path: Path) -> None:
    first = make(tmp_path)
    write(tmp_path / "in", {"cat/9.png": png(999)})
    second = import_folder(tmp_path / "in", CLASSES)
    assert (first.counts, second.counts) == ((3, 2, 1), (3, 3, 1))
    assert Collection.read(first.folder).counts == (3, 2, 1)


def test_missing_classes_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection = import_folder(write(tmp_path / "in", {"cat/1.png": png(1)}), CLASSES)
    assert collection.missing == ("fire truck", "Über-dog")
    assert "none of fire truck, Über-dog" in capsys.readouterr().err


# metadata

META = [
    {"file_name": "cat/0.png", "prompt": "a cat, asleep", "network_calls": 50, "seconds": 1.5,
     "license": "CC0", "url": "https://x.org/1", "date": "2024-01-02", "knowledge": "sd15 llm"},
    {"file_name": "cat/1.png", "prompt": "a cat", "network_calls": 25, "seconds": 0.5},
]  # fmt: skip


def as_csv(rows: list[dict[str, Any]]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), restval="")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def as_lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "text"), [("metadata.csv", as_csv(META)), ("metadata.jsonl", as_lines(META))]
)
def test_metadata_reaches_the_rows(name: str, text: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in", {**tree(), name: text})
    collection = import_folder(source, CLASSES, licence="MIT")
    rows = {row.source: row for row in collection.rows}
    first = rows["cat/0.png"]
    assert (first.prompt, first.network_calls, first.seconds) == ("a cat, asleep", 50, 1.5)
    assert (first.licence, first.url, first.date) == ("CC0", "https://x.org/1", "2024-01-02")
    assert rows["cat/1.png"].licence == "MIT"
    assert collection.facts["licences"] == {"CC0": 1, "MIT": 5}
    assert collection.knowledge == ("llm", "sd15")


def test_parquet_without_its_reader_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    source = write(tmp_path / "in", {**tree(), "metadata.parquet": b"PAR1"})
    with pytest.raises(DataError, match="pip install pyarrow"):
        import_folder(source, CLASSES)


def test_parquet_is_read_where_its_reader_is_installed(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    source = write(tmp_path / "in", tree())
    parquet.write_table(arrow.Table.from_pylist(META), source / "metadata.parquet")
    rows = {row.source: row for row in import_folder(source, CLASSES).rows}
    assert rows["cat/0.png"].network_calls == 50
    assert rows["cat/1.png"].prompt == "a cat"


def test_classes_may_stand_in_metadata_alone(tmp_path: Path) -> None:
    rows = [{"file_name": "a.png", "class": "Cat"}, {"file_name": "b.png", "label": 2}]
    files = {"a.png": png(1), "b.png": png(2), "metadata.jsonl": as_lines(rows)}
    collection = import_folder(write(tmp_path / "in", files), CLASSES)
    assert {row.source: row.label for row in collection.kept} == {"a.png": 1, "b.png": 2}


def test_a_folder_wins_over_the_label_of_another_class_order(tmp_path: Path) -> None:
    rows = [{"file_name": "cat/0.png", "label": 0}]
    source = write(tmp_path / "in", {"cat/0.png": png(1), "metadata.jsonl": as_lines(rows)})
    assert import_folder(source, CLASSES).counts == (0, 1, 0)


BAD_METADATA = {
    "no JSON": ("metadata.jsonl", "{", IntegrityError, "Expected readable metadata"),
    "no object": ("metadata.jsonl", "[1]\n", IntegrityError, "one object a line"),
    "no such image": ("metadata.jsonl", '{"file_name": "cat/7.png"}', IntegrityError, "missing"),
    "calls": ("metadata.csv", "file_name,network_calls\ncat/0.png,-3\n", DataError, "at least 0"),
    "not finite": ("metadata.csv", "file_name,seconds\ncat/0.png,nan\n", DataError, "at least 0"),
    "half a call": ("metadata.csv", "file_name,calls\ncat/0.png,1.5\n", DataError, "number"),
}


@pytest.mark.parametrize("case", BAD_METADATA)
def test_broken_metadata_is_refused(case: str, tmp_path: Path) -> None:
    name, text, kind, words = BAD_METADATA[case]
    source = write(tmp_path / "in", {"cat/0.png": png(1), name: text})
    with pytest.raises(kind, match=words) as caught:
        import_folder(source, CLASSES)
    assert name in str(caught.value)


def test_shards_are_read(tmp_path: Path) -> None:
    first: dict[str, bytes | str] = {
        "0001.png": png(1), "0001.cls": "1", "0001.json": '{"prompt": "x", "network_calls": 4}',
        "0002.png": png(2), "0002.cls": "fire_truck", "0002.txt": "a truck",
    }  # fmt: skip
    second: dict[str, bytes | str] = {"0003.jpg": png(3), "0003.json": '{"class_name": "cat"}'}
    tarred(tmp_path / "in" / "00000.tar", first)
    tarred(tmp_path / "in" / "00001.tar", second)
    collection = import_folder(tmp_path / "in", CLASSES)
    rows = {row.source: row for row in collection.kept}
    assert {name: row.label for name, row in rows.items()} == {
        "0001.png": 1, "0002.png": 0, "0003.jpg": 1,
    }  # fmt: skip
    assert (rows["0001.png"].prompt, rows["0001.png"].network_calls) == ("x", 4)
    assert rows["0002.png"].prompt == "a truck"


def test_a_pool_is_read_with_its_costs(tmp_path: Path) -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path)
    pool.ensure([2, 1, 2], generator)
    collection = import_folder(pool.folder, POOL_CLASSES)
    assert collection.counts == (2, 1, 2)
    assert {row.network_calls for row in collection.kept} == {6}
    assert all("zero" in row.prompt for row in collection.kept if row.label == 0)
    assert collected_cost(collection, [2, 1, 2], 0).network_calls == 30


def test_a_collection_can_be_imported_again(tmp_path: Path) -> None:
    first = make(tmp_path)
    again = import_folder(first.folder, CLASSES, root=tmp_path / "other")
    assert again.key == first.key


# copies


def test_copies_are_kept_once(tmp_path: Path) -> None:
    image = Image.open(io.BytesIO(png(1)))
    packed = io.BytesIO()
    image.save(packed, "PNG", compress_level=0)
    files = {"cat/a.png": png(1), "cat/b.png": png(1), "cat/c.png": packed.getvalue(),
             "fire truck/d.png": png(1), "cat/e.png": png(2)}  # fmt: skip
    collection = import_folder(write(tmp_path / "in", dict(files)), CLASSES)
    reasons = {row.source: row.reason for row in collection.rows if row.status == "dropped"}
    assert reasons == {
        "cat/a.png": "same bytes as fire truck/d.png of class 'fire truck'",
        "cat/b.png": "same bytes as fire truck/d.png of class 'fire truck'",
        "cat/c.png": "same pixels as fire truck/d.png of class 'fire truck'",
    }
    assert collection.counts == (1, 1, 0)
    assert len(list(collection.folder.rglob("*.png"))) == 2


def test_glyphs_that_differ_in_alpha_alone_are_no_copies(tmp_path: Path) -> None:
    files: dict[str, bytes | str] = {}
    for row in range(2):
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[row, :, 3] = 255
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        files[f"cat/{row}.png"] = file.getvalue()
    assert import_folder(write(tmp_path / "in", files), CLASSES).counts == (0, 2, 0)


# taking


def test_a_smaller_budget_is_a_prefix(tmp_path: Path) -> None:
    collection = make(tmp_path, (6, 5, 4))
    _, small_labels, small = collection.take([2, 2, 2], 8, "RGB", 3)
    _, labels, large = collection.take([4, 4, 4], 8, "RGB", 3)
    assert large[:6] == small
    assert labels[:6].tolist() == small_labels.tolist() == [0, 1, 2, 0, 1, 2]
    uneven = collection.take([4, 1, 2], 8, "RGB", 3)[2]
    assert set(uneven) < set(large)
    assert collection.take([2, 2, 2], 8, "RGB", 4)[2] != small


def test_images_are_those_that_pools_would_give(tmp_path: Path) -> None:
    collection = make(tmp_path)
    images, labels, ids = collection.take([3, 2, 1], 4, "L", 0)
    rows = {row.image_id: row for row in collection.kept}
    assert (images.shape, images.dtype, labels.dtype) == ((6, 4, 4, 3), np.uint8, np.int64)
    for pixels, label, image_id in zip(images, labels, ids, strict=True):
        assert rows[image_id].label == label
        with Image.open(tmp_path / "in" / rows[image_id].source) as image:
            assert np.array_equal(pixels, harmonise(image, 4, "L"))


def test_images_left_out_move_no_other(tmp_path: Path) -> None:
    collection = make(tmp_path, (6, 2, 1))
    everything = collection.take([6, 0, 0], 8, "RGB", 0)[2]
    left = collection.take([5, 0, 0], 8, "RGB", 0, without={everything[1]})[2]
    assert left == [everything[0], *everything[2:]]


def test_the_hash_of_ids_is_of_the_set(tmp_path: Path) -> None:
    collection = make(tmp_path)
    assert collection.ids_hash(["a", "b"]) == collection.ids_hash(["b", "a"])
    assert collection.ids_hash(["a"]) != collection.ids_hash(["a", "b"])


def test_a_class_with_too_few_says_how_many(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        make(tmp_path).take([5, 2, 4], 8, "RGB", 0)
    text = str(caught.value)
    assert "'fire truck' lacks 2, 'Über-dog' lacks 3" in text
    assert "budget.amount=1" in text


# screening


def alike(candidates: Any, test: Any, train: Any) -> list[Match]:
    """Exact copies; two of everything, the second one better."""
    found = []
    for i, image in enumerate(candidates):
        for j, other in enumerate(test):
            if np.array_equal(image, other):
                found += [Match(i, j, 0.9, 0.5), Match(i, j, 0.95, 0.5)]
    return found


def test_near_duplicates_never_reach_training(tmp_path: Path) -> None:
    collection = make(tmp_path, (6, 5, 4))
    images, _, ids = collection.take([6, 5, 4], 8, "RGB", 0)
    test, train = images[[0, 4]], images[:0]
    found = screen(collection, test, train, compare=alike)
    assert found.ids == {ids[0], ids[4]}
    by_id = {near.image_id: near for near in found.found}
    assert by_id[ids[4]] == Near(ids[4], 1, 1, 0.95, 0.5)
    assert not found.ids & set(collection.take([5, 4, 4], 8, "RGB", 0, without=found.ids)[2])
    cost = collected_cost(collection, [5, 4, 4], 0, found)
    assert (cost.candidates, cost.accepted, cost.near_test) == (15, 13, 2)
    few = collected_cost(collection, [1, 1, 1], 0, found)
    assert (few.candidates, few.accepted, few.near_test) == (4, 3, 1)


def test_a_screen_is_kept_for_its_test_rows(tmp_path: Path) -> None:
    collection, calls = make(tmp_path), []

    def counted(*given: Any) -> list[Match]:
        calls.append(given)
        return []

    images = np.zeros((2, 8, 8, 3), np.uint8)
    first = screen(collection, images, images, compare=counted)
    assert screen(collection, images, images, compare=counted) == first
    assert len(calls) == 1
    for changed in ({"test": images + 1}, {"version": "2"}, {"colour": "L"}):
        words: dict[str, Any] = {"test": images, "train": images, **changed}
        screen(collection, compare=counted, **words)
    assert len(calls) == 4
    assert Collection.read(collection.folder) == collection


# cost and locations


def test_an_unstated_cost_is_unknown_and_a_stated_one_adds_up(tmp_path: Path) -> None:
    source = write(tmp_path / "in", {**tree(), "metadata.jsonl": as_lines(META)})
    collection = import_folder(source, CLASSES)
    assert collected_cost(collection, [3, 2, 1], 0).network_calls is None
    assert collected_cost(collection, [0, 2, 0], 0).network_calls == 75
    assert collected_cost(collection, [0, 2, 0], 0).seconds == 2.0
    stated = collected_cost(collection, [1, 2, 0], 0, network_calls_per_image=10)
    assert (stated.network_calls, stated.seconds) == (85, None)
    assert stated.knowledge == ("llm", "sd15")


def test_a_stored_collection_opens_by_the_beginning_of_its_key(tmp_path: Path) -> None:
    collection = make(tmp_path)
    assert Collection.open(collection.key, CLASSES) == collection
    assert Collection.open(collection.key[:6], CLASSES) == collection
    assert Collection.open(str(tmp_path / "in"), CLASSES) == collection
    check_location(collection.key)


def test_another_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"for 2 classes \(a, b\), but got one for 3"):
        Collection.open(make(tmp_path).key, ("a", "b"))


def test_a_prefix_of_two_keys_is_refused(tmp_path: Path) -> None:
    for name in ("abcd000000000000", "abcd111111111111"):
        write(tmp_path / "root" / name, {"collection.json": "{}"})
    with pytest.raises(UsageError, match=r"begins with 'abcd', but got 2.*abcd000000000000 or"):
        check_location("abcd", tmp_path / "root")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("dataset", "none come with it"),
        ("no/such/folder", "'no/such/folder' is none"),
        ("abcdef", "'abcdef' is none"),
        ("module:os.path", "Expected a module shipped in baselines or synaug"),
        ("module:benchmark.verbs.cli", "Expected a module shipped"),
        ("module:synaug", "Expected a module shipped"),
        ("module:synaug..embedded", "Expected a module shipped"),
        ("module:synaug.nothing", "Expected a module shipped"),
        ("module:synaug.t2i", "has no function 'make'"),
    ],
)
def test_a_location_that_leads_nowhere_is_refused(location: str, words: str) -> None:
    with pytest.raises((UsageError, DataError), match=words) as caught:
        check_location(location)
    assert "; " in str(caught.value)


def test_a_near_miss_names_the_folder_meant(tmp_path: Path) -> None:
    make(tmp_path)
    write(tmp_path, {"photos/x": ""})
    with pytest.raises(DataError, match="did you mean photos"):
        check_location(str(tmp_path / "photo"))
