"""Other images of one's own under an old name are another experiment, never a finished one."""

import shutil
from pathlib import Path

import pytest

from benchmark import api
from benchmark.data.store import folder_of
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.verbs.finished import finished, remember
from tests.unit.test_data_sets import make, png, write_zip

WORDS = ("method=ce", "dataset=folder", "dataset.root_name=birds", "dataset.size=8",
         "backbone=resnet8", "recipe.steps.unit=iterations", "recipe.steps.amount=2",
         "progress=false", "seed=0")  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def prepare(folder: Path, level: int) -> None:
    """Two classes of grey images; whatever was prepared under the name before is gone."""
    data = make("folder", size=8, root_name="birds")
    for store in folder_of("").glob("folder-birds-*"):
        shutil.rmtree(store)
    files = {f"{name}/{row}.png": png(8, level + row) for name in "ab" for row in range(10)}
    data.prepare(write_zip(folder / f"{level}.zip", files), progress=False)


def test_new_images_are_a_new_experiment_and_old_ones_the_old(tmp_path: Path) -> None:
    prepare(tmp_path, 10)
    first = api.run(*WORDS)
    remember(WORDS)
    assert finished(WORDS) == first
    prepare(tmp_path, 90)
    assert finished(WORDS) is None
    second = api.run(*WORDS)
    assert second.experiment.hash != first.experiment.hash
    assert second.dataset.split.source_hash != first.dataset.split.source_hash
    prepare(tmp_path, 10)
    assert resolve(settings(WORDS)).hash == first.experiment.hash
    assert first.experiment.config["content"] == first.dataset.split.source_hash


def test_data_that_everybody_has_alike_is_named_by_its_settings() -> None:
    assert "content" not in resolve(settings(["method=ce"])).science
