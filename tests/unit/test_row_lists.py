"""Official list files: what they must hold, and what is said of those that do not."""

import os
from pathlib import Path

import pytest

from benchmark.data import class_names
from benchmark.data.published_lists import PUBLISHED, hash_counts
from benchmark.data.row_lists import RowLists, find_lists, read_lists, write_list
from benchmark.errors import BenchError, DataError, IntegrityError

REFERENCE = os.environ.get("SYNAUG_BENCH_TEST_REFERENCE")
TRAIN = "train/a/1.JPEG 0\ntrain/a/x/2 3.JPEG 0\ntrain/b/1.JPEG 1\n"
TEST = "val/b/9.JPEG 1\nval/a/9.JPEG 0\n"


def write(folder: Path, **texts: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for part, text in texts.items():
        data = text if isinstance(text, bytes) else text.encode()
        (folder / f"Some_{part}.txt").write_bytes(data)
    return folder


def read(folder: Path, train: str | bytes = TRAIN, test: str | bytes = TEST) -> RowLists:
    return read_lists(find_lists(write(folder, train=train, test=test)))


def test_rows_keep_the_order_of_their_lists(tmp_path: Path) -> None:
    lists = read(tmp_path)
    assert lists.ids == ("a", "b")
    assert lists.counts == {"train": (2, 1), "test": (1, 1)}
    assert lists.parts["train"] == [["train/a/1.JPEG", "train/a/x/2 3.JPEG"], ["train/b/1.JPEG"]]
    assert lists.folders == ["train", "val"]


def test_the_digest_is_of_the_rows_and_not_of_file_names(tmp_path: Path) -> None:
    lists = read(tmp_path / "a")
    folder = tmp_path / "b"
    folder.mkdir()
    write_list(folder / "train.txt", lists.parts["train"])
    (folder / "test.txt").write_text(TEST)
    (folder / "notes.txt").write_text("not a list")
    assert read_lists(find_lists(folder)).digest == lists.digest
    write_list(folder / "train.txt", [own[:1] for own in lists.parts["train"]])
    assert read_lists(find_lists(folder)).digest != lists.digest


BAD_TRAIN = {
    "": r"Expected rows, but got none .*train.txt]",
    "train/a/1.JPEG 0\n\ntrain/b/1.JPEG 1\n": r"a row 'train/<class>/<file> <label>'.*:2]",
    "train/a/1.JPEG\n": r"with a label from 0, but got 'train/a/1.JPEG' .*:1]",
    "train/a/1.JPEG\t0\n": r"with a label from 0, but got .*:1]",
    "train/a/1.JPEG -1\n": r"with a label from 0, but got 'train/a/1.JPEG -1' .*:1]",
    "train/a/1.JPEG 1.0\n": r"with a label from 0, but got .*:1]",
    "train/a/1.JPEG \u0661\n": r"with a label from 0, but got .*:1]",
    "train/a/1.JPEG 99999999999\n": r"with a label from 0, but got .*:1]",
    "train/a/../../x.JPEG 0\n": r"a plain path below the source, but got .*:1]",
    "/train/a/x.JPEG 0\n": r"a plain path below the source, but got .*:1]",
    "train\\a\\x.JPEG 0\n": r"a plain path below the source, but got .*:1]",
    "train//x.JPEG 0\n": r"a plain path below the source, but got .*:1]",
    "val/a/1.JPEG 0\n": r"a training row train/<class>/<file>, but got 'val/a/1.JPEG 0' .*:1]",
    "train/1.JPEG 0\n": r"a training row train/<class>/<file>, but got .*:1]",
    "train/a/1.JPEG 0\ntrain/a/2.JPEG 1\n": r"label 0 of 'a' as in .*:1, but got 1 .*:2]",
    "train/a/1.JPEG 0\ntrain/b/2.JPEG 0\n": r"folder 'a' of label 0 as in .*:1, but got 'b' .*:2]",
    "train/a/1.JPEG 0\ntrain/b/1.JPEG 1\ntrain/a/1.JPEG 0\n":
        r"each image in one row, but got the training row 'train/a/1.JPEG', .*:1\] .*:3]",
    "train/a/1.JPEG 0\n": r"training rows of each class, but got none of 'b' \(label 1\)",
    TRAIN + "train/c/1.JPEG 2\n": r"test rows of each class, but got none of 'c' \(label 2\)",
    TRAIN + "train/c/1.JPEG 3\n": r"labels 0 to 2 for 3 classes, but got 3 and no 2 .*txt:4]",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD_TRAIN)
def test_a_list_that_cannot_be_meant_is_refused_by_its_line(text: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=BAD_TRAIN[text]) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value) and "Some_" in str(caught.value)


@pytest.mark.parametrize("text", [TRAIN.replace("\n", "\r\n"), TRAIN.removesuffix("\n")])
def test_line_ends_do_not_matter(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert read(tmp_path / "a", text).digest == read(tmp_path / "b", TRAIN).digest


def test_bytes_that_are_no_text_are_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"but got '\\xff\\xfe\\x00'.*:1]"):
        read(tmp_path, b"\xff\xfe\x00\n")


def test_labels_from_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="labels 0 to 1 for 2 classes, but got 2 and no 0"):
        read(tmp_path, "train/a/1.JPEG 1\ntrain/b/1.JPEG 2\n", "val/a/1.J 1\nval/b/1.J 2\n")


def test_one_class_is_no_classification(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="at least 2 classes"):
        read(tmp_path, "train/a/1.JPEG 0\n", "val/a/1.JPEG 0\n")


def test_an_image_is_in_one_list_only(tmp_path: Path) -> None:
    write(tmp_path, train=TRAIN, test=TEST, val="train/a/7.JPEG 0\ntrain/b/1.JPEG 1\n")
    wanted = r"the validation row 'train/b/1.JPEG', which is a training row as well .*train.txt:3"
    with pytest.raises(IntegrityError, match=wanted):
        read_lists(find_lists(tmp_path))
    write(tmp_path, val="val/a/9.JPEG 0\n")
    wanted = "the test row 'val/a/9.JPEG', which is a validation row as well"
    with pytest.raises(IntegrityError, match=wanted):
        read_lists(find_lists(tmp_path))


def test_a_label_is_one_class_across_lists(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"label 0 of 'a' as in .*train.txt:1, but got 1"):
        read(tmp_path, TRAIN, "val/a/9.JPEG 1\nval/b/9.JPEG 0\n")


def test_which_files_are_lists(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a folder of list files, but there is none"):
        find_lists(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"training rows, but got none .*name it train\.txt or"):
        find_lists(tmp_path)
    write(tmp_path, train=TRAIN)
    with pytest.raises(DataError, match="a list of test rows, but got none"):
        find_lists(tmp_path)
    write(tmp_path, BL_train=TRAIN, test=TEST)
    with pytest.raises(DataError, match="one list of training rows, but got 2: Some_BL_tr"):
        find_lists(tmp_path)


def test_a_list_of_absurd_size_is_not_read(tmp_path: Path) -> None:
    paths = find_lists(write(tmp_path, train=TRAIN, test=TEST))
    with paths["test"].open("wb") as file:
        file.truncate(1 << 32)
    with pytest.raises(IntegrityError, match="but got 4,294,967,296 bytes"):
        read_lists(paths)


def test_published_counts_tell_lists_of_ones_own_apart(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"115,846 training rows\), but got others \(3 train"):
        PUBLISHED["imagenet-lt"].check(read(tmp_path))


@pytest.mark.skipif(not REFERENCE, reason="SYNAUG_BENCH_TEST_REFERENCE is not set")
def test_the_published_counts_of_imagenet_lt() -> None:
    text = (Path(str(REFERENCE)) / "imagenet_lt_class_counts.txt").read_text()
    counts, known = [int(count) for count in text.split()], PUBLISHED["imagenet-lt"]
    assert (sum(counts), hash_counts(counts)) == (known.rows, known.counts_hash)


# names of classes


def test_names_are_told_apart() -> None:
    names = {"n1": ("crane",), "n2": ("crane", "hoist"), "n3": ("hoist",), "n4": ("tub", "vat")}
    ids = ["n1", "n2", "n3", "n4", "snow_leopard"]
    found = class_names.distinct(ids, names)
    assert found == ["crane (n1)", "crane (n2)", "hoist", "tub", "snow leopard"]
    assert class_names.distinct(["a", "b"], {"a": ("x", "y"), "b": ("x", "y")}) == ["y", "x (b)"]


def test_timm_knows_the_words_of_imagenet() -> None:
    known = class_names.of_imagenet()
    assert known["n01440764"] == ("tench", "Tinca tinca")


def test_names_beside_the_lists(tmp_path: Path) -> None:
    assert class_names.in_folder(tmp_path) == {}
    (tmp_path / "words.txt").write_text("n1\ttench, Tinca\nn2\t\nn3\tfox\n")
    assert class_names.in_folder(tmp_path) == {"n1": ("tench", "Tinca"), "n3": ("fox",)}


def test_errors_are_of_one_kind(tmp_path: Path) -> None:
    paths = find_lists(write(tmp_path, train=TRAIN, test=TEST))
    paths["test"].unlink()
    with pytest.raises(BenchError, match="Expected a list file, but got No such file"):
        read_lists(paths)
