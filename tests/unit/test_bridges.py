"""Bridges between real and added images against closed forms and separate computations."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.origin_batch_norm import OriginBatchNorm2d, split_batch_norm
from baselines.origin_weights import origin_weights
from benchmark import api
from benchmark.component import AtHand, Batch, Component, Net, Rows, Stage, Step
from benchmark.errors import UsageError
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import Stop, Watch, tiny_job, tiny_recipe, tiny_rows, tiny_task
from benchmark.training.job import plan_stages
from benchmark.training.train import train
from tests.fixtures.training import run
from tests.unit.test_components import batch, generator, part, step, trace

REAL = torch.tensor([True, False, True, True, False, True])
# the origins of ``batch()`` alternate, beginning with a real row
HALF = batch().origins == 0


class Notes(Component):
    """Notes the origins of every batch by stage."""

    def __init__(self, config: Any, name: str) -> None:
        super().__init__(config, name)
        self.origins: dict[str, set[int]] = {}
        self.seen: dict[str, int] = {}

    def mix(self, batch: Batch, aux: Batch | None, step: Step) -> Batch:
        stage = "real" if not batch.origins.any() else "added"
        self.origins.setdefault(stage, set()).update(batch.origins.tolist())
        self.seen[stage] = self.seen.get(stage, 0) + 1
        return batch


class Replaces(Component):
    """Puts a stage of its own in the place of the base stage."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        return [Stage("mine", owner=self.name)]


def make(cls: type[Component]) -> Component:
    return cls(cls.Config(), cls.__name__.lower())


# from fake to real


def test_the_base_stage_is_split_into_added_and_real_rows() -> None:
    whole = Stage("base", share=0.5, lr_scale=2.0, weight_decay=0.1)
    added, real = part("fake_to_real", share=0.25, lr_scale=0.5).stages([whole])
    assert added == replace(
        whole, name="fake_to_real", share=0.125, rows=Rows("added"), owner="fake_to_real"
    )
    assert real == replace(
        whole, share=0.375, rows=Rows("real"), lr_scale=1.0, owner="fake_to_real"
    )


@pytest.mark.parametrize("names", [("fake_to_real", "retrain_head"),
                                   ("retrain_head", "fake_to_real")])  # fmt: skip
def test_later_stages_stay_where_they_are(names: tuple[str, ...]) -> None:
    stages = Stack(tuple(part(name) for name in names)).stages([Stage("base")])
    assert [stage.name for stage in stages] == ["fake_to_real", "base", "retrain_head"]
    assert [stage.rows.origin for stage in stages] == ["added", "real", "real"]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7])
def test_both_stages_take_the_steps_of_one(share: float) -> None:
    rows = tiny_rows(tiny_task((20, 10), added=3))
    stack = Stack((part("fake_to_real", share=share),))
    added, real = plan_stages(stack, rows, tiny_recipe(steps=100), 0)
    assert (added.steps, real.steps) == (round(100 * share), 100 - round(100 * share))
    assert (len(added.rows), len(real.rows)) == (6, 30)


def test_each_stage_sees_rows_of_its_origin(tmp_path: Path) -> None:
    notes = Notes(Notes.Config(), "notes")
    watch = Watch((part("fake_to_real", share=0.25), notes))
    train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=8)))
    assert notes.origins == {"added": {1}, "real": {0}}
    assert notes.seen == {"added": 2, "real": 6}
    assert [seen.stage.name for seen in watch.seen] == ["fake_to_real"] * 2 + ["base"] * 6


@pytest.mark.parametrize("origin", ["added", "real"])
def test_rows_are_drawn_class_uniformly_where_asked(origin: Any) -> None:
    other: Any = {"added": "real", "real": "added"}[origin]
    bridge = part("fake_to_real", **{f"{origin}_rows": "balanced", f"{other}_rows": "plain"})
    # the largest class has no added row
    labels = torch.tensor([1] * 900 + [2] * 100)
    here = replace(step(), stage=Stage("any", rows=Rows(origin)))
    there = replace(step(), stage=Stage("any", rows=Rows(other)))
    drawn = bridge.streams(here, labels, generator())
    assert drawn is not None and drawn.main is not None
    counts = torch.bincount(labels[drawn.main], minlength=3).tolist()
    assert counts[0] == 0
    assert abs(counts[1] - 500) < 4 * (1000 * 0.25) ** 0.5
    assert bridge.streams(there, labels, generator()).main is None  # type: ignore[union-attr]


def test_a_run_without_added_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fake_to_real' has no training rows of origin added"):
        api.run("method=fake_to_real", "progress=false", f"out={tmp_path}")


def test_a_base_stage_that_is_gone_cannot_be_split() -> None:
    with pytest.raises(UsageError, match="'fake_to_real' splits the base stage, but 'replaces'"):
        Stack((make(Replaces), part("fake_to_real")))
    with pytest.raises(UsageError, match="'replaces' drops the stage 'fake_to_real'"):
        Stack((part("fake_to_real"), make(Replaces)))


# weights by origin


@pytest.mark.parametrize(("of_real", "of_added"), [(1.0, 0.3), (2.0, 0.6), (0.2, 0.8)])
def test_row_weights_have_the_ratio_asked_for_and_mean_one(of_real: float, of_added: float) -> None:
    weight = origin_weights(REAL, of_real, of_added)
    assert float(weight[1] / weight[0]) == pytest.approx(of_added / of_real)
    assert float(weight.mean()) == pytest.approx(1)
    torch.testing.assert_close(weight[REAL], weight[:1].expand(4))


def test_origin_weights_share_the_mean_between_the_origins() -> None:
    losses = torch.rand(6, generator=generator())
    weight = origin_weights(REAL, 0.8, 0.2, "origin")
    expected = 0.8 * losses[REAL].mean() + 0.2 * losses[~REAL].mean()
    torch.testing.assert_close((weight * losses).mean(), expected)


@pytest.mark.parametrize("unit", ["row", "origin"])
@pytest.mark.parametrize("real", [True, False])
def test_a_batch_of_one_origin_is_not_weighted(unit: Any, real: bool) -> None:
    weight = origin_weights(torch.full((5,), real), 0.8, 0.2, unit)
    torch.testing.assert_close(weight, torch.ones(5))


def test_weights_make_the_loss_the_weighted_mean_over_rows() -> None:
    logits, own = torch.randn(6, 3, generator=generator()), batch()
    bridge = part("origin_weights", real=1.0, added=0.3, unit="row")
    got = blended_loss(Stack((bridge,)), logits, bridge.mix(own, None, step()), step())
    losses = functional.cross_entropy(logits, own.labels, reduction="none")
    weight = torch.where(HALF, 1.0, 0.3)
    torch.testing.assert_close(got, (weight * losses).sum() / weight.sum())


def test_class_weights_divide_by_their_own_sum_only() -> None:
    drw = part("drw", prior="real", start=0.5)
    bridge = part("origin_weights", real=1.0, added=0.3, unit="row")
    logits, own = torch.randn(6, 3, generator=generator()), batch()
    late = step(epoch=9, epochs=10)
    got = blended_loss(Stack((drw, bridge)), logits, bridge.mix(own, None, late), late)
    of_class: Any = drw.class_weights(late)
    losses = functional.cross_entropy(logits, own.labels, of_class, reduction="none")
    expected = (origin_weights(HALF, 1.0, 0.3) * losses).sum() / of_class[own.labels].sum()
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("name", ["mixup", "domain_mixup"])
def test_named_before_a_mix_every_pair_has_the_weight_of_its_own_image(name: str) -> None:
    own = batch()
    # labels that are the rows themselves tell who was mixed in
    own = replace(own, targets=((torch.arange(6), torch.ones(6)),))
    stack = Stack((part("origin_weights", real=1.0, added=0.5, unit="row"), part(name)))
    mixed = stack.mix(own, None, step())
    weight = origin_weights(HALF, 1.0, 0.5)
    (rows, first), (partners, second) = mixed.targets
    share = first / weight[rows]
    torch.testing.assert_close(share, share[:1].expand(6))
    torch.testing.assert_close(second, (1 - share) * weight[partners])


def test_named_after_a_mix_a_blend_has_the_weight_of_its_own_row() -> None:
    stack = Stack((part("mixup"), part("origin_weights", real=1.0, added=0.5, unit="row")))
    mixed = stack.mix(batch(), None, step())
    total = torch.stack([weight for _, weight in mixed.targets]).sum(0)
    torch.testing.assert_close(total, origin_weights(HALF, 1.0, 0.5))


def test_equal_weights_train_like_plain_cross_entropy(tmp_path: Path) -> None:
    plain = trace(tmp_path / "ce", part("ce"), steps=4)
    alike = part("origin_weights", real=1.0, added=1.0, unit="row")
    assert trace(tmp_path / "alike", alike, steps=4) == plain
    assert trace(tmp_path / "other", part("origin_weights"), steps=4) != plain


# batch norm by origin


def split(plain: nn.BatchNorm2d, real: Tensor, separate: bool = False) -> OriginBatchNorm2d:
    return OriginBatchNorm2d(copy.deepcopy(plain), AtHand((~real).to(torch.uint8)), separate)


def filled(channels: int = 4) -> nn.BatchNorm2d:
    """A batch norm with an affine map and statistics other than the first ones."""
    plain, rng = nn.BatchNorm2d(channels), generator(5)
    for tensor in (*plain.parameters(), plain.running_mean, plain.running_var):
        assert tensor is not None
        tensor.data.uniform_(0.5, 2.0, generator=rng)
    return plain


def inputs(n: int, size: int = 5) -> Tensor:
    images = torch.randn(n, 4, size, size, generator=generator(6)) * 3 + 1
    return images.contiguous(memory_format=torch.channels_last).requires_grad_()


def test_rows_are_normalised_as_in_separate_batches() -> None:
    """Outputs, gradients and running statistics are those of two modules on two batches."""
    plain = filled()
    both, real, added = split(plain, REAL), copy.deepcopy(plain), copy.deepcopy(plain)
    x, toward = inputs(6), torch.randn(6, 4, 5, 5, generator=generator(7))
    out = both(x)
    alone = torch.empty_like(out)
    alone[REAL], alone[~REAL] = real(x[REAL]), added(x[~REAL])
    torch.testing.assert_close(out, alone)
    (found,) = torch.autograd.grad((out * toward).sum(), x)
    (expected,) = torch.autograd.grad((alone * toward).sum(), x)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(both, name), getattr(real, name))
        torch.testing.assert_close(getattr(both, f"{name}_added"), getattr(added, name))


def test_a_separate_affine_map_starts_as_the_shared_one_and_is_trained_by_added_rows() -> None:
    plain, x = filled(), inputs(6)
    both = split(plain, REAL, separate=True)
    torch.testing.assert_close(both(x), split(plain, REAL)(x))
    maps = (both.weight, both.bias, both.weight_added, both.bias_added)
    for rows, reached in ((REAL, [True, True, False, False]), (~REAL, [False, False, True, True])):
        grads = torch.autograd.grad(both(x)[rows].square().sum(), maps)
        assert [bool(grad.any()) for grad in grads] == reached


@pytest.mark.parametrize(("present", "absent"), [("", "_added"), ("_added", "")])
def test_rows_of_one_origin_leave_the_statistics_of_the_other(present: str, absent: str) -> None:
    plain, x = filled(), inputs(3)
    both = split(plain, torch.full((3,), present == ""))
    torch.testing.assert_close(both(x), copy.deepcopy(plain)(x))
    for name in ("running_mean", "running_var"):
        assert torch.equal(getattr(both, name + absent), getattr(plain, name))
        assert not torch.equal(getattr(both, name + present), getattr(plain, name))


def test_a_single_value_is_normalised_to_the_shift_and_enters_no_statistics() -> None:
    plain, one = filled(), torch.tensor([True])
    both = split(plain, one)
    torch.testing.assert_close(both(inputs(1, size=1))[0, :, 0, 0], plain.bias)
    for name, buffer in plain.named_buffers():
        assert torch.equal(getattr(both, name), buffer)


def test_in_evaluation_it_is_the_batch_norm_of_real_rows() -> None:
    both, x = split(filled(), REAL, separate=True), inputs(6)
    both(x)
    both.at_hand.origins = None
    expected = functional.batch_norm(x, both.running_mean, both.running_var, both.weight, both.bias)
    assert torch.equal(both.eval()(x), expected)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_layout_and_precision_stay(kind: torch.dtype) -> None:
    out = split(filled(), REAL)(inputs(6).to(kind))
    assert out.dtype == kind
    assert out.is_contiguous(memory_format=torch.channels_last)


def small_net(norm: nn.Module | None = None) -> Net:
    backbone = nn.Sequential(
        nn.Conv2d(3, 4, 3), norm or nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )  # fmt: skip
    return Net(backbone, nn.Linear(4, 3))


def test_a_network_is_split_once_and_keeps_its_parameters() -> None:
    net = small_net()
    weight = net.backbone[1].weight  # type: ignore[index]
    split_batch_norm(net, separate=True)
    first = net.backbone[1]  # type: ignore[index]
    split_batch_norm(net, separate=True)
    assert isinstance(first, OriginBatchNorm2d)
    assert net.backbone[1] is first  # type: ignore[index]
    assert first.weight is weight
    added = {key for key in net.state_dict() if key.endswith("_added")}
    assert added == {f"backbone.1.{name}_added"
                     for name in ("weight", "bias", "running_mean", "running_var")}  # fmt: skip


def test_a_copied_network_reads_its_own_origins() -> None:
    net = small_net()
    split_batch_norm(net, separate=False)
    twin: Any = copy.deepcopy(net)
    assert twin.backbone[1].at_hand is twin.at_hand is not net.at_hand
    twin.load_state_dict(net.state_dict())
    with twin.origins_of(batch()):
        twin(batch().images)
    with net.origins_of(batch()):
        net(batch().images)
    assert all(torch.equal(one, twin.state_dict()[key]) for key, one in net.state_dict().items())


@pytest.mark.parametrize(
    ("norm", "found"),
    [
        (nn.Identity(), "got no batch norm"),
        (nn.SyncBatchNorm(4), "got SyncBatchNorm at 1"),
        (nn.BatchNorm2d(4, track_running_stats=False), "without running statistics.* at 1"),
        (nn.BatchNorm2d(4, momentum=None), "without running statistics.* at 1"),
        (nn.BatchNorm2d(4, affine=False), "without .*affine map at 1"),
    ],
)
def test_a_backbone_that_cannot_be_split_is_refused(norm: nn.Module, found: str) -> None:
    with pytest.raises(UsageError, match=f"Expected a backbone with BatchNorm2d.*{found}"):
        split_batch_norm(small_net(norm), separate=False)


def test_training_without_origins_is_refused() -> None:
    net = small_net()
    split_batch_norm(net, separate=False)
    with pytest.raises(UsageError, match=r"Expected the origins of a batch.*brings its own loss"):
        net(batch().images)
    net.eval()(batch().images)


class Fails(nn.Module):
    """A head that cannot be passed."""

    def forward(self, features: Tensor) -> Tensor:
        raise ZeroDivisionError


def test_origins_are_forgotten_when_a_batch_fails() -> None:
    net = small_net()
    net.head = Fails()
    with pytest.raises(ZeroDivisionError):
        Stack(()).loss(net, batch(), step())
    assert net.at_hand.origins is None


def test_a_compiled_network_stays_in_one_piece_and_sees_the_origins() -> None:
    calls = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., Any]:
        def forward(*args: Any) -> Any:
            calls.append(graph)
            return graph.forward(*args)

        return forward

    net = small_net()
    split_batch_norm(net, separate=False)
    stack, twin = Stack(()), copy.deepcopy(net)
    runner: Any = torch.compile(net, backend=backend, fullgraph=True)
    for seed in range(3):
        own = batch(seed=seed)
        own = replace(own, origins=own.origins.roll(seed))
        torch.testing.assert_close(stack.loss(runner, own, step()), stack.loss(twin, own, step()))
    assert len(calls) == 3
    torch.testing.assert_close(net.state_dict(), twin.state_dict())


def test_real_rows_alone_train_as_with_plain_batch_norm(tmp_path: Path) -> None:
    task = tiny_task((20, 12))
    losses = []
    for name in ("ce", "origin_batch_norm"):
        watch = Watch((part(name),))
        train(tiny_job(watch, tmp_path / name, task=task, recipe=tiny_recipe(steps=4)))
        losses.append(watch.trace)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_averaged_weights_of_both_statistics_survive_a_kill(tmp_path: Path) -> None:
    names = "origin_batch_norm,retrain_head"
    changes: dict[str, Any] = {"ema": 0.9, "steps": 8}
    whole = run(tmp_path / "whole", names, **changes)
    for stop_at in (("base", 5), ("retrain_head", 2)):
        with pytest.raises(Stop):
            run(tmp_path / "cut", names, stop_at, checkpoint_seconds=0.0, **changes)
    assert run(tmp_path / "cut", names, **changes) == whole


def test_a_frozen_backbone_keeps_both_statistics(tmp_path: Path) -> None:
    kept: list[dict[str, Tensor]] = []

    class Keeps(Component):
        def start_stage(self, net: Net, rows: Any, step: Any) -> None:
            kept.append(copy.deepcopy(net.backbone.state_dict()))

    watch = Watch((part("origin_batch_norm"), part("retrain_head", share=0.5), make(Keeps)))
    net, _, _ = train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=6)))
    first, second = kept
    final = net.backbone.state_dict()
    changed = {key for key in final if not torch.equal(first[key], second[key])}
    assert {"bn1.running_mean", "bn1.running_mean_added", "bn1.running_var_added"} <= changed
    assert all(torch.equal(final[key], second[key]) for key in final)
