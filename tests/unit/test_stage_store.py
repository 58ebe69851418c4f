"""Stages that runs have in common are trained once, and nothing but the time tells."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.component import Component, Net, Stage, Step, Streams
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.tiny import CASES, MAIN_CASE, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training import fingerprint
from benchmark.training.checkpoints import weights_hash
from benchmark.training.job import Job, Progress, plan_stages
from benchmark.training.stage_store import StageStore, stage_keys
from benchmark.training.train import train


class Second(Component):
    """A second stage for the head, on rows in reverse order."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """One more stage."""
        return [*base, Stage("second", 0.5, train="head", owner=self.name)]

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        """The rows from the last to the first."""
        return Streams(main=torch.arange(len(labels)).flip(0))


class Halved(Component):
    """A loss of half the size, in every stage."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Half of cross-entropy."""
        return torch.nn.functional.cross_entropy(out, labels, reduction="none") / 2


class Tilted(Component):
    """Evaluates something else, which no stage knows of."""

    version = 7

    def deploy(self, net: Net, task: Any) -> torch.nn.Module:
        """The network without its head."""
        return net.backbone


def part(cls: type[Component]) -> Component:
    return cls(cls.Config(), cls.__name__.lower())


def component(name: str, **changes: Any) -> Component:
    cls = COMPONENTS.load(name)
    from benchmark.tiny import Piece

    return Piece(cls, shipped_settings(name) | changes, name).build()


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "stages")


def job(folder: Path, *parts: Component, watch: bool = True, **changes: Any) -> Job:
    stack = Watch(parts) if watch else Stack(parts)
    return tiny_job(stack, folder, **changes)


def keys(made: Job) -> list[str]:
    plans = plan_stages(made.stack, made.rows, made.recipe, made.seed, made.fixed_rows)
    return stage_keys(made, plans)


def run(made: Job) -> tuple[str, Progress, list[str]]:
    """Hash of the final weights, progress, and the stages in which steps were taken."""
    net, progress, _ = train(made)
    assert isinstance(made.stack, Watch)
    return weights_hash(net), progress, list(dict.fromkeys(s.stage.name for s in made.stack.seen))


def test_a_shared_base_stage_gives_the_run_that_trains_it(
    store: StageStore, tmp_path: Path
) -> None:
    alone = run(job(tmp_path / "a", part(Second)))
    first = run(job(tmp_path / "b", shared=store))
    second = run(job(tmp_path / "c", part(Second), shared=store))
    assert first[2] == ["base"] and second[2] == ["second"]
    assert second[0] == alone[0] != first[0]
    assert second[1].shared == ["base"] and alone[1].shared == []
    assert second[1].images == alone[1].images
    assert second[1].stage_seconds[0] == first[1].stage_seconds[0]
    timeless = [
        [{key: row[key] for key in ("stage", "epoch", "step", "loss", "lr")} for row in found]
        for found in (alone[1].history, second[1].history)
    ]
    assert timeless[0] == timeless[1]


def test_a_run_whose_stages_are_all_there_takes_no_step(store: StageStore, tmp_path: Path) -> None:
    first = run(job(tmp_path / "a", part(Second), shared=store))
    again = run(job(tmp_path / "b", part(Second), shared=store))
    assert again[2] == [] and again[0] == first[0]
    assert again[1].shared == ["base", "second"]


def test_what_only_deploys_or_acts_in_other_stages_does_not_matter(tmp_path: Path) -> None:
    plain = keys(job(tmp_path))
    assert keys(job(tmp_path, part(Tilted))) == plain
    assert keys(job(tmp_path, component("ce"))) == plain
    assert keys(job(tmp_path, part(Second)))[:1] == plain


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"recipe": tiny_recipe(steps=21)},
        {"recipe": replace(tiny_recipe(), precision="bf16")},
        {"backbone": replace(tiny_job(Stack(()), Path()).backbone, options={"width": 8})},
        {"task": tiny_task(CASES[MAIN_CASE], added=2)},
        {"compile": True},
    ],
    ids=["seed", "steps", "precision", "backbone", "rows", "compile"],
)
def test_whatever_decides_the_weights_changes_the_key(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    assert keys(job(tmp_path, **changes)) != keys(job(tmp_path))


def test_components_settings_and_pixels_change_the_key(tmp_path: Path) -> None:
    found = [
        keys(job(tmp_path)),
        keys(job(tmp_path, part(Halved))),
        keys(job(tmp_path, component("mixup"))),
        keys(job(tmp_path, component("mixup", alpha=0.5))),
        keys(job(tmp_path, component("mixup"), component("cmo"))),
        keys(job(tmp_path, component("cmo"), component("mixup"))),
    ]
    other = job(tmp_path)
    other.rows.images.buffer[0, 3, 3, 0] += 1
    found.append(keys(other))
    assert len({tuple(each) for each in found}) == len(found)


def test_a_stage_that_names_the_recipes_own_decay_is_the_plain_one(tmp_path: Path) -> None:
    plain = keys(job(tmp_path))
    named = component("weight_balancing", base_weight_decay=tiny_recipe().optimizer.weight_decay)
    other = component("weight_balancing", base_weight_decay=0.1)
    assert keys(job(tmp_path, named))[:1] == plain
    assert keys(job(tmp_path, other))[:1] != plain


def test_a_later_stage_rests_on_the_ones_before(tmp_path: Path) -> None:
    plain = keys(job(tmp_path, part(Second)))
    halved = keys(job(tmp_path, part(Second), part(Halved)))
    assert all(one != other for one, other in zip(plain, halved, strict=True))


def test_a_broken_file_is_replaced(store: StageStore, tmp_path: Path) -> None:
    first = run(job(tmp_path / "a", shared=store))
    (path,) = store.folder.glob("*.pt")
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", whole[:-200] + bytes(200)):
        path.write_bytes(damaged)
        again = run(job(tmp_path / "b", shared=store))
        assert again[0] == first[0] and again[2] == ["base"]
        assert torch.load(path, weights_only=True)["progress"]["history"] != []


def test_a_killed_run_still_leaves_its_stage(store: StageStore, tmp_path: Path) -> None:
    from benchmark.tiny import Stop

    stopped = tiny_job(
        Watch((), stop_at=("base", 9)), tmp_path / "a", shared=store, checkpoint_seconds=0.0
    )
    with pytest.raises(Stop):
        train(stopped)
    resumed = run(job(tmp_path / "a", shared=store))
    assert len(list(store.folder.glob("*.pt"))) == 1
    other = run(job(tmp_path / "b", part(Second), shared=store))
    assert other[2] == ["second"]
    assert other[1].history[:10] == resumed[1].history


def test_a_run_resumed_otherwise_than_it_began_leaves_nothing(
    store: StageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights of two sources are nobody else's beginning."""
    from benchmark.tiny import Stop

    stopped = tiny_job(
        Watch((), stop_at=("base", 9)), tmp_path / "a", shared=store, checkpoint_seconds=0.0
    )
    with pytest.raises(Stop):
        train(stopped)
    monkeypatch.setattr(torch, "__version__", "another")
    assert run(job(tmp_path / "a", shared=store))[2] == ["base"]
    assert list(store.folder.glob("*.pt")) == []
    run(job(tmp_path / "b", shared=store))
    assert len(list(store.folder.glob("*.pt"))) == 1


def test_the_folder_stays_below_its_limit(tmp_path: Path) -> None:
    small = StageStore(tmp_path / "stages", limit=150_000)
    for seed in range(6):
        run(job(tmp_path / str(seed), seed=seed, shared=small))
    sizes = [path.stat().st_size for path in small.folder.glob("*.pt")]
    assert 0 < len(sizes) < 6 and sum(sizes) <= 150_000


def test_source_code_is_part_of_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "somebody"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "helper.py").write_text("VALUE = 1\n")
    (package / "loss.py").write_text("from somebody.helper import VALUE\nimport json\n")
    (package / "other.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    fingerprint.source_hash.cache_clear()
    before = fingerprint.source_hash("somebody.loss")
    (package / "other.py").write_text("X = 2\n")
    fingerprint.source_hash.cache_clear()
    assert fingerprint.source_hash("somebody.loss") == before
    (package / "helper.py").write_text("VALUE = 2\n")
    fingerprint.source_hash.cache_clear()
    assert fingerprint.source_hash("somebody.loss") != before
