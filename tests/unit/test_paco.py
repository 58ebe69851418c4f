"""PaCo and GPaCo against per-anchor sums, their limits, and what training may change."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from baselines.parametric_contrast import parametric_contrastive_loss
from benchmark.component import Batch, Component, Net, Stage, Step, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.models import build_backbone
from benchmark.registry import COMPONENTS
from benchmark.seeds import scoped_global_seed
from benchmark.stack import Stack
from benchmark.tiny import CASES, MAIN_CASE, Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train

BOTH = pytest.mark.parametrize("name", ["paco", "gpaco"])
SETTINGS: dict[str, Any] = {"alpha": 0.05, "beta": 1.0, "gamma": 1.0, "temperature": 0.2}
COUNTS = (6, 3, 1)


def part(name: str, **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unit(*shape: int, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(*shape, generator=generator(seed)), dim=1)


def case(n: int = 5, m: int = 9, classes: int = 4, width: int = 6) -> dict[str, Any]:
    """Random logits and samples; two of the others are empty places."""
    rng = generator(1)
    other_labels = torch.randint(classes, (m,), generator=rng)
    other_labels[-2:] = -1
    return {
        "logits": torch.randn(n, classes, generator=rng),
        "anchors": unit(n, width, seed=2),
        "others": unit(m, width, seed=3),
        "labels": torch.randint(classes - 1, (n,), generator=rng),
        "other_labels": other_labels,
    }


def anchor_by_anchor(
    logits: Tensor,
    anchors: Tensor,
    others: Tensor,
    labels: Tensor,
    other_labels: Tensor,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    temperature: float,
) -> Tensor:
    """The equation, one term after the other, in double precision."""
    losses = []
    for i, label in enumerate(labels.tolist()):
        samples = [(anchors[j], labels[j]) for j in range(len(anchors)) if j != i]
        samples += [pair for pair in zip(others, other_labels, strict=True) if pair[1] >= 0]
        likeness = [(anchors[i].double() @ vector.double()) / temperature for vector, _ in samples]
        total = logits[i].double().exp().sum()
        total = total + gamma * sum((each.exp() for each in likeness), torch.zeros(()).double())
        terms = beta * (logits[i, label].double() - total.log())
        positives = [e for e, (_, other) in zip(likeness, samples, strict=True) if other == label]
        for each in positives:
            terms = terms + alpha * (each - total.log())
        losses.append(-terms / (beta + alpha * len(positives)))
    return torch.stack(losses)


@pytest.mark.parametrize(
    "changes",
    [{}, {"alpha": 0.0}, {"alpha": 1.0}, {"beta": 0.3}, {"gamma": 0.0}, {"gamma": 2.5},
     {"temperature": 0.05}],
    ids=str,
)  # fmt: skip
def test_the_loss_is_the_sum_of_its_terms_and_so_is_its_gradient(changes: dict[str, float]) -> None:
    found = []
    for loss in (parametric_contrastive_loss, anchor_by_anchor):
        given = case()
        for key in ("logits", "anchors", "others"):
            given[key].requires_grad_()
        value = loss(**given, **SETTINGS | changes)
        value.sum().backward()
        grads = [given[key].grad for key in ("logits", "anchors", "others")]
        found.append((value.detach().double(), grads))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_without_samples_it_is_balanced_softmax() -> None:
    given = case()
    loss = parametric_contrastive_loss(**given, **SETTINGS | {"alpha": 0.0, "gamma": 0.0})
    torch.testing.assert_close(
        loss, functional.cross_entropy(given["logits"], given["labels"], reduction="none")
    )


def test_at_alpha_zero_samples_stand_in_the_denominator_only() -> None:
    given = case()
    loss = parametric_contrastive_loss(**given, **SETTINGS | {"alpha": 0.0})
    plain = functional.cross_entropy(given["logits"], given["labels"], reduction="none")
    assert bool((loss > plain).all())
    relabelled = given | {"other_labels": given["other_labels"].where(given["other_labels"] < 0, 0)}
    again = parametric_contrastive_loss(**relabelled, **SETTINGS | {"alpha": 0.0})
    assert torch.equal(loss, again)


def test_small_alpha_approaches_the_limit() -> None:
    given = case()
    limit = parametric_contrastive_loss(**given, **SETTINGS | {"alpha": 0.0})
    gaps = [
        float((parametric_contrastive_loss(**given, **SETTINGS | {"alpha": a}) - limit).abs().max())
        for a in (1e-2, 1e-3, 1e-4)
    ]
    assert gaps[0] > 5 * gaps[1] > 25 * gaps[2] > 0


def test_an_anchor_is_no_candidate_of_its_own() -> None:
    alone: dict[str, Any] = {
        "logits": torch.tensor([[1.0, 0.0]]),
        "anchors": unit(1, 3),
        "others": torch.zeros(0, 3),
        "labels": torch.tensor([0]),
        "other_labels": torch.zeros(0, dtype=torch.long),
    }
    loss = parametric_contrastive_loss(**alone, **SETTINGS)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_empty_places_take_no_part() -> None:
    given = case()
    filled = given["other_labels"] >= 0
    shorter = given | {
        "others": given["others"][filled], "other_labels": given["other_labels"][filled]
    }  # fmt: skip
    torch.testing.assert_close(
        parametric_contrastive_loss(**given, **SETTINGS),
        parametric_contrastive_loss(**shorter, **SETTINGS),
    )


def test_samples_of_other_classes_repel_and_of_the_same_attract() -> None:
    """Only positives gain from the numerator, whatever the direction of a sample."""
    anchor = torch.tensor([[1.0, 0.0]])
    others = torch.tensor([[0.6, 0.8], [0.6, -0.8]]).requires_grad_()
    loss = parametric_contrastive_loss(
        torch.zeros(1, 2), anchor, others, torch.tensor([0]), torch.tensor([0, 1]),
        alpha=1.0, beta=1.0, gamma=1.0, temperature=0.5,
    )  # fmt: skip
    loss.sum().backward()
    assert others.grad is not None
    assert float(others.grad[0, 0]) < 0 < float(others.grad[1, 0])


def test_it_is_finite_where_similarities_are_extreme() -> None:
    given = case() | {"anchors": torch.eye(5, 6), "others": torch.eye(9, 6)}
    given["logits"] = given["logits"] * 1e3
    loss = parametric_contrastive_loss(**given, **SETTINGS | {"temperature": 1e-3})
    assert bool(loss.isfinite().all())


def test_half_precision_networks_get_a_loss_in_full_precision() -> None:
    given = case()
    full = parametric_contrastive_loss(**given, **SETTINGS | {"temperature": 0.05})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = parametric_contrastive_loss(**given, **SETTINGS | {"temperature": 0.05})
    assert half.dtype == torch.float32
    assert torch.equal(half, full)


# the components


def small_net(seed: int = 0) -> Net:
    with scoped_global_seed(seed):
        backbone = build_backbone(BackboneConfig(name="cifar_resnet8", options={"width": 4}))
        return linear_net(backbone, tiny_task(COUNTS))


def step(added: int = 0) -> Step:
    task = tiny_task(COUNTS, added=added)
    return Step(Stage("base"), task, 0, 1, 0, 1, 0, torch.device("cpu"))


def batch(labels: list[int], seed: int = 0) -> Batch:
    n = len(labels)
    first, second = torch.randn(2, n, 3, 8, 8, generator=generator(seed))
    targets = ((torch.tensor(labels), torch.ones(n)),)
    return Batch(first, targets, torch.zeros(n, dtype=torch.uint8), torch.arange(n), (second,))


class NoRows:
    """Rows that nobody may look at."""


def started(component: Component, seed: int = 0) -> Any:
    net = small_net(seed)
    with scoped_global_seed(seed):
        component.start_stage(net, NoRows(), step())  # type: ignore[arg-type]
    return net


def flat_steps(name: str, folder: Path, **changes: Any) -> tuple[Any, Watch]:
    watch = Watch((part(name, **changes),), deep=True)
    net, _, _ = train(tiny_job(watch, folder, recipe=tiny_recipe(steps=6)))
    return net, watch


def test_the_first_loss_of_paco_is_that_of_two_views_alone() -> None:
    paco = part("paco", queue=7, alpha=0.05, temperature=0.2)
    net, rows = started(paco), batch([0, 1, 0, 2, 1])
    found = paco.loss(net, rows, step())
    with torch.no_grad():
        features = net.features(rows.images)
        keys = functional.normalize(net.contrast.slow(rows.views[0]))
        log_pi = torch.tensor(COUNTS, dtype=torch.float32).div(sum(COUNTS)).log()
        expected = anchor_by_anchor(
            net.head(features) + log_pi, net.contrast(features), keys, rows.labels, rows.labels,
            **SETTINGS,
        )  # fmt: skip
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-4)
    assert net.contrast.queue.labels.tolist() == [0, 1, 0, 2, 1, -1, -1]
    torch.testing.assert_close(net.contrast.queue.features[:5], keys)


def test_later_losses_of_paco_use_the_keys_of_earlier_batches() -> None:
    paco = part("paco", queue=8, alpha=0.05, temperature=0.2)
    net = started(paco)
    paco.loss(net, batch([0, 1, 2]), step())
    held, held_labels = net.contrast.queue.entries()
    rows = batch([1, 0, 0], seed=1)
    found = paco.loss(net, rows, step())
    with torch.no_grad():
        features = net.features(rows.images)
        keys = functional.normalize(net.contrast.slow(rows.views[0]))
        log_pi = torch.tensor(COUNTS, dtype=torch.float32).div(sum(COUNTS)).log()
        expected = anchor_by_anchor(
            net.head(features) + log_pi, net.contrast(features), torch.cat([keys, held[:3]]),
            rows.labels, torch.cat([rows.labels, held_labels[:3]]), **SETTINGS,
        )  # fmt: skip
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-4)


def test_gpaco_trains_both_views_and_queues_the_second() -> None:
    gpaco = part("gpaco", queue=6, alpha=0.05, temperature=0.2)
    net, rows = started(gpaco), batch([0, 1, 0, 2])
    found = gpaco.loss(net, rows, step())
    with torch.no_grad():
        features = torch.cat([net.features(rows.images), net.features(rows.views[0])])
        log_pi = torch.tensor(COUNTS, dtype=torch.float32).div(sum(COUNTS)).log()
        anchors = net.contrast(features)
        expected = anchor_by_anchor(
            net.head(features) + log_pi, anchors, anchors[:0], rows.labels.repeat(2),
            rows.labels[:0], **SETTINGS,
        )  # fmt: skip
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-4)
    assert net.contrast.queue.labels.tolist() == [0, 1, 0, 2, -1, -1]
    torch.testing.assert_close(net.contrast.queue.features[:4], anchors[4:])


def test_no_gradient_reaches_the_slow_copy_or_the_queue() -> None:
    paco = part("paco", queue=8)
    net = started(paco)
    net.requires_grad_(True)
    for seed in (0, 1):
        paco.loss(net, batch([0, 1, 2], seed), step()).backward()
    assert all(part.grad is None for part in net.contrast.slow.parameters())
    assert not net.contrast.queue.features.requires_grad
    assert all(part.grad is not None for part in net.backbone.parameters())
    assert all(part.grad is not None for part in net.contrast.projector.parameters())


def test_training_moves_the_slow_copy_by_its_momentum_only(tmp_path: Path) -> None:
    """Neither gradient nor weight decay reaches it: with momentum 1 it never moves."""
    recipe = tiny_recipe(steps=6)
    strong = replace(recipe, optimizer=replace(recipe.optimizer, weight_decay=0.5))
    kept: dict[float, Any] = {}
    for momentum in (0.0, 1.0):
        watch = Watch((part("paco", momentum=momentum),))
        net, _, _ = train(tiny_job(watch, tmp_path / str(momentum), recipe=strong))
        kept[momentum] = net
    frozen = kept[1.0]
    with scoped_global_seed(0, "init", "base"):
        first = linear_net(
            build_backbone(BackboneConfig(name="cifar_resnet8", options={"width": 4})),
            tiny_task(CASES[MAIN_CASE], added=1),
        )
    names = dict(first.backbone.named_parameters())
    for name, now in frozen.contrast.slow.backbone.named_parameters():
        assert torch.equal(now, names[name])
    moved = kept[0.0]
    for slow, fast in (
        (moved.contrast.slow.backbone, moved.backbone),
        (moved.contrast.slow.head, moved.contrast.projector),
    ):
        for one, other in zip(slow.parameters(), fast.parameters(), strict=True):
            assert torch.equal(one, other)


@BOTH
@pytest.mark.parametrize("queue", [1, 5, 1024])
def test_the_queue_may_be_shorter_than_a_batch_or_longer_than_the_rows(
    name: str, queue: int, tmp_path: Path
) -> None:
    net, watch = flat_steps(name, tmp_path, queue=queue)
    seen = sum(net.contrast.queue.labels >= 0)
    # six steps of 32 or 20 rows out of 52
    assert int(seen) == min(queue, 3 * 52)
    assert all(math.isfinite(loss) for loss in watch.trace)


@BOTH
def test_the_deployed_network_is_backbone_and_classifier_without_prior(
    name: str, tmp_path: Path
) -> None:
    net, watch = flat_steps(name, tmp_path)
    task = tiny_task(CASES[MAIN_CASE], added=1)
    module = watch.deploy(net, task).eval()
    assert {key.partition(".")[0] for key in module.state_dict()} == {"backbone", "head"}
    images = torch.randn(4, 3, 8, 8, generator=generator())
    assert torch.equal(module(images), net.eval().head(net.backbone(images)))


@BOTH
def test_the_prior_may_come_from_before_or_after_the_budget(name: str) -> None:
    losses = {}
    for prior in ("real", "train"):
        component = part(name, prior=prior)
        losses[prior] = component.loss(started(component), batch([0, 1, 2]), step(added=50)).item()
    assert losses["real"] != losses["train"]
    flat = part(name, prior="train")
    # 1,000 more of each class leave almost no prior
    near = flat.loss(started(flat), batch([2, 2, 2]), step(added=100_000)).item()
    rare = part(name, prior="real")
    assert rare.loss(started(rare), batch([2, 2, 2]), step(added=100_000)).item() > near


@BOTH
def test_it_acts_in_its_own_stage_only(name: str) -> None:
    stack = Stack((part(name), part("retrain_head")))
    base, late = stack.stages([Stage("base")])
    assert (base.name, base.owner, late.owner) == ("base", name, "retrain_head")
    assert [each.name for each in stack.acting("loss", base)] == [name]
    assert stack.acting("loss", late) == []


@BOTH
@pytest.mark.parametrize("other", ["mixup", "cmo", "ldam", "drw", "balanced_softmax"])
def test_what_its_loss_would_ignore_is_refused(name: str, other: str) -> None:
    with pytest.raises(
        UsageError, match=f"'{name}' brings its own loss and would ignore '{other}'"
    ):
        Stack((part(name), part(other)))


def test_both_ask_for_a_weak_and_a_strong_view() -> None:
    for name in ("paco", "gpaco"):
        assert Stack((part(name),)).views(tiny_recipe()) == ("weak", "strong")


def test_published_settings_are_shipped() -> None:
    shipped = shipped_settings("paco")
    assert (shipped["alpha"], shipped["beta"], shipped["gamma"]) == (0.01, 1.0, 1.0)
    assert (shipped["temperature"], shipped["queue"], shipped["width"]) == (0.05, 1024, 32)
    assert shipped["momentum"] == 0.999
    net = small_net()
    component = part("paco")
    component.start_stage(net, NoRows(), step())  # type: ignore[arg-type]
    assert [type(layer).__name__ for layer in net.contrast.projector] == [  # type: ignore[union-attr]
        "Linear", "BatchNorm1d", "ReLU", "Linear",
    ]  # fmt: skip
