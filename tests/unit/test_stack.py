"""How hooks combine: clashes, order, owners, streams, losses."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.component import (
    HOOKS,
    Batch,
    Component,
    ImageRequest,
    Net,
    Stage,
    Step,
    Streams,
    Task,
    TrainingRows,
    cross_entropy,
)
from benchmark.errors import UsageError
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Heldout
from benchmark.stack import SINGLE, Stack, blended_loss
from benchmark.tiny import tiny_recipe, tiny_task

CPU = torch.device("cpu")
TASK = tiny_task((4, 2, 1))


class Everything(Component):
    """Fills single hooks with something recognisable."""

    def request_images(self, task: Task) -> ImageRequest:
        return ImageRequest("web", Heldout(), Budget(kind="uniform"), knowledge=(self.name,))

    def views(self, recipe: Any) -> tuple[str, ...]:
        return ("weak", "plain")

    def build(self, backbone: nn.Module, task: Task) -> Net:
        return Net(backbone, nn.Identity())

    def deploy(self, net: Net, task: Task) -> nn.Module:
        return nn.Identity()

    def class_weights(self, step: Step) -> Tensor:
        return torch.ones(3)

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        return torch.full((len(labels),), 7.0)


class OwnLoss(Component):
    accepts_mix = False

    def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
        return torch.tensor(3.0)


class MixesToo(Component):
    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        CALLS.append((self.name, float(torch.rand(1, generator=step.rng(f"mix/{self.name}")))))
        return batch


class Late(Component):
    """Owns a last stage and acts in it alone."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        return [*base, Stage(self.name, owner=self.name, plain=frozenset({"mix"}))]

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        return torch.full((len(labels),), 11.0)

    def after_step(self, net: Net, step: Step) -> None:
        CALLS.append((self.name, 0.0))

    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        return Streams(main=torch.zeros(2, dtype=torch.long))


class Follows(Component):
    """Acts in every stage, at every occasion."""

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        CALLS.append((f"{self.name} start", 0.0))

    def after_step(self, net: Net, step: Step) -> None:
        CALLS.append((f"{self.name} step", 0.0))

    def end_epoch(self, net: Net, rows: TrainingRows, step: Step) -> None:
        CALLS.append((f"{self.name} epoch", 0.0))


class Main(Component):
    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        return Streams(main=torch.ones(2, dtype=torch.long))


class Aux(Component):
    def streams(self, step: Step, labels: Tensor, rng: torch.Generator) -> Streams:
        return Streams(aux=torch.full((2,), 2))


class Weighted(Component):
    def class_weights(self, step: Step) -> Tensor:
        return torch.tensor([1.0, 2.0, 5.0])


class WeightedByBatch(Component):
    reduction = "batch_mean"

    def class_weights(self, step: Step) -> Tensor:
        return torch.tensor([1.0, 2.0, 5.0])


CALLS: list[tuple[str, float]] = []


@pytest.fixture(autouse=True)
def _clean() -> None:
    CALLS.clear()


def named(cls: type[Component], name: str) -> Component:
    return cls(cls.Config(), name)


def only(hook: str, name: str) -> Component:
    """A component that fills one single hook."""
    source = OwnLoss if hook == "loss" else Everything
    cls = type(name.title(), (Component,), {hook: getattr(source, hook)})
    return named(cls, name)


def stack(*parts: Component) -> Stack:
    return Stack(parts)


def step(stage: Stage | None = None) -> Step:
    return Step(stage or Stage("base"), TASK, 0, 1, 0, 1, 0, CPU)


def batch(targets: Any = None) -> Batch:
    labels = torch.tensor([0, 1, 2, 1])
    given = targets or ((labels, torch.ones(4)),)
    return Batch(torch.zeros(4, 3, 8, 8), given, torch.zeros(4, dtype=torch.uint8), labels)


LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("hook", SINGLE)
def test_two_fillers_of_a_single_hook_are_refused_by_name(hook: str) -> None:
    with pytest.raises(UsageError, match=f"'one' and 'two' cannot be stacked.*'{hook}'"):
        stack(only(hook, "one"), only(hook, "two"))


@pytest.mark.parametrize("hook", ["build", "deploy", "views", "request_images"])
def test_a_component_that_owns_every_stage_still_clashes(hook: str) -> None:
    class Owner(Component):
        def stages(self, base: list[Stage]) -> list[Stage]:
            return [Stage("mine", owner=self.name)]

    setattr(Owner, hook, getattr(Everything, hook))
    with pytest.raises(UsageError, match="'owner' and 'other'"):
        stack(named(Owner, "owner"), only(hook, "other"))


def test_a_component_stands_once_in_a_stack() -> None:
    with pytest.raises(UsageError, match="'same' stands twice"):
        stack(named(Main, "same"), named(Aux, "same"))


@pytest.mark.parametrize("other", [only("criterion", "other"), only("class_weights", "other"),
                                   named(MixesToo, "other")])  # fmt: skip
def test_what_an_own_loss_would_ignore_is_refused(other: Component) -> None:
    with pytest.raises(UsageError, match="'own' brings its own loss and would ignore 'other'"):
        stack(other, named(OwnLoss, "own"))


def test_a_loss_that_accepts_mixed_targets_may_be_mixed() -> None:
    class Tolerant(Component):
        def loss(self, net: Net, batch: Batch, step: Step) -> Tensor:
            return torch.tensor(3.0)

    made = stack(named(MixesToo, "mixes"), named(Tolerant, "tolerant"))
    assert float(made.loss(nn.Identity(), batch(), step())) == 3  # type: ignore[arg-type]


def test_an_empty_stack_is_plain_cross_entropy() -> None:
    empty = stack()
    got = blended_loss(empty, LOGITS, batch(), step())
    torch.testing.assert_close(got, functional.cross_entropy(LOGITS, batch().labels))
    assert empty.views(tiny_recipe()) == ("weak",)
    assert empty.request_images(TASK) is None
    assert [stage.name for stage in empty.stages([Stage("base")])] == ["base"]
    assert not empty.mixes(Stage("base"))
    assert empty.streams(step(), batch().labels, torch.Generator()) == Streams()


def test_single_hooks_come_from_the_component_that_fills_them() -> None:
    made = stack(named(MixesToo, "mixes"), named(Everything, "all"))
    assert made.views(tiny_recipe()) == ("weak", "plain")
    request = made.request_images(TASK)
    assert request is not None
    assert request.knowledge == ("all",)
    assert isinstance(made.deploy(Net(nn.Identity(), nn.Identity()), TASK), nn.Identity)
    assert float(blended_loss(made, LOGITS, batch(), step())) == 7


def test_the_owner_of_a_stage_comes_first_there_and_rests_elsewhere() -> None:
    made = stack(named(Everything, "all"), named(Late, "late"))
    base, late = made.stages([Stage("base")])
    assert float(made.criterion(LOGITS, batch().labels, step(base))[0]) == 7
    assert float(made.criterion(LOGITS, batch().labels, step(late))[0]) == 11


@pytest.mark.parametrize("flip", [False, True])
def test_stack_order_does_not_change_who_owns_a_stage(flip: bool) -> None:
    parts = [named(Late, "late"), named(Main, "main")]
    made = stack(*(parts[::-1] if flip else parts))
    base, late = made.stages([Stage("base")])
    labels = batch().labels
    assert made.streams(step(late), labels, torch.Generator()).main.tolist() == [0, 0]  # type: ignore[union-attr]
    assert made.streams(step(base), labels, torch.Generator()).main.tolist() == [1, 1]  # type: ignore[union-attr]


def test_plain_hooks_fall_back_to_their_defaults_in_a_stage() -> None:
    made = stack(named(MixesToo, "mixes"), named(Late, "late"))
    base, late = made.stages([Stage("base")])
    assert made.mixes(base)
    assert not made.mixes(late)
    assert made.mix(batch(), None, step(late)).targets[0][1].tolist() == [1] * 4
    assert CALLS == []


def test_mixes_run_in_stack_order_each_with_its_own_stream() -> None:
    made = stack(named(MixesToo, "b"), named(MixesToo, "a"))
    made.mix(batch(), None, step())
    assert [name for name, _ in CALLS] == ["b", "a"]
    assert CALLS[0][1] != CALLS[1][1]
    draw = CALLS[1][1]
    CALLS.clear()
    stack(named(MixesToo, "a")).mix(batch(), None, step())
    assert [("a", draw)] == CALLS


def test_broadcast_hooks_reach_everyone_in_order_the_owner_first() -> None:
    made = stack(named(Follows, "f"), named(Late, "late"))
    base, late = made.stages([Stage("base")])
    net: Any = None
    made.start_stage(net, net, step(base))
    made.after_step(net, step(base))
    made.after_step(net, step(late))
    made.end_epoch(net, net, step(late))
    assert [name for name, _ in CALLS] == ["f start", "f step", "late", "f step", "f epoch"]


def test_streams_of_two_components_merge_by_field() -> None:
    made = stack(named(Main, "main"), named(Aux, "aux"))
    found = made.streams(step(), batch().labels, torch.Generator())
    assert found.main is not None
    assert found.aux is not None
    assert (found.main.tolist(), found.aux.tolist()) == ([1, 1], [2, 2])


def test_two_components_that_set_one_stream_are_refused_by_name() -> None:
    made = stack(named(Main, "one"), named(Main, "two"))
    with pytest.raises(UsageError, match=r"'one' and 'two' cannot be stacked.*main row stream"):
        made.streams(step(), batch().labels, torch.Generator())


def test_stages_are_chained_in_stack_order() -> None:
    made = stack(named(Late, "first"), named(Late, "second"))
    assert [stage.name for stage in made.stages([Stage("base")])] == ["base", "first", "second"]


# losses


def test_weighted_mean_is_torchs_weighted_cross_entropy() -> None:
    got = blended_loss(stack(named(Weighted, "w")), LOGITS, batch(), step())
    weights = torch.tensor([1.0, 2.0, 5.0])
    torch.testing.assert_close(got, functional.cross_entropy(LOGITS, batch().labels, weights))


def test_batch_mean_divides_by_the_batch() -> None:
    got = blended_loss(stack(named(WeightedByBatch, "w")), LOGITS, batch(), step())
    losses = cross_entropy(LOGITS, batch().labels)
    torch.testing.assert_close(got, (losses * torch.tensor([1.0, 2, 5, 2])).sum() / 4)


def test_mixed_targets_are_the_blend_of_weighted_losses_of_each_pair() -> None:
    first, second = torch.tensor([0, 1, 2, 1]), torch.tensor([2, 2, 0, 1])
    share = torch.full((4,), 0.3)
    mixed = batch(((first, share), (second, 1 - share)))
    weights = torch.tensor([1.0, 2.0, 5.0])
    got = blended_loss(stack(named(Weighted, "w")), LOGITS, mixed, step())
    expected = 0.3 * functional.cross_entropy(LOGITS, first, weights)
    expected += 0.7 * functional.cross_entropy(LOGITS, second, weights)
    torch.testing.assert_close(got, expected)


def test_unweighted_mixed_targets_are_soft_labels() -> None:
    pairs = [torch.tensor([0, 1, 2, 1]), torch.tensor([2, 2, 0, 1]), torch.tensor([1, 0, 0, 0])]
    shares = torch.tensor([[0.5, 0.2, 0.3], [1, 0, 0], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]])
    targets = tuple((labels, shares[:, k]) for k, labels in enumerate(pairs))
    soft = sum(shares[:, k, None] * functional.one_hot(labels, 3) for k, labels in enumerate(pairs))
    got = blended_loss(stack(), LOGITS, batch(targets), step())
    torch.testing.assert_close(got, functional.cross_entropy(LOGITS, soft))  # type: ignore[arg-type]


def test_mixing_a_mixed_batch_multiplies_all_weights() -> None:
    own = batch()
    once = own.mixed(own.images, own.targets, torch.tensor(0.25))
    twice = once.mixed(own.images, once.targets, torch.tensor([0.5, 1.0, 0.0, 0.25]))
    weights = torch.stack([weight for _, weight in twice.targets], 1)
    torch.testing.assert_close(weights.sum(1), torch.ones(4))
    torch.testing.assert_close(weights[0], torch.tensor([0.125, 0.375, 0.125, 0.375]))
    assert torch.equal(twice.labels, own.labels)


# printing


def test_the_resolved_hooks_name_stage_hook_and_component() -> None:
    made = stack(named(Everything, "all"), named(Late, "late"))
    rows = made.describe(made.stages([Stage("base")]))
    assert ("base", "criterion", "all") in rows
    assert ("late", "criterion", "late") in rows
    assert {hook for _, hook, _ in rows} <= set(HOOKS)
