"""Sheets of generated images, from pools in their real format."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmark.boards.leaderboard import rows_of
from benchmark.errors import IntegrityError
from benchmark.generation.plan import build_plan
from benchmark.generation.pool import Pool
from benchmark.grid import grids
from benchmark.grid.grid_results import GridResult, Missing
from benchmark.grid.grids import Cell
from benchmark.recording.record_models import Record
from benchmark.registry import yaml_names
from benchmark.report import plots
from benchmark.report.plotting import steps
from tests.fixtures.boards import POOL, runs
from tests.fixtures.generation import CLASSES, Stub, stub_spec
from tests.fixtures.plots import figure
from tests.fixtures.records import make_record


class Stepped(Stub):
    """A generator whose images depend on the number of steps, from the same seeds."""

    def fingerprint(self) -> dict[str, Any]:
        return {"kind": "stub", "steps": int(self.flavour)}

    def _image(self, seed: int) -> Image.Image:
        return Image.fromarray(np.asarray(super()._image(seed)) // 2 + np.uint8(self.flavour))


def stepped(
    root: Path, count: int, seed: int, counts: tuple[int, ...], refused: int = -1
) -> Record:
    """A pool in the cache, and a record of the run that drew it; the noise ``refused`` is flat."""
    generator = Stepped(flavour=str(count), flaw=lambda own: "non-finite" * (own == refused))
    pool = Pool.open(stub_spec(generator, pool_seed=seed), root)
    pool.ensure(counts, generator, progress=False)
    return make_record(
        seed=seed, pool=POOL | {"key": pool.spec.key, "generator": {"steps": count}},
        experiment__hash=f"h{count}", experiment__label=f"{count} steps",
        command=f"python -m benchmark run generator.steps={count} seed={seed}",
    )  # fmt: skip


@pytest.fixture
def stepping(tmp_path: Path) -> GridResult:
    """Two numbers of steps, two seeds; the first class has images at the second seed only."""
    by_seed = ((0, 2, 1), (1, 1, 1))
    found = {
        "CE": runs("plain", 60, seeds=2),
        **{
            f"{count} steps": [
                stepped(tmp_path / "pools", count, seed, counts)
                for seed, counts in enumerate(by_seed)
            ]
            for count in (10, 3)
        },
    }
    made = figure(
        found, x="steps", seeds=2, records=str(tmp_path / "records"),
        curves={"all": ("3 steps", "10 steps")},
    )  # fmt: skip
    return replace(made, name="figure4")


def test_a_sheet_has_a_row_a_class_and_a_column_a_number_of_steps(
    stepping: GridResult, tmp_path: Path
) -> None:
    said = plots.write_sheet(stepping, root=tmp_path / "pools")
    path = tmp_path / "records" / "shapes-sheet.png"
    assert said == str(path)
    found = steps.sheet(stepping, tmp_path / "pools")
    assert isinstance(found, steps.Sheet)
    assert list(found.grid.titles) == ["3 steps", "10 steps"]
    assert list(found.grid.rows) == list(CLASSES) and found.left_out == ()
    # the first class at the second seed, the others at the first
    for label, seed in enumerate((1, 0, 0)):
        assert_shows(found, label, seed_of(seed, label))
    with Image.open(path) as image:
        assert image.height == 16 + 3 * 66


def assert_shows(sheet: steps.Sheet, label: int, noise: int) -> None:
    """The row of a class holds what both numbers of steps make of one noise."""
    for column, count in enumerate(("3", "10")):
        shown = np.asarray(sheet.grid.rows[CLASSES[label]][column])
        assert np.array_equal(shown, np.asarray(Stepped(flavour=count)._image(noise)))


def seed_of(pool_seed: int, label: int, slot: int = 0) -> int:
    """The seed of an image of a class; it does not depend on the steps."""
    spec = stub_spec(Stepped(flavour="3"), pool_seed=pool_seed)
    places = {(row.label, row.slot): row.seed for row in build_plan(spec, [2, 2, 2])}
    return places[label, slot]


def test_a_slot_that_was_drawn_again_with_other_noise_is_passed_over(tmp_path: Path) -> None:
    refused, counts = seed_of(0, 1), (2, 2, 2)
    found = {
        "3 steps": [stepped(tmp_path, 3, 0, counts, refused)],
        "10 steps": [stepped(tmp_path, 10, 0, counts)],
    }
    made = figure(found, x="steps", seeds=1, curves={"all": tuple(found)})
    sheet = steps.sheet(made, tmp_path)
    assert isinstance(sheet, steps.Sheet)
    for label, slot in enumerate((0, 1, 0)):
        assert_shows(sheet, label, seed_of(0, label, slot))


def test_a_class_without_images_is_left_out_and_said(stepping: GridResult, tmp_path: Path) -> None:
    only_first = {place: rows_of(row.records[:1])[0] for place, row in stepping.found.items()}
    made = replace(stepping, found=only_first)
    said = plots.write_sheet(made, tmp_path / "to", root=tmp_path / "pools")
    assert said == f"{tmp_path}/to/figure4-shapes-sheet.png (no images of: {CLASSES[0]})"


def test_without_the_pool_the_sheet_stays_and_the_command_is_named(
    stepping: GridResult, tmp_path: Path
) -> None:
    path = tmp_path / "records" / "shapes-sheet.png"
    path.parent.mkdir()
    path.write_bytes(b"as committed")
    said = plots.write_sheet(stepping, root=tmp_path / "elsewhere")
    assert path.read_bytes() == b"as committed"
    assert "no pool of 3 steps, seed 0, in the cache" in said
    assert said.endswith("run: python -m benchmark generate generator.steps=3 seed=0")


def test_a_number_of_steps_without_a_record_is_named(stepping: GridResult, tmp_path: Path) -> None:
    lacking = Missing(Cell("50 steps", "", ()), (0, 1), "python -m benchmark run steps=50")
    said = plots.write_sheet(replace(stepping, missing=(lacking,)), root=tmp_path / "pools")
    assert "no record of 50 steps" in said and said.endswith(
        "run: python -m benchmark run steps=50"
    )
    assert not (tmp_path / "records").exists()


def test_a_damaged_picture_is_refused(stepping: GridResult, tmp_path: Path) -> None:
    for path in (tmp_path / "pools").rglob("*.png"):
        if path.parent.parent.name == "images":
            path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="SHA-256"):
        plots.write_sheet(stepping, root=tmp_path / "pools")


def test_only_grids_over_steps_have_sheets() -> None:
    found = [name for name in yaml_names("grid") if grids.load_file(name).x == "steps"]
    assert found == ["figure4"]
