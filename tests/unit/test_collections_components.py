"""The two supplies of collected images, and the folder that stands in for the web."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.component import Component, Task
from benchmark.config import parse
from benchmark.errors import DataError, UsageError
from benchmark.experiments.compose import settings
from benchmark.generation.budget import Budget
from benchmark.generation.collections import Collection, check_location, screen
from benchmark.generation.sources import Collected
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.tiny import tiny_task
from benchmark.verbs.cli import main
from synaug.embedded import web_folder
from synaug.embedded.fonts import DIGITS

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")


def part(name: str, **changes: Any) -> Component:
    cls = COMPONENTS.load(name)
    found: Component = cls(parse(cls.Config, shipped_settings(name) | changes, name), name)
    return found


def digits() -> Task:
    return replace(tiny_task((6, 3, 1)), dataset="digitslt")


def test_web_images_are_always_screened() -> None:
    request = part("webaug", source="x").request_images(tiny_task((6, 3, 1)))
    assert request is not None
    assert request.source == Collected(location="x", near_test="drop")
    assert (request.origin, request.knowledge) == ("web", ("web-images",))
    assert request.default_budget == Budget(kind="uniform")
    with pytest.raises(UsageError, match="near_test"):
        part("webaug", near_test="report")


def test_images_of_others_bring_what_is_stated() -> None:
    chosen = part("imported", source="x", knowledge=["sdxl"], network_calls_per_image=8)
    request = chosen.request_images(tiny_task((6, 3, 1)))
    assert request is not None
    assert request.source == Collected(location="x", near_test="report", network_calls_per_image=8)
    assert (request.origin, request.knowledge) == ("synthetic", ("sdxl",))


@pytest.mark.parametrize("name", ["webaug", "imported"])
def test_a_data_set_may_bring_images_of_its_own(name: str) -> None:
    request = part(name).request_images(digits())
    assert request is not None and isinstance(request.source, Collected)
    check_location(request.source.location)
    other = part(name).request_images(tiny_task((6, 3, 1)))
    assert other is not None and isinstance(other.source, Collected)
    with pytest.raises(DataError, match=r"none come with it.*source=PATH"):
        check_location(other.source.location)


def test_renderings_depend_on_seed_class_and_number_alone(tmp_path: Path) -> None:
    web_folder.make(tmp_path / "a", 2)
    assert web_folder.main([str(tmp_path / "b"), "--per-class", "1"]) == 0
    web_folder.make(tmp_path / "c", 1, seed=1)
    first = {path.relative_to(tmp_path / "b"): path.read_bytes()
             for path in (tmp_path / "b").rglob("*.png")}  # fmt: skip
    assert len(first) == 10
    assert all((tmp_path / "a" / name).read_bytes() == data for name, data in first.items())
    assert all((tmp_path / "c" / name).read_bytes() != data for name, data in first.items())
    with Image.open(tmp_path / "a" / "seven" / "00001.png") as image:
        assert (image.size, image.mode) == ((32, 32), "L")
        assert np.asarray(image).max() > 80


def test_renderings_become_a_collection_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    make = web_folder.make
    monkeypatch.setattr(web_folder, "make", lambda folder: calls.append(make(folder, 2)))
    found = [Collection.open("module:synaug.embedded.web_folder", DIGITS) for _ in range(2)]
    assert len(calls) == 1
    assert found[0] == found[1]
    assert found[0].counts == (2,) * 10
    assert found[0].knowledge == ("font-renderings",)
    assert "DejaVu" in next(iter(found[0].facts["licences"]))


def test_copies_of_test_digits_among_renderings_are_found(tmp_path: Path) -> None:
    data = settings(["dataset=digitslt"]).dataset.load(0)
    test, train = np.asarray(data.test.images), np.asarray(data.train.images)
    web_folder.make(tmp_path, 3)
    planted = [0, 500, 1000]
    for row in planted:
        name = data.card.classes[int(data.test.labels[row])]
        Image.fromarray(test[row]).save(tmp_path / name / f"planted-{row}.png")
    (tmp_path / "metadata.jsonl").unlink()
    collection = Collection.open(str(tmp_path), data.card.classes)
    found = screen(collection, test, train, colour="L")
    names = {row.image_id: row.source.rpartition("/")[2] for row in collection.kept}
    assert {names[near.image_id]: near.reference for near in found.found} == {
        f"planted-{row}.png": row for row in planted
    }


def test_without_fonts_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"matplotlib.*pip install 'synaug-bench\[build\]'"):
        web_folder.check()


def test_no_image_a_class_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert web_folder.main([str(tmp_path), "--per-class", "0"]) == 2
    assert "Expected at least 1 image a class, but got 0" in capsys.readouterr().err


def test_the_command_line_imports_lists_and_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web_folder.make(tmp_path / "in", 1)
    words = ["generate", "import", str(tmp_path / "in"), "dataset=digitslt", "--knowledge", "x"]
    assert main(words) == 0
    key = capsys.readouterr().out.strip().rpartition("=")[2]
    assert main(["generate", "ls"]) == main(["generate", "show", key[:8]]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"{key} +folder in +10 +10 +0", out)
    assert "font-renderings" in out
    assert main(["generate", "show", "0000"]) == 3
    assert "error: Expected a pool" in capsys.readouterr().err
