"""Every component, and every interesting stack, keeps the harness's promises."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.component import HOOKS, Batch, Component, Net, Stage, Step, Task, fills
from benchmark.conformance import CheckResult, check_component, check_stack
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece
from tests.contract.hook_fixtures import Distill, Reason

STACKS = [
    ["ldam", "drw"],
    ["ldam", "drw", "cmo"],
    ["t2i", "domain_mixup", "retrain_head"],
    ["mixup", "cmo"],
    ["oversample", "cmo"],
    ["retrain_head", "ldam", "drw"],
    ["t2i", "fake_to_real", "ldam", "drw", "cmo", "retrain_head"],
    ["t2i", "origin_weights", "domain_mixup", "ldam", "drw", "cmo", "retrain_head"],
    ["t2i", "origin_batch_norm", "mixup", "ldam", "drw", "retrain_head"],
    ["t2i", "fake_to_real", "origin_weights", "origin_batch_norm"],
    ["balanced_softmax", "cmo"],
    ["focal", "cmo"],
    ["remix", "cutmix", "class_balanced"],
    ["progressive_sampling", "drw", "cmo"],
    ["t2i", "domain_mixup", "retrain_head", "class_balanced"],
    ["t2i", "domain_mixup", "retrain_head", "label_smoothing", "drw", "cutmix"],
    ["t2i", "domain_mixup", "retrain_head", "logit_adjustment", "logit_adjustment_posthoc"],
    ["ldam", "drw", "logit_adjustment_posthoc"],
]


def failures(results: list[CheckResult]) -> list[str]:
    return [str(result) for result in results if not result.passed]


def failed(results: list[CheckResult]) -> set[str]:
    return {result.name for result in results if not result.passed}


def shipped(name: str) -> Piece:
    return Piece(COMPONENTS.load(name), shipped_settings(name), name)


@pytest.mark.parametrize("name", COMPONENTS.names())
def test_a_component_keeps_its_promises(name: str) -> None:
    assert failures(check_component(COMPONENTS.load(name), shipped_settings(name), name)) == []


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_a_stack_keeps_its_promises(names: list[str]) -> None:
    assert failures(check_stack([shipped(name) for name in names])) == []


@pytest.mark.parametrize("loss", ["sigmoid", "focal"])
@pytest.mark.parametrize("others", [["cmo"], ["remix", "retrain_head"]], ids="+".join)
def test_a_binary_loss_a_class_takes_what_others_do(loss: str, others: list[str]) -> None:
    plain = shipped("class_balanced")
    changed = Piece(plain.cls, plain.config | {"loss": loss}, plain.name)
    assert failures(check_stack([changed, *map(shipped, others)])) == []


@pytest.mark.parametrize("cls", [Distill, Reason])
def test_a_demanding_method_fits_the_hooks(cls: type[Component]) -> None:
    assert failures(check_component(cls)) == []


def test_demanding_methods_stack_with_head_retraining() -> None:
    pieces = [Piece(Reason, None, "reason"), shipped("retrain_head")]
    # in the re-training stage the loss of Reason still holds: it fills ``loss``
    assert failures(check_stack(pieces)) == []


def test_the_proof_fills_all_thirteen_hooks() -> None:
    zoo = [shipped(name).build() for name in ("t2i", "ldam", "drw", "cmo")]
    proof = [Piece(Distill, None, "distill").build(), Piece(Reason, None, "reason").build()]
    filled = {hook for part in zoo + proof for hook in HOOKS if fills(part, hook)}
    assert len(HOOKS) == 13
    assert filled == set(HOOKS)


# the kit must be able to say no


class ReadsGlobalState(Component):
    """Draws from NumPy's global generator."""

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        """Noise from the wrong place."""
        noise = float(np.random.rand())
        return batch.mixed(batch.images + noise, (), torch.tensor(1.0))


class SeedsGlobalState(Component):
    """Reseeds Python's global generator."""

    def after_step(self, net: Net, step: Step) -> None:
        """A bad habit."""
        random.seed(0)


class Remembers(Component):
    """Keeps a number in a Python attribute that a checkpoint does not hold."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """A loss that shrinks with each call."""
        self.calls = getattr(self, "calls", 0) + 1
        return nn.functional.cross_entropy(out, labels, reduction="none") / self.calls


class Orphan(Component):
    """Adds a stage without an owner."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """One more."""
        return [*base, Stage("more")]


class Thaws(Component):
    """Moves the backbone in a stage that says it trains the head."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """A head stage."""
        return [Stage("thaw", train="head", owner=self.name)]

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """Shrink a frozen weight on the way."""
        with torch.no_grad():
            next(net.backbone.parameters()).mul_(0.99)
        return nn.functional.cross_entropy(net(batch.images), batch.labels)


class Blind(Component):
    """Its loss does not depend on the images, so nothing reaches the backbone."""

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        """Of the head alone."""
        features = net.features(batch.images).detach()
        return nn.functional.cross_entropy(net.head(features), batch.labels)


class BadDeploy(Component):
    """Deploys something that is not finite."""

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """Divide by nothing."""
        return nn.Sequential(net, nn.Threshold(1e9, float("nan")))


class TwoClassesOnly(Component):
    """Builds for two classes whatever the task is."""

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """A head of two."""
        return Net(backbone, nn.Linear(int(backbone.num_features), 2))  # type: ignore[arg-type]


class Rounds(Component):
    """Its settings change when they are written down and read again."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings."""

        level: int = 0

        def __post_init__(self) -> None:
            object.__setattr__(self, "level", self.level + 1)


REPEATS = "the same seed gives the same trace"
GLOBAL = "global random state is neither read nor changed"
RESUMES = "a killed and resumed run ends with the same weights"


@pytest.mark.parametrize(
    ("cls", "promise"),
    [
        (ReadsGlobalState, GLOBAL),
        (SeedsGlobalState, GLOBAL),
        (Remembers, RESUMES),
        (Orphan, "every added stage names its owner"),
        (Thaws, "a step changes what its stage trains and only that"),
        (Blind, "gradients reach what is trained"),
        (BadDeploy, "trains and deploys with 2 classes"),
        (TwoClassesOnly, "trains and deploys with 10 classes"),
        (Rounds, "settings survive a round trip through plain values"),
    ],
)
def test_the_kit_finds_a_broken_promise(cls: type[Component], promise: str) -> None:
    assert failed(check_component(cls, only=[promise])) == {promise}


def test_reading_global_state_is_not_blamed_on_the_seed() -> None:
    assert failed(check_component(ReadsGlobalState, only=[REPEATS, GLOBAL])) == {GLOBAL}


def test_a_result_reads_as_one_line() -> None:
    assert str(CheckResult("it works", False, "it did not")) == "FAIL it works: it did not"
    assert str(CheckResult("it works", True)) == "ok   it works"


def test_settings_may_be_an_object_or_plain_values() -> None:
    settings: list[Any] = [Distill.Config(queue=32), {"queue": 32}]
    built = [Piece(Distill, given, "distill").build().config for given in settings]
    assert built[0] == built[1] == Distill.Config(queue=32)
