"""What every shipped YAML file configures runs for two steps.

That each composes is tested in tests/unit/test_compose.py.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark import api
from benchmark.component import Stage
from benchmark.errors import DataError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.generation.trainer.settings import trainer_config
from benchmark.grid import grids
from benchmark.grid.grid_run import is_grid, merged, read
from benchmark.models import build_backbone
from benchmark.paths import config_dir
from benchmark.recording.records import Record
from benchmark.registry import yaml_names
from benchmark.vocabulary.source import yaml_head
from tests.fixtures.documents import commands
from tests.unit.test_data_sets import TINY, WNIDS, tree, write_zip

FILES = sorted(config_dir().rglob("*.yaml"))
SHORT = ("recipe.steps.unit=iterations", "recipe.steps.amount=2", "progress=false", "threads=1")
# one pool of few and bad images serves all
DIGITS = ("dataset=digitslt", "pool_seed=0", "generator.steps=2", *SHORT)
FEW = ("budget=uniform", "budget.amount=4")
BUDGETS = {
    "none": (),
    "auto": ("dataset.imbalance=1.1",),
    "tail": ("budget.amount=4",),
    "uniform": ("budget.amount=4",),
    "add": ("budget.amount=2", "budget.keep_real=0"),
    "list": ("budget.counts=[1,2,0,3,0,1,2,0,0,1]",),
    "replace": (),
}
# a fit of a few steps goes the way of a long one
SHORTER = {"distribution_fitting": ("method.distribution_fitting.steps=3",)}
# a limit that few images keep to; a data set that is at hand
LESS = {"budget": ("budget.limit_calls=200",), "own_generator": ("dataset=digitslt",)}
# images as each network is meant for; resnet50 takes 224 pixels, but does not mind fewer
SIZES = {"resnet18": 64, "resnet50": 64, "timm": 64}
DATA = os.environ.get("SYNAUG_BENCH_TEST_DATA")

Run = Callable[..., Record]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run on digits for two steps, with changes."""

    def call(*words: str) -> Record:
        return api.run(*DIGITS, f"out={tmp_path / 'runs'}", *words)

    return call


def sound(record: Record) -> None:
    assert record.status == "finished"
    assert 0 <= record.metrics.accuracy <= 1
    assert record.metrics.nll > 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_dir())))
def test_a_file_begins_with_a_line_about_itself(path: Path) -> None:
    assert 20 <= len(yaml_head(path).summary) <= 100


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(config_dir())))
def test_the_command_of_a_file_can_be_given(path: Path) -> None:
    note = yaml_head(path).notes.get("command", "").partition(" (")[0]
    for verb, *words in commands(note):
        if is_grid(words):
            assert read(words).cells
            continue
        if words[:1] == ["fit"]:
            own = [word for word in words if word.startswith("fit=")]
            assert trainer_config(own).name == path.stem
            assert settings([word for word in words[2:] if word not in own]).dataset
            continue
        found = settings([word for word in words if not word.startswith(("source=", "split="))])
        if verb != "prepare":
            assert resolve(found).label


def supplied(method: str) -> bool:
    return resolve(settings(["dataset=digitslt", f"method={method}"])).request is not None


def runnable(method: str) -> str:
    """The method, behind a supply of images where a stage of it trains on added rows alone."""
    stages = settings(["dataset=digitslt", f"method={method}"]).stack.stages([Stage("base")])
    return f"[t2i,{method}]" if any(stage.rows.origin == "added" for stage in stages) else method


@pytest.mark.parametrize("method", yaml_names("method"))
def test_a_method_runs(method: str, run: Run) -> None:
    shorter = SHORTER.get(method, ())
    method = runnable(method)
    record = run(f"method={method}", *((*FEW, *shorter) if supplied(method) else ()))
    sound(record)
    counts = record.dataset
    assert set(counts.counts_train) == ({4} if supplied(method) else set(counts.counts_real))


@pytest.mark.parametrize("budget", yaml_names("budget"))
def test_a_budget_runs(budget: str, run: Run) -> None:
    record = run("method=t2i", f"budget={budget}", *BUDGETS[budget])
    sound(record)
    alike = budget in ("none", "replace")
    assert (record.dataset.counts_train == record.dataset.counts_real) == alike
    assert any(record.budget.add) == (budget != "none")


# those two ask for more of the head class than there is
@pytest.mark.parametrize("budget", sorted(set(yaml_names("budget")) - {"add", "replace"}))
def test_a_budget_of_held_out_images_runs(budget: str, run: Run) -> None:
    sound(run("method=heldout_real", f"budget={budget}", *BUDGETS[budget]))


def test_a_head_class_has_no_held_out_images_left(run: Run) -> None:
    with pytest.raises(DataError, match="Expected 2 held-out images of class 'two', but got 0"):
        run("method=heldout_real", "budget=add", *BUDGETS["add"])


def test_a_method_without_a_supply_runs_on_fewer_real_images(run: Run) -> None:
    record = run("method=ldam", "budget=none", "budget.keep_real=3")
    assert max(record.dataset.counts_train) == 3


@pytest.mark.parametrize("recipe", yaml_names("recipe"))
def test_a_recipe_runs(recipe: str, run: Run) -> None:
    record = run("method=[mixup,drw]", f"recipe={recipe}")
    sound(record)
    assert record.experiment.config["recipe"]["name"] == recipe


@pytest.mark.parametrize("name", yaml_names("grid"))
def test_a_cell_of_a_grid_runs(name: str, run: Run) -> None:
    *_, last = grids.cells(grids.load(name))
    sound(run(*merged(last.words, ("generator.steps=2", *LESS.get(name, ())))))


@pytest.mark.parametrize("rows", ["heldout", "test"])
def test_rows_can_be_scored(rows: str, run: Run) -> None:
    sound(run("method=ce", f"score_on={rows}"))


@pytest.mark.parametrize("name", yaml_names("backbone"))
def test_a_backbone_learns_at_its_size(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = build_backbone(settings([f"backbone={name}"]).backbone)
        images = torch.rand(2, 3, SIZES.get(name, 32), SIZES.get(name, 32))
    features = net(images)
    assert features.ndim == 2 and features.shape[1] == net.num_features
    features.square().mean().backward()
    assert all(part.grad is not None for part in net.parameters())


# data sets, from an archive to a record

SOURCES = {
    "folder": (
        ("dataset.size=8", "dataset.root_name=shapes", "dataset.val=none"),
        {f"{name}/{row}.png": data for name, count in (("disc", 30), ("bar", 6), ("dot", 2))
         for row, data in enumerate(tree({"x": count}, [name]).values())},
    ),
    "tinyimagenetlt": (
        [f"dataset.{key}={value}" for key, value in TINY.items()],
        tree({"train": 6, "val": 2}, WNIDS),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("method", ["ce", "t2i", "synaug"])
def test_a_data_set_goes_from_an_archive_to_a_record(
    name: str, method: str, tmp_path: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    words, files = SOURCES[name]
    words = (f"dataset={name}", *words)
    api.prepare(*words, "progress=false", source=write_zip(tmp_path / "images.zip", files))
    # these made-up classes are in no modifier set but the general one
    few = ("budget=add", "budget.amount=1", "modifiers=general") if method != "ce" else ()
    record = run(*words, "backbone=resnet8", f"method={method}", *few)
    sound(record)
    assert len(record.dataset.classes) == 3
    # the embedded generator was taught digits; names of one letter may be anything
    if name == "folder":
        assert ("was taught no word of" in capsys.readouterr().err) == bool(few)


@pytest.mark.skipif(not DATA, reason="CIFAR is checked for its official counts; "
                    "SYNAUG_BENCH_TEST_DATA names a folder that holds it")  # fmt: skip
@pytest.mark.parametrize("name", ["cifar10lt", "cifar100lt"])
def test_cifar_goes_from_an_archive_to_a_record(name: str, run: Run) -> None:
    source = Path(str(DATA)) / f"{name.removesuffix('lt')}.zip"
    if not source.exists():
        pytest.skip(f"{source.name} is not in SYNAUG_BENCH_TEST_DATA")
    api.prepare(f"dataset={name}", "progress=false", source=str(source))
    sound(run(f"dataset={name}", "backbone=resnet8", "method=[ldam,drw]"))
