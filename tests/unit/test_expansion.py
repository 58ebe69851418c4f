"""Facts of command lines: right, remembered, and thrown away when they may be wrong."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmark.experiments import expansion
from benchmark.experiments.compose import settings
from benchmark.experiments.expansion import Expansions, Facts, Refused, expand_all
from benchmark.experiments.experiment import resolve
from benchmark.recording import records
from benchmark.system.files import write_sealed
from tests.conftest import ROOT
from tests.fixtures.grids import make_facts

CE = ("dataset=digitslt", "method=ce")
SYNAUG = ("method=synaug", "recipe.steps.amount=2")


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Facts]:
    with Expansions(tmp_path_factory.mktemp("facts")) as known:
        return lambda *words: known.facts(words)


@pytest.mark.parametrize("words", [CE, SYNAUG, ("method=t2i", "budget=add", "budget.amount=7")])
def test_facts_are_those_of_the_experiment(
    words: tuple[str, ...], facts: Callable[..., Facts]
) -> None:
    found, experiment = facts(*words), resolve(settings(words))
    assert found.hash == experiment.hash
    assert Path("runs") / found.folder / "s0" == experiment.folder
    assert (found.label, found.dataset) == (experiment.label, experiment.dataset_name)
    assert found.add == (experiment.allocation.add if experiment.request else ())
    assert found.images == sum(experiment.allocation.add)
    assert found.calls + found.fit_calls == experiment.predicted.calls
    assert found.pool_a_seed == bool(experiment.request)


@pytest.mark.parametrize("label", ["ce", "synaug", "weight_balancing", "crt", "ride_cmo"])
def test_steps_are_those_that_a_run_takes(label: str, facts: Callable[..., Facts]) -> None:
    path = next((ROOT / "leaderboards" / "records" / "digitslt").glob(f"{label}/*/s0/record.json"))
    record = records.load(path)
    found = facts(*record.experiment.overrides)
    assert (found.hash, found.steps) == (record.experiment.hash, record.recipe.steps_total)
    assert found.images == sum(record.budget.add)


def test_what_draws_the_same_images_shares_a_pool(facts: Callable[..., Facts]) -> None:
    ours, plain = facts(*SYNAUG), facts("method=t2i", "budget=add", "budget.amount=7")
    assert ours.pool == plain.pool != ""
    assert facts("method=t2i", "generator.steps=3").pool != ours.pool
    assert facts("method=t2i", "method.t2i.modifiers=none").pool != ours.pool
    assert facts(*CE).pool == "" and facts(*CE).images == 0
    fixed = facts("method=t2i", "pool_seed=1")
    assert not fixed.pool_a_seed and fixed.pool != ours.pool


def test_facts_outlive_the_process_without_torch(tmp_path: Path) -> None:
    with Expansions(tmp_path) as known:
        first = known.facts(CE)
    code = (
        "import sys, json; from pathlib import Path; from dataclasses import asdict;"
        "from benchmark.experiments.expansion import Expansions;"
        f"known = Expansions(Path({str(tmp_path)!r})); words = {CE!r};"
        "print(json.dumps([known.knows(words), asdict(known.facts(words)),"
        "[name for name in ('torch', 'hydra', 'numpy', 'scipy') if name in sys.modules]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=tmp_path,
    )  # fmt: skip
    knows, values, heavy = json.loads(done.stdout)
    assert knows and heavy == []
    assert Facts(**values | {"add": tuple(values["add"])}) == first


def stored(folder: Path, key: str, facts: dict[str, object]) -> Expansions:
    write_sealed(folder / "expansions.json", {"key": key, "facts": facts})
    return Expansions(folder)


def test_facts_of_another_state_are_not_taken(tmp_path: Path) -> None:
    line = json.dumps(list(CE))
    known = {line: asdict(make_facts())}
    assert stored(tmp_path, expansion.state(), known).knows(CE)
    assert not stored(tmp_path, "another", known).knows(CE)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"key": KEY}', '{"key": KEY, "facts": 3}', '{"key": KEY, "facts": []}',
     '{"key": KEY, "facts": {"[]": 3}}', '{"key": KEY, "facts": {"[]": {"hash": "x"}}}',
     '{"key": KEY, "facts": {"[]": {"add": 3}}}', "\x00\xff"],
)  # fmt: skip
def test_a_damaged_cache_is_made_again(text: str, tmp_path: Path) -> None:
    path = tmp_path / "expansions.json"
    path.write_bytes(text.replace("KEY", json.dumps(expansion.state())).encode("latin-1"))
    with Expansions(tmp_path) as known:
        assert not known.knows([])
        known._known[json.dumps(["a"])] = make_facts()
        known._changed = True
    assert Expansions(tmp_path).knows(["a"])


def test_a_cache_that_cannot_be_written_costs_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Expansions(tmp_path / "file") as known:
        assert known.facts(CE).label == "ce"


def test_two_processes_keep_what_both_found(tmp_path: Path) -> None:
    first, second = Expansions(tmp_path), Expansions(tmp_path)
    for known, name in ((first, "a"), (second, "b")):
        known._known[json.dumps([name])] = make_facts(name)
        known._changed = True
        known.__exit__()
    found = Expansions(tmp_path)
    assert found.knows(["a"]) and found.knows(["b"])


# what the state follows from


def copied(tmp_path: Path) -> Path:
    """The suite's source and configurations in a folder of their own."""
    for name in ("benchmark", "baselines", "synaug", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def state(root: Path) -> str:
    code = "from benchmark.experiments import expansion; print(expansion.state())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "SYNAUG_BENCH_CACHE": str(root / "cache")},
    )  # fmt: skip
    return done.stdout.strip()


def test_a_change_of_source_configurations_or_data_is_noticed(tmp_path: Path) -> None:
    root = copied(tmp_path)
    before = state(root)
    assert state(root) == before

    def changed(path: str, text: str = "\n") -> bool:
        nonlocal before
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)
        now, old = state(root), before
        before = now
        return now != old

    assert changed("baselines/ldam.py")
    assert changed("benchmark/generation/budget.py")
    assert changed("benchmark/data/sets/folder.py")
    assert changed("configs/recipe/digits.yaml")
    assert changed("synaug/modifiers/general.yaml")
    assert changed("cache/data/folder-birds/store.json")
    # neither how grids are laid out nor how results are shown decides an experiment
    assert not changed("configs/grid/table1.yaml")
    assert not changed("benchmark/report/grid_page.py")


def test_lines_that_cannot_be_run_are_told_from_the_others(tmp_path: Path) -> None:
    lines = [CE, ("method=ce", "budget=add", "budget.amount=1"), ("method=cee",)]
    with Expansions(tmp_path) as known:
        found = expand_all(lines, known)
    assert isinstance(found[CE], Facts)
    refusals = [found[line] for line in lines[1:]]
    assert all(isinstance(each, Refused) for each in refusals)
    assert "did you mean" in str(refusals[1].error)  # type: ignore[union-attr]
