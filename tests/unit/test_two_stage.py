"""Two-stage methods: samplers, changed heads, and what each one's own stage trains."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import class_balanced_rows
from baselines.ldam import CosineHead
from baselines.tau_norm import tau_normalized
from baselines.two_stage import (
    ScaledHead,
    balanced_rows,
    class_aware_rows,
    head_stage,
    linear_head,
    reset_head,
    scale_head,
)
from benchmark.component import Component, Net, Stage, Step, Task
from benchmark.config import AugmentationConfig
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.job import Job, plan_stages
from benchmark.training.optim import stage_optimizer
from benchmark.training.stage_store import stage_keys
from benchmark.training.train import train
from tests.unit.test_class_prior import CIFAR100

CPU = torch.device("cpu")
LABELS = torch.tensor([0] * 9 + [1] * 5 + [2] * 3 + [3])
HEADED = ["crt", "lws", "mislas_stage2"]
PLAIN = tiny_recipe(steps=8, augmentation=AugmentationConfig(pad=0, flip=0.0))


def part(name: str, /, called: str | None = None, **changes: Any) -> Component:
    settings = shipped_settings(name) | changes
    return Piece(COMPONENTS.load(name), settings, called or name).build()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def step(stage: Stage, task: Task | None = None) -> Step:
    return Step(stage, task or tiny_task((6, 3, 1)), 0, 1, 0, 1, 0, CPU)


def own_stage(component: Component) -> Stage:
    return component.stages([Stage("base")])[-1]


def small_net(classes: int = 3, head: Callable[[int, int], nn.Module] = nn.Linear) -> Net:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 5))
        backbone.num_features = 5  # type: ignore[assignment]
        return Net(backbone, head(5, classes))


IMAGES = torch.randn(7, 3, 2, 2, generator=generator())


def trained(folder: Path, *parts: Component, recipe: Any = PLAIN) -> tuple[Net, Watch]:
    watch = Watch(parts, deep=True)
    net, _, _ = train(tiny_job(watch, folder, recipe=recipe))
    return net, watch


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in module.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# balanced rows


def test_four_rows_of_a_class_follow_each_other() -> None:
    drawn = LABELS[class_aware_rows(LABELS, 400, 4, generator())].view(-1, 4)
    assert torch.equal(drawn, drawn[:, :1].expand(-1, 4))


def test_classes_take_turns_and_are_shuffled_each_time() -> None:
    turns = LABELS[class_aware_rows(LABELS, 4 * 4 * 20, 4, generator())][::4].view(-1, 4)
    assert torch.equal(turns.sort(1).values, torch.arange(4).expand(20, 4))
    assert len({tuple(turn.tolist()) for turn in turns}) > 5


@pytest.mark.parametrize("label", range(4))
def test_rows_of_a_class_take_turns_and_are_shuffled_each_time(label: int) -> None:
    drawn = class_aware_rows(LABELS, 720, 4, generator())
    rows = LABELS.eq(label).nonzero()[:, 0]
    own = drawn[LABELS[drawn] == label]
    assert len(own) == 180
    rounds = own.view(-1, len(rows))
    assert torch.equal(rounds.sort(1).values, rows.expand_as(rounds))
    assert len({tuple(each.tolist()) for each in rounds}) > 5 or label == 3


@pytest.mark.parametrize("n", [1, 6, 18, 23, 400])
def test_an_epoch_has_the_length_that_was_asked_for(n: int) -> None:
    drawn = class_aware_rows(LABELS, n, 4, generator())
    assert drawn.shape == (n,)
    assert drawn.dtype == torch.int64
    # whole turns are exactly balanced; the last one may be cut short
    assert int(torch.bincount(LABELS[drawn], minlength=4).max()) <= 4 * -(-n // 16)


def test_classes_without_rows_are_left_out() -> None:
    labels = torch.tensor([0, 0, 5])
    assert set(labels[class_aware_rows(labels, 40, 4, generator())].tolist()) == {0, 5}


def test_rows_follow_the_generator_alone() -> None:
    found = [class_aware_rows(LABELS, 60, 4, generator(seed)) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_samplers_are_the_published_ones() -> None:
    aware = balanced_rows("class_aware", LABELS, generator())
    assert torch.equal(aware, class_aware_rows(LABELS, len(LABELS), 4, generator()))
    weighted = balanced_rows("weighted", LABELS, generator())
    assert torch.equal(weighted, class_balanced_rows(LABELS, len(LABELS), generator()))


@pytest.mark.parametrize("name", HEADED)
def test_each_epoch_takes_its_own_balanced_rows(name: str) -> None:
    found = part(name).streams(step(Stage("base")), LABELS, generator())
    assert found is not None and found.aux is None
    assert torch.equal(found.main, balanced_rows("class_aware", LABELS, generator()))  # type: ignore[arg-type]


# heads


def test_factors_of_one_leave_the_logits_as_they_are() -> None:
    net = small_net()
    before = net(IMAGES)
    scale_head(net, 3)
    assert torch.equal(net(IMAGES), before)


def test_factors_multiply_logits_with_their_bias() -> None:
    head = ScaledHead(small_net().head, 3)
    head.scale.data = torch.tensor([0.5, 2.0, -1.0])
    features = torch.randn(4, 5, generator=generator())
    weight, bias = head.linear.weight, head.linear.bias
    expected = torch.stack(
        [factor * (features @ weight[k] + bias[k]) for k, factor in enumerate(head.scale)], 1
    )
    torch.testing.assert_close(head(features), expected)


def test_a_head_is_scaled_once() -> None:
    net = small_net()
    scale_head(net, 3)
    net.head.scale.data.fill_(2.0)
    head = net.head
    scale_head(net, 3)
    assert net.head is head and head.scale.tolist() == [2.0] * 3


def test_a_scaled_head_is_a_linear_one() -> None:
    head = ScaledHead(small_net().head, 3)
    head.scale.data = torch.tensor([0.5, 2.0, -1.0])
    features = torch.randn(4, 5, generator=generator())
    before = head(features)
    folded = linear_head(head, "x")
    assert type(folded) is nn.Linear
    torch.testing.assert_close(folded(features), before)


def test_a_cosine_head_is_none_even_if_it_is_scaled() -> None:
    for head in (CosineHead(5, 3), ScaledHead(CosineHead(5, 3), 3)):
        with pytest.raises(UsageError, match=r"'tau_norm' expects a linear head.* CosineHead"):
            linear_head(head, "tau_norm")


def test_resetting_a_scaled_head_draws_weights_and_forgets_factors() -> None:
    head = ScaledHead(small_net().head, 3)
    head.scale.data.fill_(3.0)
    before = head.linear.weight.clone()
    reset_head(head)
    assert head.scale.tolist() == [1.0] * 3
    assert not torch.equal(head.linear.weight, before)


def test_the_stage_of_a_head_is_unmixed_unweighted_and_owned() -> None:
    stage = head_stage("x", 0.25, batch_norm="eval")
    assert (stage.name, stage.owner, stage.share, stage.train) == ("x", "x", 0.25, "head")
    assert (stage.batch_norm, stage.schedule) == ("eval", "cosine")
    assert stage.plain == {"mix", "class_weights"}
    assert head_stage("x", 0.25, train="head.scale", plain=frozenset()).train == "head.scale"


# each method's stage


@pytest.mark.parametrize(
    ("name", "trains", "batch_norm"),
    [("crt", "head", "eval"), ("lws", "head.scale", "eval"), ("mislas_stage2", "head", "train")],
)
def test_a_stage_of_its_own_follows_those_so_far(name: str, trains: str, batch_norm: str) -> None:
    stages = part(name, share=0.125, lr_scale=0.5).stages([Stage("base"), Stage("more")])
    assert stages[:2] == [Stage("base"), Stage("more")]
    own = stages[2]
    assert (own.train, own.batch_norm, own.share) == (trains, batch_norm, 0.125)
    assert (own.lr_scale, own.owner, own.schedule) == (0.5, name, "cosine")
    assert own.cached_passes == (4 if batch_norm == "eval" else 0) and own.init == "continue"


@pytest.mark.parametrize("name", HEADED)
@pytest.mark.parametrize("batch_norm", ["eval", "train"])
def test_batch_statistics_drift_only_where_that_is_asked_for(
    name: str, batch_norm: str, tmp_path: Path
) -> None:
    made = part(name, batch_norm=batch_norm, share=0.5, cached_passes=0)
    _, watch = trained(tmp_path, made)
    drifted = {seen.statistics for seen in watch.seen if seen.stage.owner == name}
    assert drifted == {batch_norm == "train"}


@pytest.mark.parametrize("name", [*HEADED, "weight_balancing"])
def test_cached_features_train_the_same_head_where_nothing_is_augmented(
    name: str, tmp_path: Path
) -> None:
    found = []
    for passes in (0, 2):
        made = part(name, batch_norm="eval", share=0.5, cached_passes=passes)
        net, watch = trained(tmp_path / str(passes), made)
        found.append((watch.trace, state(net)))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", [*HEADED, "weight_balancing"])
def test_cached_features_with_drifting_statistics_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"stage '{name}' cannot train on features.*frozen"):
        Stack((part(name, batch_norm="train", cached_passes=1),))


def keys(*parts: Component) -> list[str]:
    job: Job = tiny_job(Stack(parts), Path())
    return stage_keys(job, plan_stages(job.stack, job.rows, job.recipe, job.seed))


def test_base_stages_are_shared_with_plain_training() -> None:
    plain = keys()
    assert keys(part("tau_norm")) == plain
    for name in HEADED:
        assert keys(part(name))[:1] == plain
    mixed = keys(part("mixup"))
    assert keys(part("mixup"), part("mislas_stage2"))[:1] == mixed
    assert keys(part("mixup"), part("crt"))[:1] == mixed != plain
    assert len({keys(part(name))[1] for name in HEADED}) == 3


# cRT


def test_crt_begins_with_a_fresh_head() -> None:
    net, crt = small_net(), part("crt")
    before, backbone = state(net.head), state(net.backbone)
    crt.start_stage(net, None, step(own_stage(crt)))  # type: ignore[arg-type]
    assert not equal(state(net.head), before)
    assert equal(state(net.backbone), backbone)


def test_crt_changes_nothing_but_the_head(tmp_path: Path) -> None:
    base, _ = trained(tmp_path / "ce")
    net, watch = trained(tmp_path / "crt", part("crt", share=0.5))
    assert equal(state(net.backbone), state(base.backbone))
    assert not equal(state(net.head), state(base.head))
    assert {len(seen.changed) for seen in watch.seen if seen.stage.owner} == {2}


# LWS


def test_lws_changes_nothing_but_the_factors(tmp_path: Path) -> None:
    base, _ = trained(tmp_path / "ce")
    net, watch = trained(tmp_path / "lws", part("lws", share=0.5))
    assert equal(state(net.backbone), state(base.backbone))
    assert isinstance(net.head, ScaledHead)
    assert equal(state(net.head.linear), state(base.head))
    assert net.head.scale.min() != net.head.scale.max()
    assert {seen.changed for seen in watch.seen if seen.stage.owner} == {frozenset({"head.scale"})}


def test_the_gradient_of_a_factor_is_that_of_its_logit_times_the_logit() -> None:
    net, labels = small_net(), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    logits = net(IMAGES).detach()
    scale_head(net, 3)
    functional.cross_entropy(net(IMAGES), labels).backward()
    residual = logits.softmax(1) - functional.one_hot(labels, 3)
    torch.testing.assert_close(net.head.scale.grad, (residual * logits).mean(0))


def test_lws_scales_the_cosines_of_ldam_under_its_margins(tmp_path: Path) -> None:
    parts = (part("ldam"), part("lws", share=0.5))
    stack = Stack(parts)
    own = stack.stages([Stage("base")])[-1]
    assert [each.name for each in stack.acting("criterion", own)] == ["ldam"]
    net, _ = trained(tmp_path, *parts)
    assert isinstance(net.head, ScaledHead) and isinstance(net.head.linear, CosineHead)
    assert net.head.scale.min() != net.head.scale.max()


# tau-normalisation


def test_tau_0_with_bias_is_the_plain_network() -> None:
    net = small_net()
    deployed = part("tau_norm", tau=0.0, bias="keep").deploy(net, tiny_task((1, 1, 1)))
    assert torch.equal(deployed(IMAGES), net(IMAGES))


@pytest.mark.parametrize("tau", [0.0, 0.7, 1.0, 1.9])
@pytest.mark.parametrize("bias", ["keep", "drop"])
def test_tau_normalised_logits_have_the_closed_form(tau: float, bias: str) -> None:
    net = small_net()
    deployed = part("tau_norm", tau=tau, bias=bias).deploy(net, tiny_task((1, 1, 1)))
    features, weight = net.features(IMAGES), net.head.weight
    expected = torch.stack(
        [features @ row / torch.sqrt((row**2).sum()) ** tau for row in weight], 1
    )
    expected = expected + (net.head.bias if bias == "keep" else 0.0)
    torch.testing.assert_close(deployed(IMAGES), expected)


def test_at_tau_1_the_largest_cosine_wins() -> None:
    net = small_net()
    net.head.weight.data *= torch.tensor([[9.0], [1.0], [0.2]])
    deployed = part("tau_norm").deploy(net, tiny_task((1, 1, 1)))
    cosines = functional.cosine_similarity(net.features(IMAGES)[:, None], net.head.weight[None], 2)
    assert torch.equal(deployed(IMAGES).argmax(1), cosines.argmax(1))


def test_a_class_vector_of_zeros_stays_one() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert tau_normalized(weight, 1.0).tolist() == [[pytest.approx(0.6), pytest.approx(0.8)],
                                                     [0.0, 0.0]]  # fmt: skip


def test_the_trained_network_is_left_as_it_was() -> None:
    net = small_net()
    before = state(net)
    part("tau_norm").deploy(net, tiny_task((1, 1, 1)))
    assert equal(state(net), before) and net.head.bias is not None


def test_factors_of_lws_cancel_at_tau_1() -> None:
    net, task = small_net(), tiny_task((1, 1, 1))
    expected = part("tau_norm").deploy(net, task)(IMAGES)
    scale_head(net, 3)
    net.head.scale.data = torch.tensor([0.5, 2.0, 3.0])
    torch.testing.assert_close(part("tau_norm").deploy(net, task)(IMAGES), expected)
    assert net.head.scale.tolist() == [0.5, 2.0, 3.0]


@pytest.mark.parametrize("name", ["tau_norm", "mislas_stage2", "weight_balancing"])
def test_a_head_that_is_not_linear_is_refused_before_training(name: str) -> None:
    stack, task = Stack((part("ldam"), part(name))), tiny_task((6, 3, 1))
    backbone = small_net().backbone
    with pytest.raises(UsageError, match=f"'{name}' expects a head of kind Linear, but 'ldam' bui"):
        stack.check_head(stack.build(backbone, task))
    plain = Stack((part("drw"), part(name)))
    plain.check_head(plain.build(backbone, task))


# MiSLAS


def test_mislas_is_mixup_and_its_second_stage() -> None:
    assert shipped_settings("mislas")["defaults"] == ["mixup", "mislas_stage2"]
    stack = Stack((part("mixup"), part("mislas_stage2")))
    base, own = stack.stages([Stage("base")])
    assert stack.mixes(base) and not stack.mixes(own)


@pytest.mark.parametrize("name", ["drw", "mixup"])
def test_mislas_without_smoothing_and_classifier_rate_is_lws(name: str, tmp_path: Path) -> None:
    shared = {"share": 0.5, "lr_scale": 1.0, "batch_norm": "eval"}
    lws, watch = trained(tmp_path / "lws", part(name), part("lws", **shared))
    # the order of rows follows the stage's name
    stage2 = part("mislas_stage2", "lws", head=0.0, tail=0.0, lr_factor=0.0, **shared)
    mislas, other = trained(tmp_path / "mislas", part(name), stage2)
    torch.testing.assert_close(other.trace, watch.trace, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(state(mislas), state(lws), rtol=1e-6, atol=1e-6)


def test_mislas_smooths_by_published_amounts() -> None:
    task = replace(tiny_task(CIFAR100), counts_train=(500,) * 100)
    where, out = step(Stage("base"), task), torch.zeros(3, 100)
    out[:, 0], labels = 5.0, torch.tensor([0, 50, 99])
    found = part("mislas_stage2").criterion(out, labels, where)
    minus_log = -out.log_softmax(1)
    for at, smoothing in enumerate((0.4, 0.140809, 0.1)):
        own = minus_log[at, labels[at]]
        expected = (1 - smoothing) * own + smoothing * minus_log[at].mean()
        assert float(found[at]) == pytest.approx(float(expected), abs=1e-5)


def test_mislas_takes_counts_from_where_its_prior_says() -> None:
    where = step(Stage("base"), replace(tiny_task((8, 2, 0)), counts_train=(8, 8, 8)))
    out, labels = torch.tensor([[2.0, 1.0, 0.0]] * 3), torch.arange(3)
    real = part("mislas_stage2").criterion(out, labels, where)
    flat = part("mislas_stage2", prior="train").criterion(out, labels, where)
    assert torch.isfinite(real).all()
    assert float(real[0]) == float(flat[0]) and float(real[2]) != float(flat[2])


def test_mislas_trains_its_factors_at_the_full_rate_and_the_classifier_at_less() -> None:
    net, mislas = small_net(), part("mislas_stage2", lr_factor=0.25, lr_scale=0.5)
    stage = own_stage(mislas)
    mislas.start_stage(net, None, step(stage))  # type: ignore[arg-type]
    optimizer = stage_optimizer(net, tiny_recipe(), stage)
    rates = {id(each): group["lr"] for group in optimizer.param_groups for each in group["params"]}
    expected = {"linear.weight": 0.00625, "linear.bias": 0.00625, "scale": 0.025}
    assert {name: rates[id(each)] for name, each in net.head.named_parameters()} == (
        pytest.approx(expected)
    )
