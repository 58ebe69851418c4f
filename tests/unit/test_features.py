"""Stages on features computed once: the same training where nothing is augmented."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.component import Batch, Component, Net, Stage, Step, Streams
from benchmark.config import AugmentationConfig
from benchmark.errors import UsageError
from benchmark.stack import Stack
from benchmark.tiny import Stop, Watch, tiny_job, tiny_recipe
from benchmark.training.train import train


class Head(Component):
    """A head stage on cached or live features."""

    @dataclass(frozen=True)
    class Config:
        """Settings."""

        passes: int = 0
        batch_norm: Any = "eval"
        train: str = "head"
        rests: frozenset[str] = frozenset({"mix"})

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The base stage and the head's."""
        config = self.config
        return [
            *base,
            Stage(
                "second", 0.5, train=config.train, batch_norm=config.batch_norm, owner=self.name,
                cached_passes=config.passes, plain=config.rests,
            ),
        ]  # fmt: skip


class Mixes(Component):
    """Blends a batch with itself."""

    def mix(self, batch: Batch, aux: Batch | None, *_: Any) -> Batch:
        """Half of each."""
        return batch.mixed(batch.images, batch.targets, torch.tensor(0.5))


def head(**settings: Any) -> Head:
    return Head(Head.Config(**settings), "head")


def weights(net: Net) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in net.state_dict().items()}


PLAIN = tiny_recipe(augmentation=AugmentationConfig(pad=0, flip=0.0))


def test_without_augmentation_cached_features_train_the_same_head(tmp_path: Path) -> None:
    found = []
    for passes in (0, 1):
        watch = Watch((head(passes=passes),))
        net, _, _ = train(tiny_job(watch, tmp_path / str(passes), recipe=PLAIN))
        found.append((watch.trace, weights(net)))
    # features of a batch of 32 and of all rows at once differ in their last bits
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)


def test_passes_take_turns_and_differ_by_their_augmentation(tmp_path: Path) -> None:
    seen: dict[int, list[Tensor]] = {}

    class Looks(Component):
        """Notes the features of each epoch, in order of rows."""

        def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
            """Rows in order."""
            return Streams(main=torch.arange(len(labels)))

        def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
            """Cross-entropy; the output stands for the features, as the rate is zero."""
            if step.stage.name == "second":
                seen.setdefault(step.epoch, []).append(out.detach().clone())
            return torch.nn.functional.cross_entropy(out, labels, reduction="none")

    parts = (head(passes=2), Looks(None, "looks"))
    frozen = tiny_recipe(optimizer=tiny_recipe().optimizer.__class__(
        name="sgd", lr=1e-30, momentum=0.0, weight_decay=0.0, nesterov=False))  # fmt: skip
    train(tiny_job(Stack(parts), tmp_path, recipe=frozen))
    epochs = {epoch: torch.cat(found) for epoch, found in seen.items()}
    assert len(epochs) >= 4
    assert torch.equal(epochs[0], epochs[2]) and torch.equal(epochs[1], epochs[3])
    assert not torch.equal(epochs[0], epochs[1])


def test_a_killed_stage_goes_on_with_the_same_features(tmp_path: Path) -> None:
    whole, _, _ = train(tiny_job(Stack((head(passes=3),)), tmp_path / "whole"))
    killed = Watch((head(passes=3),), stop_at=("second", 6))
    with pytest.raises(Stop):
        train(tiny_job(killed, tmp_path / "killed", checkpoint_seconds=0.0))
    resumed, _, _ = train(tiny_job(Stack((head(passes=3),)), tmp_path / "killed"))
    assert all(torch.equal(a, b) for a, b in
               zip(weights(whole).values(), weights(resumed).values(), strict=True))  # fmt: skip


@pytest.mark.parametrize(
    "parts",
    [
        (head(passes=1, batch_norm="train"),),
        (head(passes=1, train="all"),),
        (head(passes=1, train="backbone"),),
        (head(passes=1, rests=frozenset()), Mixes(None, "mixes")),
    ],
)
def test_what_needs_images_is_refused(parts: tuple[Component, ...]) -> None:
    with pytest.raises(UsageError, match=r"features computed once.*cached_passes=0"):
        Stack(parts)


def test_mixing_that_rests_in_the_stage_is_fine(tmp_path: Path) -> None:
    watch = Watch((head(passes=1), Mixes(None, "mixes")))
    train(tiny_job(watch, tmp_path))
    assert {step.stage.name for step in watch.seen} == {"base", "second"}
