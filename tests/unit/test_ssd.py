"""SSD against per-row definitions, torch's own divergence, and what each stage may change."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.ssd_net import (
    Distillation,
    distillation,
    of_another_class,
    own_key_contrast,
)
from benchmark.component import Batch, Component, Net, Stage, Step, TrainingRows, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.models import build_backbone
from benchmark.registry import COMPONENTS
from benchmark.seeds import scoped_global_seed
from benchmark.stack import Stack
from benchmark.tiny import Piece, Stop, Watch, copies, same, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train

COUNTS = (6, 3, 1)
ROWS = 52  # of the tiny main case


def part(name: str, **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*shape: int, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(*shape, generator=generator(seed)), dim=1)


def small_net(seed: int = 0) -> Net:
    with scoped_global_seed(seed):
        backbone = build_backbone(BackboneConfig(name="cifar_resnet8", options={"width": 4}))
        return linear_net(backbone, tiny_task(COUNTS))


def batch(labels: list[int], seed: int = 0) -> Batch:
    n = len(labels)
    first, second = torch.randn(2, n, 3, 8, 8, generator=generator(seed))
    targets = ((torch.tensor(labels), torch.ones(n)),)
    return Batch(first, targets, torch.zeros(n, dtype=torch.uint8), torch.arange(n), (second,))


def step(stage: Stage) -> Step:
    return Step(stage, tiny_task(COUNTS), 0, 1, 0, 1, 0, torch.device("cpu"))


# the contrast


def by_rows(
    query: Tensor, key: Tensor, queue: Tensor, labels: list[int], queued: list[int], heat: float
) -> list[float]:
    losses = []
    for q, k, label in zip(query, key, labels, strict=True):
        own = math.exp(float(q @ k) / heat)
        others = [
            math.exp(float(q @ each) / heat)
            for each, other in zip(queue, queued, strict=True)
            if other not in (label, -1)
        ]
        losses.append(-math.log(own / (own + sum(others))))
    return losses


@pytest.mark.parametrize("heat", [0.2, 1.0])
def test_the_contrast_is_its_definition_row_by_row(heat: float) -> None:
    query, key, queue = unit(5, 8), unit(5, 8, seed=1), unit(9, 8, seed=2)
    labels, queued = [0, 1, 2, 0, 1], [0, 0, 1, 2, 2, -1, 0, 1, -1]
    repels = of_another_class(torch.tensor(labels), torch.tensor(queued))
    got = own_key_contrast(query, key, queue, repels, heat)
    assert got.tolist() == pytest.approx(by_rows(query, key, queue, labels, queued, heat), abs=1e-5)


def test_one_orthogonal_key_of_another_class_costs_log_1_plus_e_to_minus_5() -> None:
    query, queue = torch.eye(2)[:1], torch.eye(2)[1:]
    got = own_key_contrast(query, query, queue, torch.tensor([[True]]), 0.2)
    assert got.item() == pytest.approx(math.log1p(math.exp(-5)), abs=1e-7)


def test_keys_of_the_own_class_and_unfilled_places_repel_nothing() -> None:
    got = of_another_class(torch.tensor([0, 1]), torch.tensor([0, 1, -1]))
    assert got.tolist() == [[False, True, False], [True, False, False]]


def test_the_own_key_attracts_even_where_nothing_repels() -> None:
    query, key = unit(2, 4).requires_grad_(), unit(2, 4, seed=1)
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    loss = own_key_contrast(query, key, unit(3, 4, seed=2), nothing, 0.2)
    loss.sum().backward()
    assert loss.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert query.grad is not None
    assert query.grad.abs().max() < 1e-6


def test_the_gradient_of_the_contrast_is_its_closed_form() -> None:
    query, key, queue = unit(4, 6), unit(4, 6, seed=1), unit(5, 6, seed=2)
    repels = torch.rand(4, 5, generator=generator()) < 0.6
    query.requires_grad_()
    own_key_contrast(query, key, queue, repels, 0.5).sum().backward()
    with torch.no_grad():
        weight = torch.cat([(query * key).sum(1, keepdim=True), query @ queue.T], 1).div(0.5).exp()
        weight[:, 1:] *= repels
        share = weight / weight.sum(1, keepdim=True)
        pull = share[:, :1] * key + share[:, 1:] @ queue - key
    torch.testing.assert_close(query.grad, pull / 0.5)


def test_the_contrast_survives_a_temperature_at_which_exp_overflows() -> None:
    query, queue = unit(3, 4).requires_grad_(), unit(5, 4, seed=1)
    loss = own_key_contrast(query, unit(3, 4, seed=2), queue, torch.ones(3, 5).bool(), 1e-3)
    loss.sum().backward()
    assert query.grad is not None
    assert loss.isfinite().all() and query.grad.isfinite().all()


def with_contrast(queue: float, rows: int = 10, **changes: Any) -> tuple[Component, Any, Step]:
    """SSD, a network at the start of stage I with so many rows, and that step."""
    method, net = ssd(queue=queue / rows, **changes), small_net()
    begin = step(method.stages([Stage("base")])[0])
    with scoped_global_seed(1):
        method.start_stage(net, OfRows(torch.zeros(rows)), begin)  # type: ignore[arg-type]
    return method, net, begin


@dataclass(frozen=True)
class OfRows:
    """So many rows, of which nothing else is asked."""

    labels: Tensor


def contrast_of(method: Component, net: Any, rows: Batch, begin: Step) -> float:
    labelled = functional.cross_entropy(net(rows.images), rows.labels)
    return (method.loss(net, rows, begin) - labelled).item()


def test_a_full_queue_loses_its_oldest_keys_and_no_row_meets_its_own_batch() -> None:
    method, net, begin = with_contrast(queue=5)
    seen = [
        contrast_of(method, net, batch(labels), begin)
        for labels in ([0, 1, 2], [1, 1, 0], [2, 2, 0])
    ]
    # nine keys in five places: the last five, wherever they stand
    queue = net.contrast.queue
    assert sorted(queue.labels.tolist()) == sorted([1, 0, 2, 2, 0])
    torch.testing.assert_close(queue.features.norm(dim=1), torch.ones(5))
    assert seen[0] == pytest.approx(0, abs=1e-6)
    assert seen[1] > 0


def test_class_0_is_not_taken_for_the_class_of_an_unfilled_place() -> None:
    method, net, begin = with_contrast(queue=50)
    method.loss(net, batch([1, 2, 1, 2]), begin)
    assert contrast_of(method, net, batch([0, 0], seed=1), begin) > 0


def test_a_stage_of_features_minimises_cross_entropy_plus_contrast() -> None:
    method, net, begin = with_contrast(queue=50, contrast=0.7, temperature=0.5)
    first, rows = batch([0, 1, 2, 0]), batch([1, 2, 2], seed=1)
    method.loss(net, first, begin)
    held, labels = net.contrast.queue.entries()
    with torch.no_grad():
        features = net.features(rows.images)
        query = functional.normalize(net.contrast.projector(features))
        key = functional.normalize(net.contrast.slow(rows.views[0]))
    wanted = by_rows(query, key, held, rows.labels.tolist(), labels.tolist(), 0.5)
    assert contrast_of(method, net, rows, begin) == pytest.approx(0.7 * sum(wanted) / 3, abs=1e-5)


def test_no_gradient_reaches_the_slow_copy() -> None:
    method, net, begin = with_contrast(queue=50)
    method.loss(net, batch([0, 1, 2, 0]), begin)
    method.loss(net, batch([0, 1, 2, 0]), begin).backward()
    trained = (*net.contrast.projector.parameters(), *net.backbone.parameters())
    assert all(each.grad is None for each in net.contrast.slow.parameters())
    assert all(each.grad is not None for each in trained)


@pytest.mark.parametrize("momentum", [0.0, 0.75, 1.0])
def test_the_slow_copy_follows_backbone_and_projector(momentum: float) -> None:
    method, net, begin = with_contrast(queue=5, momentum=momentum)
    slow = net.contrast.slow
    before = copies(slow.named_parameters())
    with torch.no_grad():
        for each in (*net.backbone.parameters(), *net.contrast.projector.parameters()):
            each.add_(1.0)
    method.after_step(net, begin)
    for name, after in slow.named_parameters():
        torch.testing.assert_close(after.detach(), before[name] + (1 - momentum))


# distillation


@pytest.mark.parametrize("heat", [1.0, 2.0])
def test_distillation_and_its_gradient_are_torchs(heat: float) -> None:
    student, teacher = torch.randn(2, 6, 4, generator=generator())
    ours, theirs = student.clone().requires_grad_(), student.clone().requires_grad_()
    got = distillation(ours, teacher, heat).mean()
    target = (teacher / heat).softmax(1)
    wanted = heat**2 * functional.kl_div(
        (theirs / heat).log_softmax(1), target, reduction="batchmean"
    )
    (mine,), (torchs,) = torch.autograd.grad(got, ours), torch.autograd.grad(wanted, theirs)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(mine, torchs)
    closed = heat * ((student / heat).softmax(1) - target) / len(student)
    torch.testing.assert_close(mine, closed)


def test_distillation_is_zero_where_both_agree_and_positive_elsewhere() -> None:
    logits = torch.randn(5, 3, generator=generator())
    shifted = distillation(logits + 4, logits, 2.0)
    assert shifted.tolist() == pytest.approx([0] * 5, abs=1e-5)
    assert (distillation(logits.flip(0), logits, 2.0)[[0, 1]] > 0).all()


def test_a_teacher_judges_each_image_by_itself_in_training_too() -> None:
    teacher, images = small_net(), batch([0, 1, 2, 0]).images
    beside = Distillation(teacher, nn.Identity())
    before = copies(iter(teacher.state_dict().items()))
    beside.train()
    whole = beside.target(images)
    assert not whole.requires_grad
    beside.train()
    torch.testing.assert_close(beside.target(images[:1]), whole[:1])
    assert same(before, copies(iter(teacher.state_dict().items())))


# the stages


@dataclass(frozen=True)
class Noting(Watch):
    """Notes what a network holds as each stage begins."""

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        super().start_stage(net, rows, step)
        self.held[step.stage.name] = copies(iter(net.state_dict().items()))


def run(folder: Path, *parts: Component, steps: int = 8, **changes: Any) -> tuple[Any, Noting]:
    watch = Noting(parts or (ssd(),), deep=True)
    net, _, _ = train(tiny_job(watch, folder, recipe=tiny_recipe(steps=steps), **changes))
    return net, watch


def ssd(**changes: Any) -> Component:
    return part("ssd", **({"width": 8, "teacher_share": 0.5} | changes))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Noting]:
    return run(tmp_path_factory.mktemp("ssd"))


def test_published_shares_are_135_5_and_135_epochs() -> None:
    stages = part("ssd").stages([Stage("base")])
    assert [stage.name for stage in stages] == ["base", "ssd teacher", "ssd student"]
    assert [round(135 * stage.share) for stage in stages] == [135, 5, 135]
    assert {stage.owner for stage in stages} == {"ssd"}


def changed(watch: Watch, stage: str) -> set[str]:
    return {name for seen in watch.seen if seen.stage.name == stage for name in seen.changed}


def test_features_are_trained_with_head_and_projector(trained: tuple[Any, Noting]) -> None:
    names = changed(trained[1], "base")
    assert {name.partition(".")[0] for name in names} == {"backbone", "head", "contrast"}
    assert not any(name.startswith("contrast.slow") for name in names)
    assert any(name.startswith("contrast.projector") for name in names)


def test_the_teacher_learns_its_scales_alone(trained: tuple[Any, Noting]) -> None:
    net, watch = trained
    assert changed(watch, "ssd teacher") == {"head.scale"}
    begun, teacher = watch.held["ssd teacher"], net.distillation.teacher.state_dict()
    assert begun.keys() == teacher.keys()
    moved = {name for name in begun if not torch.equal(begun[name], teacher[name])}
    assert moved == {"head.scale"}


def test_scales_start_at_one(trained: tuple[Any, Noting]) -> None:
    scale = trained[1].held["ssd teacher"]["head.scale"]
    torch.testing.assert_close(scale.flatten(), torch.ones(10))


def test_a_student_starts_afresh_and_leaves_its_teacher_alone(trained: tuple[Any, Noting]) -> None:
    net, watch = trained
    begun, now = watch.held["ssd student"], net.state_dict()
    names = [name for name in begun if name.startswith("distillation.teacher.")]
    assert any("running_mean" in name for name in names)
    assert all(torch.equal(begun[name], now[name]) for name in names)
    weights = changed(watch, "ssd student")
    assert not weights & set(names)
    assert {"head.weight", "distillation.head.weight"} <= weights
    first = next(name for name in begun if name.startswith("backbone.") and "weight" in name)
    assert not torch.equal(begun[first], begun[f"distillation.teacher.{first}"])


def test_a_network_carries_only_what_its_stage_needs(trained: tuple[Any, Noting]) -> None:
    held = trained[1].held
    parts = {name: {key.partition(".")[0] for key in held[name]} for name in held if "ssd" in name}
    assert parts["ssd teacher"] == {"backbone", "head"}
    assert parts["ssd student"] == {"backbone", "head", "distillation"}


def test_the_queue_holds_one_pass_over_the_rows(trained: tuple[Any, Noting]) -> None:
    assert len(trained[1].held["base"]["contrast.queue.labels"]) == ROWS


@pytest.mark.parametrize("passes", [1e-6, 0.05, 3.0])
def test_a_queue_may_be_shorter_than_a_batch_or_longer_than_the_rows(
    tmp_path: Path, passes: float
) -> None:
    _, watch = run(tmp_path, ssd(queue=passes), steps=4)
    assert len(watch.held["base"]["contrast.queue.labels"]) == max(1, round(ROWS * passes))
    assert all(map(math.isfinite, watch.trace))


def test_without_contrast_features_are_trained_as_by_cross_entropy(tmp_path: Path) -> None:
    _, watch = run(tmp_path / "ssd", ssd(contrast=0.0, feature_share=1.0), steps=6)
    _, plain = run(tmp_path / "ce", part("ce"), steps=6)
    assert watch.trace[:6] == pytest.approx(plain.trace, abs=1e-6)


def test_half_precision_gives_finite_losses(tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=4, precision="bf16")
    watch = Watch((ssd(),))
    train(tiny_job(watch, tmp_path, recipe=recipe))
    assert all(map(math.isfinite, watch.trace))


def test_class_aware_rows_are_drawn_for_the_teacher_only() -> None:
    method = ssd(per_class=2)
    stages = method.stages([Stage("base")])
    labels = torch.tensor([0] * 20 + [1] * 3 + [2])
    drawn = [method.streams(step(stage), labels, generator()) for stage in stages]
    mains = [each.main if each else None for each in drawn]
    assert mains[0] is None and mains[2] is None
    assert mains[1] is not None
    assert labels[mains[1]].bincount().tolist() == [8, 8, 8]
    pairs = labels[mains[1]].view(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all()


@pytest.mark.parametrize("stage", ["ssd teacher", "ssd student"])
def test_a_run_killed_on_its_way_ends_with_the_same_weights(
    tmp_path: Path, trained: tuple[Any, Noting], stage: str
) -> None:
    # the shipped share leaves the teacher one step of the contract tests' twenty; here it has four
    def once(watch: Watch) -> Net:
        job = tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=8), checkpoint_seconds=0.0)
        return train(job)[0]

    with pytest.raises(Stop):
        once(Watch((ssd(),), stop_at=(stage, 2)))
    again, whole = once(Watch((ssd(),))).state_dict(), trained[0].state_dict()
    assert same(dict(again), dict(whole))


def test_averaged_weights_keep_the_teacher(tmp_path: Path) -> None:
    watch = Noting((ssd(),))
    net: Any = train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=4, ema=0.5)))[0]
    begun, now = watch.held["ssd student"], net.state_dict()
    names = [name for name in begun if name.startswith("distillation.teacher.")]
    assert all(torch.equal(begun[name], now[name]) for name in names)
    assert all(map(math.isfinite, watch.trace))


def test_batch_norm_of_the_teacher_is_a_switch() -> None:
    modes = [
        ssd(**changes).stages([Stage("base")])[1].batch_norm
        for changes in ({}, {"batch_norm": "train"})
    ]
    assert modes == ["eval", "train"]


# what is evaluated


def student(**changes: Any) -> tuple[Component, Any]:
    net: Any = small_net()
    net.distillation = Distillation(small_net(1), small_net(2).head)
    return ssd(**changes), net


def head_gradient(labels: list[int], **changes: Any) -> Tensor:
    method, net = student(**changes)
    stage = method.stages([Stage("base")])[2]
    method.loss(net, batch(labels), step(stage)).backward()
    grad: Tensor = net.head.weight.grad
    return grad


@pytest.mark.parametrize(("head", "reads_labels"), [("soft", False), ("hard", True)])
def test_the_evaluated_head_learns_from_the_teacher_or_from_labels(
    head: str, reads_labels: bool
) -> None:
    one, other = head_gradient([0, 1, 2], head=head), head_gradient([2, 0, 1], head=head)
    assert torch.equal(one, other) != reads_labels


def test_a_student_minimises_cross_entropy_plus_distillation() -> None:
    method, net = student(softness=2.0)
    rows = batch([0, 1, 2, 1])
    got = method.loss(net, rows, step(method.stages([Stage("base")])[2]))
    with torch.no_grad():
        features = net.features(rows.images)
        soft, hard = net.head(features), net.distillation.head(features)
        kept = net.distillation.teacher.eval()(rows.images)
        target = (kept / 2).softmax(1)
        wanted = functional.cross_entropy(hard, rows.labels) + 4 * functional.kl_div(
            (soft / 2).log_softmax(1), target, reduction="batchmean"
        )
    torch.testing.assert_close(got.detach(), wanted)


def test_the_deployed_module_is_the_student_with_its_head(trained: tuple[Any, Noting]) -> None:
    net, watch = trained
    module, images = watch.deploy(net, tiny_task((1,) * 10)).eval(), batch([0, 1, 2]).images
    torch.testing.assert_close(module(images), net.eval().head(net.features(images)))
    plain = sum(each.numel() for each in (*net.backbone.parameters(), *net.head.parameters()))
    assert sum(each.numel() for each in module.parameters()) == plain
    assert type(net.head) is nn.Linear


# stacks


def stack(*names: str) -> Stack:
    return Stack(tuple(part(name) for name in names))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("ssd", "drw"), "'ssd' brings its own loss and would ignore 'drw'"),
        (("ssd", "mixup"), "'ssd' brings its own loss and would ignore 'mixup'"),
        (("ssd", "ldam"), "'ssd' brings its own loss and would ignore 'ldam'"),
        (("ssd", "paco"), "each fills the hook"),
        (("retrain_head", "ssd"), "'ssd' replaces the base stage, but 'retrain_head' built on it"),
        (("fake_to_real", "ssd"), "'ssd' replaces the base stage, but 'fake_to_real' built on it"),
        (("ssd", "fake_to_real"), "'fake_to_real' splits the base stage, but 'ssd' replaced it"),
    ],
)
def test_what_does_not_go_with_ssd_is_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        stack(*names).stages([Stage("base")])


def test_ssd_takes_added_images() -> None:
    assert [stage.rows.origin for stage in stack("t2i", "ssd").stages([Stage("base")])] == [
        "all", "all", "all",
    ]  # fmt: skip


def test_a_retrained_head_is_the_one_that_is_evaluated(tmp_path: Path) -> None:
    net, watch = run(tmp_path, ssd(), part("retrain_head"), steps=4)
    assert changed(watch, "retrain_head") == {"head.weight", "head.bias"}
    module, images = watch.deploy(net, tiny_task((1,) * 10)).eval(), batch([0, 1]).images
    torch.testing.assert_close(module(images), net.eval()(images))


def test_the_slow_copy_has_statistics_by_origin_where_the_network_has(tmp_path: Path) -> None:
    _, watch = run(tmp_path, ssd(), part("origin_batch_norm"), steps=4)
    slow = [name for name in watch.held["base"] if name.startswith("contrast.slow.backbone.")]
    assert any(name.endswith("running_mean_added") for name in slow)
    assert all(map(math.isfinite, watch.trace))
