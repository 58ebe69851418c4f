"""Every component, and every interesting stack, keeps the harness's promises."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.component import HOOKS, Batch, Component, Net, Stage, Step, Task, fills, linear_net
from benchmark.conformance import CheckResult, check_component, check_stack
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.pairs import SAMPLE, built_in_pieces, pair_problems, stack_problem
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece
from tests.contract.hook_fixtures import Distill, Reason, ScaledHead

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


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPONENTS.names())
def test_every_pair_of_components_trains_or_is_refused(name: str) -> None:
    assert list(pair_problems(shipped(name), built_in_pieces(), sample=1)) == []


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


class HalfBlind(Component):
    """Trains a head of two parts and uses one."""

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """A head with factors."""
        return Net(backbone, ScaledHead(int(backbone.num_features), task.n_classes))  # type: ignore[arg-type]

    def stages(self, base: list[Stage]) -> list[Stage]:
        """A stage for the whole head."""
        return [*base, Stage("polish", train="head", owner=self.name)]

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Without the factors."""
        return nn.functional.cross_entropy(
            net.head.linear(net.features(batch.images)), batch.labels
        )


class Nudges(Component):
    """Moves the frozen backbone between the steps of a stage for the head."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """A stage for the head."""
        return [*base, Stage("nudge", train="head", owner=self.name)]

    @torch.no_grad()
    def after_step(self, net: Net, step: Step) -> None:
        """Shrink the first weight of the backbone."""
        next(net.backbone.parameters()).mul_(0.99)


class LooseNorm(Component):
    """Says that batch norm is frozen, and lets it follow the batches."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """A stage for the head."""
        return [*base, Stage("loose", train="head", batch_norm="eval", owner=self.name)]

    def loss(self, net: Any, batch: Batch, step: Step) -> Tensor:
        """Of the network in training mode."""
        net.train()
        return nn.functional.cross_entropy(net(batch.images), batch.labels)


class DoubledNet(Net):
    """Does more than its head does to its features."""

    def forward(self, images: Tensor) -> Tensor:
        """Twice the head's output."""
        return 2 * self.head(self.features(images))


class Doubles(Component):
    """Builds a network that a stage on stored features would misread."""

    def build(self, backbone: nn.Module, task: Task) -> Net:
        """The plain parts in another order."""
        return DoubledNet(backbone, linear_net(backbone, task).head)


class Shifted(nn.Module):
    """Adds a constant that is no buffer, and so is not saved."""

    def __init__(self, net: nn.Module, shift: Tensor) -> None:
        super().__init__()
        self.net, self.shift = net, shift

    def forward(self, images: Tensor) -> Tensor:
        """Shifted logits."""
        return self.net(images) + self.shift


class DeploysUnsaved(Component):
    """Deploys a module that is more than its saved state."""

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The network and a tensor beside it."""
        return Shifted(net, net.head.weight.detach().sum(1))  # type: ignore[union-attr, operator]


class Counts(Component):
    """Keeps for deployment what it counts in training, where no file has it."""

    def after_step(self, net: Net, step: Step) -> None:
        """One more step."""
        self.steps = getattr(self, "steps", 0) + 1

    def deploy(self, net: Net, task: Task) -> nn.Module:
        """The network and a shift by the number of steps."""
        return Shifted(net, torch.tensor(float(getattr(self, "steps", 0))))


class ExpectsOneStage(Component):
    """Falls over other components' stages instead of saying that they do not go together."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """The one there is."""
        (only,) = base
        return [only]


class RefusesLate(Component):
    """Says no after training has begun."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy, once."""
        if step.index:
            raise UsageError("no more than one step")
        return nn.functional.cross_entropy(out, labels, reduction="none")


class Diverges(Component):
    """A loss that is no number."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Infinity."""
        return nn.functional.cross_entropy(out, labels, reduction="none") / 0


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


class Relative(Component):
    """Weighs every example by how its loss compares with the others' of the batch."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy, times its size beside the mean."""
        losses = nn.functional.cross_entropy(out, labels, reduction="none")
        return losses * (losses / losses.mean()).detach()


class Whole(Component):
    """The same, and says so."""

    needs_whole_batch = True
    criterion = Relative.criterion


REPEATS = "the same seed gives the same trace"
GLOBAL = "global random state is neither read nor changed"
RESUMES = "a killed and resumed run ends with the same weights"
ONLY_THAT = "a step changes what its stage trains and only that"
REACHED = "gradients reach what is trained"
SAVED = "trained stages and the deployed module survive saving and loading"
PIECES = "a batch in pieces teaches what it does whole, or must stay whole"
PAIRS = "stacks with the built-in components, or refuses"


@pytest.mark.parametrize(
    ("cls", "promise"),
    [
        (ReadsGlobalState, GLOBAL),
        (SeedsGlobalState, GLOBAL),
        (Remembers, RESUMES),
        (Orphan, "every added stage names its owner"),
        (Thaws, ONLY_THAT),
        (Nudges, ONLY_THAT),
        (LooseNorm, "batch statistics follow the stage"),
        (Blind, REACHED),
        (HalfBlind, REACHED),
        (Doubles, "the network is its head on its features"),
        (DeploysUnsaved, SAVED),
        (Counts, SAVED),
        (ExpectsOneStage, PAIRS),
        (RefusesLate, PAIRS),
        (BadDeploy, "trains and deploys with 2 classes"),
        (TwoClassesOnly, "trains and deploys with 10 classes"),
        (Relative, PIECES),
        (Rounds, "settings survive a round trip through plain values"),
    ],
)
def test_the_kit_finds_a_broken_promise(cls: type[Component], promise: str) -> None:
    assert failed(check_component(cls, only=[promise])) == {promise}


def test_who_needs_whole_batches_is_believed() -> None:
    assert failed(check_component(Whole, only=[PIECES])) == set()


def test_a_kept_promise_is_not_blamed_for_a_broken_one() -> None:
    promises = [ONLY_THAT, REACHED, SAVED]
    assert failed(check_component(Nudges, only=promises)) == {ONLY_THAT}
    assert failed(check_component(DeploysUnsaved, only=promises)) == {SAVED}


@pytest.mark.parametrize(
    ("cls", "said"),
    [
        (Component, ""),
        (ExpectsOneStage, ""),
        (RefusesLate, "is refused in step 2 only: no more than one step"),
        (Diverges, "Diverged in step 3: The loss became"),
    ],
)
def test_a_stack_that_trains_says_what_is_wrong_with_it(cls: type[Component], said: str) -> None:
    pieces = [Piece(cls, None, "own"), shipped("oversample")]
    problem = stack_problem(pieces, trains=True)
    assert problem.startswith(said) and bool(problem) == bool(said)


def test_a_stack_that_is_refused_in_time_is_sound() -> None:
    clash = [shipped("ldam"), Piece(HalfBlind, None, "own")]
    assert stack_problem(clash, trains=True) == ""


def test_a_pair_is_named_with_what_went_wrong() -> None:
    partners = [shipped("ce"), shipped("retrain_head"), Piece(ExpectsOneStage, None, "own")]
    (problem,) = pair_problems(Piece(ExpectsOneStage, None, "own"), partners, sample=10**9)
    assert problem.startswith("retrain_head + own: ValueError: too many values to unpack")


def test_the_sample_of_pairs_is_fixed_and_in_proportion() -> None:
    own = Piece(RefusesLate, None, "own")
    partners = [Piece(Component, None, f"partner {number}") for number in range(400)]
    (first, *found) = pair_problems(own, partners)
    assert 0.5 < SAMPLE * (1 + len(found)) / len(partners) < 2
    assert first == next(pair_problems(own, partners))


def test_reading_global_state_is_not_blamed_on_the_seed() -> None:
    assert failed(check_component(ReadsGlobalState, only=[REPEATS, GLOBAL])) == {GLOBAL}


def test_a_result_reads_as_one_line() -> None:
    assert str(CheckResult("it works", False, "it did not")) == "FAIL it works: it did not"
    assert str(CheckResult("it works", True)) == "ok   it works"


def test_settings_may_be_an_object_or_plain_values() -> None:
    settings: list[Any] = [Distill.Config(queue=32), {"queue": 32}]
    built = [Piece(Distill, given, "distill").build().config for given in settings]
    assert built[0] == built[1] == Distill.Config(queue=32)
