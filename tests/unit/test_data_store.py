"""The packed store: contents, laziness, idempotence."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.rows import Images
from benchmark.data.store import PartPlan, StorePlan, build, find
from benchmark.errors import IntegrityError

PIXELS = np.random.default_rng(1).integers(0, 256, (30, 4, 4, 3), dtype=np.uint8)
LABELS = np.repeat(np.arange(3), 10).astype(np.int64)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path))
    return tmp_path


def plan(asked: list[int] | None = None, name: str = "toy") -> StorePlan:
    def produce(rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for row in rows[::-1]:
            if asked is not None:
                asked.append(int(row))
            yield int(row), PIXELS[row]

    ids = tuple(f"a/{row}.png" for row in range(30))
    parts = (
        PartPlan("train", ids, LABELS, produce),
        PartPlan("test", (), np.empty(0, np.int64), produce),
    )
    return StorePlan(name, 4, parts, {"name": "toy"}, "v1", {"classes": ["x", "y", "z"]})


def test_what_is_built_is_what_is_read() -> None:
    store = build(plan(), progress=False)
    table = store.table("train")
    np.testing.assert_array_equal(np.asarray(table.images), PIXELS)
    np.testing.assert_array_equal(table.labels, LABELS)
    assert table.ids[7] == "a/7.png"
    assert store.facts == {"classes": ["x", "y", "z"]}
    assert len(store.table("test")) == 0
    assert table.counts(3) == (10, 10, 10)
    store.verify()


def test_a_second_build_converts_nothing(cache: Path) -> None:
    build(plan(), progress=False)
    asked: list[int] = []
    build(plan(asked), progress=False)
    assert asked == []
    assert sorted(p.name for p in (cache / "data").iterdir()) == [".toy.lock", "toy"]


def test_source_hash_follows_pixels_not_names() -> None:
    one, two = build(plan(), progress=False), build(plan(name="again"), progress=False)
    assert one.source_hash == two.source_hash


def test_rows_are_views_until_they_are_read() -> None:
    table = build(plan(), progress=False).table("train").select(np.array([5, 2, 29]))
    assert isinstance(table.images, Images)
    assert table.images.shape == (3, 4, 4, 3)
    np.testing.assert_array_equal(table.images[np.array([2, 0])], PIXELS[[29, 5]])
    np.testing.assert_array_equal(table.images[1:], PIXELS[[2, 29]])
    np.testing.assert_array_equal(np.concatenate([table.images]), PIXELS[[5, 2, 29]])
    assert table.images[0].shape == (4, 4, 3)
    nested = table.select(np.array([2]))
    np.testing.assert_array_equal(nested.images[0], PIXELS[29])


def test_altered_pixels_are_found() -> None:
    store = build(plan(), progress=False)
    with (store.folder / "train.images").open("r+b") as file:
        file.write(b"\xff\x00")
    with pytest.raises(IntegrityError, match="Expected SHA-256"):
        store.verify()


def test_a_shortened_part_is_refused_on_opening() -> None:
    store = build(plan(), progress=False)
    with (store.folder / "train.images").open("r+b") as file:
        file.truncate(100)
    with pytest.raises(IntegrityError, match="Expected 1,440 bytes of part 'train', but got 100"):
        find("toy")
