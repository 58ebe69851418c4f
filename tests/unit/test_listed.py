"""A class tree with list files, from a tree of small JPEGs to rows, cards and records."""

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmark import api
from benchmark.config import parse
from benchmark.data.imagenet100_lists import COUNTS, drawn
from benchmark.data.row_lists import write_list
from benchmark.data.sets.listed import Listed
from benchmark.data.store import find
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.generation.prompts import prompt
from benchmark.generation.sources import Drawn
from benchmark.paths import config_dir
from tests.fixtures.pictures import encoded, photograph
from tests.realdata import tail_lists

IDS = ["n01440764", "own_class", "n02012849", "n03126707", "n99999999"]
# label order is not the order of the folders
LISTED = ["own_class", "n01440764", "n03126707", "n02012849"]
COUNT = (12, 6, 3, 1)
NAMES = ("own class", "tench", "crane (n03126707)", "crane (n02012849)")
SHORT = ("recipe.steps.unit=iterations", "recipe.steps.amount=2", "backbone=resnet8",
         "progress=false", "threads=1", "device=cpu")  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tree/`` with train/, val/ and a class that is not listed; ``lists/`` for it."""
    root = tmp_path_factory.mktemp("listed")
    files = [encoded(photograph(seed, 40 + seed, 48)) for seed in range(5)]
    for part, rows in (("train", 16), ("val", 2)):
        for at, own in enumerate(IDS):
            folder = root / "tree" / part / own
            folder.mkdir(parents=True)
            for row in range(rows):
                (folder / f"{own}_{row}.JPEG").write_bytes(files[(at + row) % 5])
    (root / "lists").mkdir()
    rows = [[f"train/{own}/{own}_{row}.JPEG" for row in range(15, 15 - n, -1)]
            for own, n in zip(LISTED, COUNT, strict=True)]  # fmt: skip
    write_list(root / "lists" / "Tree_LT_train.txt", rows)
    for name, part in (("val", "train"), ("test", "val")):
        write_list(root / "lists" / f"Tree_LT_{name}.txt",
                   [[f"{part}/{own}/{own}_{row}.JPEG" for row in (0, 1)] for own in LISTED],
                   )  # fmt: skip
    return root


def words(**changes: Any) -> list[str]:
    return ["dataset=listed", *(f"dataset.{key}={value}" for key, value in chosen(changes).items())]


def chosen(changes: dict[str, Any]) -> dict[str, Any]:
    return {"size": 16, "root_name": "few"} | changes


def make(**changes: Any) -> Listed:
    values = dict(shipped("listed")["dataset"]) | chosen(changes)
    del values["kind"]
    return Listed(parse(Listed.Config, values | {"name": values["root_name"]}, "dataset"))


def shipped(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((config_dir() / "dataset" / f"{name}.yaml").read_text())
    return found


def prepare(made: Path, **changes: Any) -> Any:
    source, split = changes.pop("source", made / "tree"), changes.pop("split", made / "lists")
    return make(**changes).prepare(str(source), split=str(split), progress=False)


def test_rows_labels_and_counts_are_the_lists_own(made: Path) -> None:
    assert prepare(made).rows == {"train": 22, "val": 8, "test": 8}
    data = make(val="extra").load(0)
    assert data.card.counts == data.train.counts(4) == COUNT
    assert data.card.class_ids == tuple(LISTED) and data.card.classes == NAMES
    assert data.card.n_test_per_class == 2
    assert [str(name) for name in data.train.ids[:2]] == [
        "train/own_class/own_class_15.JPEG", "train/own_class/own_class_14.JPEG",
    ]  # fmt: skip
    assert data.val is not None and data.val.counts(4) == data.test.counts(4) == (2,) * 4
    assert (len(data.heldout), data.split.rule) == (0, "listed")
    assert data.train.images.shape == (22, 16, 16, 3)
    assert make().load(0).val is None


def test_a_zip_with_a_folder_around_gives_the_same_store(made: Path, tmp_path: Path) -> None:
    prepare(made)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for path in sorted((made / "tree").rglob("*.JPEG")):
            file.write(path, Path("in") / path.relative_to(made / "tree"))
        file.writestr("in/words.txt", "n01440764\tfish\nown_class\tthing\n")
    prepare(made, root_name="zipped", source=tmp_path / "x.zip")
    first, second = find("listed-few-16"), find("listed-zipped-16")
    assert first is not None and second is not None
    assert first.source_hash == second.source_hash
    assert second.facts["classes"][:2] == ["thing", "fish"]


def test_names_beside_the_lists_win(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "lists", tmp_path / "lists")
    (tmp_path / "lists" / "classes.tsv").write_text("n02012849\tcrane bird, crane\n")
    prepare(made, split=tmp_path / "lists")
    assert make().card().classes == (*NAMES[:2], "crane", "crane bird")


def test_the_rule_follows_the_content_of_the_lists(made: Path, tmp_path: Path) -> None:
    prepare(made)
    shutil.copytree(made / "lists", tmp_path / "lists")
    path = tmp_path / "lists" / "Tree_LT_train.txt"
    path.rename(path.with_name("train.txt"))
    prepare(made, root_name="renamed", split=tmp_path / "lists")
    path = path.with_name("train.txt")
    path.write_text(path.read_text().replace("n01440764_15", "n01440764_2"))
    prepare(made, root_name="other", split=tmp_path / "lists")
    first, renamed, other = (
        make(root_name=name).load(0).split for name in ("few", "renamed", "other")
    )
    assert first == renamed
    assert first.rule_hash != other.rule_hash and first.rows_hash != other.rows_hash
    assert make(val="carve").load(0).split.rule_hash != first.rule_hash


def test_other_lists_under_the_same_name_are_refused(made: Path, tmp_path: Path) -> None:
    prepare(made)
    again = prepare(made)
    assert not again.done and "nothing to do" in str(again)
    shutil.copytree(made / "lists", tmp_path / "lists")
    (tmp_path / "lists" / "Tree_LT_val.txt").unlink()
    with pytest.raises(
        UsageError, match=r"the lists that 'few' was prepared with .*root_name=NAME"
    ):
        prepare(made, split=tmp_path / "lists")


def test_carved_rows_and_held_out_rows(made: Path) -> None:
    prepare(made, keep_heldout=True)
    data = make(keep_heldout=True, val="carve", groups="scaled").load(0)
    assert data.card.counts == data.train.counts(4) == (11, 6, 3, 1)
    assert data.val is not None and data.val.counts(4) == (1, 0, 0, 0)
    # 16 of each class, without the rows of the training and the validation list
    assert data.heldout.counts(4) == (2, 8, 11, 13)
    parts = (data.train, data.val, data.heldout)
    assert len(set.union(*(set(part.ids) for part in parts))) == sum(map(len, parts))
    assert data.card.groups["lt1"] == ("many", "many", "medium", "medium")


@pytest.mark.parametrize("mode", ["files", "store256"])
def test_whole_pictures_hold_the_same_rows(made: Path, mode: str) -> None:
    prepare(made)
    prepare(made, pixels=mode)
    packed, data = make().load(0), make(pixels=mode).load(0)
    assert data.card.name == f"few-{mode}"
    assert data.split.rows_hash == packed.split.rows_hash
    assert data.split.rule_hash == packed.split.rule_hash
    assert data.train.pictures is not None and data.test.pictures is None
    np.testing.assert_array_equal(np.asarray(data.test.images), np.asarray(packed.test.images))


def test_the_source_is_checked_before_an_image_is_read(made: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(made / "tree", tree)
    (tree / "train" / "own_class" / "own_class_14.JPEG").unlink()
    with pytest.raises(
        DataError, match=r"of the training list .* 1 of 22 .*14.JPEG'.*train.txt:2]"
    ):
        prepare(made, source=tree)
    shutil.rmtree(tree / "val" / "own_class")
    with pytest.raises(DataError, match="4 classes below 'val', but got 3: missing own_class"):
        prepare(made, source=tree)
    shutil.rmtree(tree / "val")
    (tree / "val").mkdir()
    (tree / "val" / "ILSVRC2012_val_00000001.JPEG").write_bytes(b"")
    with pytest.raises(DataError, match="flat 'val' folder"):
        prepare(made, source=tree)
    assert find("listed-few-16") is None


def test_what_is_missing_is_said(made: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="source=PATH and split=FOLDER, but got no lists"):
        make().prepare(str(made / "tree"))
    with pytest.raises(DataError, match="source=PATH and split=FOLDER, but got no images"):
        make().prepare(None, split=str(made / "lists"))
    advice = "prepare dataset=listed dataset.root_name=few dataset.size=16 source=PATH split=FOLDER"
    with pytest.raises(DataError, match=advice):
        make().load(0)
    with pytest.raises(UsageError, match=r"dataset\.root_name"):
        make(root_name="../up")
    shutil.copytree(made / "lists", tmp_path / "lists")
    (tmp_path / "lists" / "Tree_LT_val.txt").unlink()
    with pytest.raises(DataError, match=r"validation rows for dataset\.val=extra"):
        prepare(made, val="extra", split=tmp_path / "lists")
    prepare(made, split=tmp_path / "lists")
    with pytest.raises(DataError, match="was prepared without a list of them"):
        make(val="extra").load(0)


def test_imagenet_lt_wants_the_published_counts(made: Path) -> None:
    dataset = settings(["method=ce", "dataset=imagenetlt"]).dataset
    with pytest.raises(
        IntegrityError, match=r"counts of ImageNet-LT .* of your own: dataset=listed"
    ):
        dataset.prepare(str(made / "tree"), split=str(made / "lists"))
    with pytest.raises(DataError, match=r"prepare dataset=imagenetlt dataset\.size=224 source="):
        dataset.card()


def test_from_lists_to_records(made: Path, tmp_path: Path) -> None:
    out = f"out={tmp_path / 'runs'}"
    api.prepare(*words(val="extra"), source=str(made / "tree"), split=str(made / "lists"))
    record = api.run("method=ldam_drw", *words(val="extra"), *SHORT, out)
    data = record.dataset
    assert (data.name, tuple(data.counts_real)) == ("few", COUNT)
    assert data.split.rule_hash == make(val="extra").load(0).split.rule_hash
    scored = api.run("method=ce", *words(val="extra"), *SHORT, "score_on=val", out)
    assert scored.dataset.name == "few@val"


def test_prompts_have_the_names_and_the_general_modifiers(made: Path) -> None:
    prepare(made)
    request = resolve(settings(["method=t2i", *words()])).request
    assert request is not None and isinstance(request.source, Drawn)
    spec = request.source.prompts
    assert (spec.modifier_set, len(spec.modifiers)) == ("general", 20)
    for name in NAMES:
        assert prompt(spec, name, 0)[0].endswith(f" {name}")


# the tail of ImageNet100-LT on other images


def test_the_scaled_tail_keeps_ranks_head_and_imbalance() -> None:
    counts = tail_lists.scaled(COUNTS, 150, 30.0)
    assert (max(counts), min(counts), sum(counts)) == (150, 5, 2971)
    by_rank = sorted(range(100), key=COUNTS.__getitem__)
    assert [counts[at] for at in by_rank] == sorted(counts)
    assert tail_lists.scaled(COUNTS, 1280, 1280 / 6) == COUNTS


def test_drawn_rows_are_disjoint_and_the_same_each_time() -> None:
    files = [[f"train/{own}/{row}" for row in range(9)] for own in "ab"]
    parts = drawn(files, "ab", (5, 2), 1, "some")
    assert [len(own) for part in ("train", "val", "heldout") for own in parts[part]] == [
        5, 2, 1, 1, 3, 6,
    ]  # fmt: skip
    assert {name for part in parts.values() for own in part for name in own} == {
        name for own in files for name in own
    }
    assert drawn(files, "ab", (5, 2), 1, "some") == parts != drawn(files, "ab", (5, 2), 1, "other")
    with pytest.raises(DataError, match="at least 10 images of a, but got 9"):
        drawn(files, "ab", (9, 2), 1, "some")
