"""GLMC against soft labels written out, and what is blended, pasted, weighted and deployed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.glmc import (
    Beside,
    disagreement,
    label_weighted,
    mixed_label_losses,
    power_weights,
    row_weighted,
)
from benchmark.component import Batch, Component, Net, Stage, Step, Task, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.models import build_backbone
from benchmark.registry import COMPONENTS
from benchmark.seeds import scoped_global_seed
from benchmark.stack import Stack
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_rows, tiny_task
from benchmark.training.train import train
from tests.unit.test_optim import rates, recipe

CPU = torch.device("cpu")
COUNTS, CLASSES, WIDTH = (9, 6, 3), 3, 5
TASK = tiny_task(COUNTS)


def part(name: str = "glmc", **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def step(epoch: int = 0, epochs: int = 10, task: Task = TASK, seed: int = 0) -> Step:
    return Step(Stage("base", owner="glmc"), task, epoch, epochs, epoch, epochs, seed, CPU)


# blends


def marked(first: float, second: float, n: int = 4) -> Batch:
    """A batch whose first and second views are of one value each."""
    images, view = (torch.full((n, 3, 8, 8), value) for value in (first, second))
    targets = ((torch.arange(n) % CLASSES, torch.ones(n)),)
    return Batch(images, targets, torch.zeros(n, dtype=torch.uint8), torch.arange(n), views=(view,))


@pytest.mark.parametrize("seed", range(6))
def test_the_first_views_are_blended_and_the_second_pasted(seed: int) -> None:
    own, aux = marked(0.0, 10.0), marked(1.0, 20.0)
    aux = replace(aux, targets=((torch.tensor([2, 2, 2, 1]), torch.ones(4)),))
    made = part().mix(own, aux, step(seed=seed))
    (labels, kept), (others, gone) = made.targets
    assert torch.equal(labels, own.labels) and torch.equal(others, aux.labels)
    torch.testing.assert_close(kept + gone, torch.ones(4))
    torch.testing.assert_close(made.images, gone[0].expand_as(made.images))
    (cut,) = made.views
    assert set(cut.unique().tolist()) <= {10.0, 20.0}
    # the box is never larger than the share that the label gave away, only cut off or rounded
    assert (cut == 20).float().mean() <= gone[0] + 1e-6
    assert torch.equal(cut[0], cut[3])
    assert torch.equal(own.views[0], marked(0.0, 10.0).views[0])


def test_large_boxes_are_pasted_where_little_is_kept() -> None:
    own, aux = marked(0.0, 10.0), marked(1.0, 20.0)
    found = [part().mix(own, aux, step(seed=seed)) for seed in range(60)]
    share = torch.stack([made.targets[1][1][0] for made in found])
    area = torch.stack([(made.views[0] == 20).float().mean() for made in found])
    assert torch.corrcoef(torch.stack([share, area]))[0, 1] > 0.7
    assert share.min() < 0.1 and share.max() > 0.9


@pytest.mark.parametrize(("power", "odds"), [(0.0, 9 / 1), (1.0, 1.0), (0.5, 3.0)])
def test_the_second_stream_draws_rare_classes_by_the_power(power: float, odds: float) -> None:
    labels = torch.tensor([0] * 9000 + [1] * 1000)
    rng = torch.Generator().manual_seed(0)
    streams = part(sample_power=power).streams(step(), labels, rng)
    assert streams.main is None
    assert streams.aux is not None
    drawn = labels[streams.aux].bincount()
    assert float(drawn[0] / drawn[1]) == pytest.approx(odds, rel=0.1)


# losses


def test_weights_fall_with_a_power_of_the_counts() -> None:
    found = power_weights(torch.tensor([8.0, 4.0, 1.0]), 0.5)
    raw = [8**-0.5, 0.5, 1.0]
    assert found.tolist() == pytest.approx([3 * each / sum(raw) for each in raw])
    torch.testing.assert_close(power_weights(torch.tensor([8.0, 4.0, 1.0]), 0.0), torch.ones(3))


BLENDED = ((torch.tensor([0, 1, 2, 2]), torch.tensor([0.7, 1.0, 0.4, 0.5])),
           (torch.tensor([2, 0, 2, 1]), torch.tensor([0.3, 0.0, 0.6, 0.5])))  # fmt: skip


def soft(targets: Any = BLENDED) -> Tensor:
    """The targets as vectors of class shares."""
    return sum(functional.one_hot(labels, CLASSES) * share[:, None] for labels, share in targets)


def test_losses_of_blended_labels_are_those_of_soft_labels() -> None:
    logits = normal(4, CLASSES)
    expected = functional.cross_entropy(logits, soft(), reduction="none")
    torch.testing.assert_close(mixed_label_losses(logits, BLENDED), expected)


def test_a_label_may_carry_its_own_weight_or_its_rows() -> None:
    weights = torch.tensor([0.5, 1.0, 4.0])
    torch.testing.assert_close(soft(label_weighted(weights, BLENDED)), soft() * weights)
    by_row = soft(row_weighted(weights, BLENDED))
    torch.testing.assert_close(by_row, soft() * (soft() @ weights)[:, None])


def test_both_ways_of_weighing_agree_on_rows_of_one_class() -> None:
    pure = ((torch.tensor([0, 2]), torch.tensor([0.3, 1.0])),
            (torch.tensor([0, 1]), torch.tensor([0.7, 0.0])))  # fmt: skip
    weights = torch.tensor([0.5, 1.0, 4.0])
    torch.testing.assert_close(
        soft(row_weighted(weights, pure)), soft(label_weighted(weights, pure))
    )


def test_a_row_of_another_weight_keeps_it() -> None:
    doubled = tuple((labels, 2 * share) for labels, share in BLENDED)
    weights = torch.tensor([0.5, 1.0, 4.0])
    torch.testing.assert_close(
        soft(row_weighted(weights, doubled)), 2 * soft(row_weighted(weights, BLENDED))
    )


def test_views_that_agree_cost_minus_two_and_opposite_ones_two() -> None:
    one = normal(4, 6)
    torch.testing.assert_close(disagreement((one, one), (one, one)), torch.full((4,), -2.0))
    torch.testing.assert_close(
        disagreement((one, 3 * one), (-one, -2 * one)), torch.full((4,), 2.0)
    )


def test_predictions_move_and_projections_stay() -> None:
    parts = [normal(4, 6, seed=seed).requires_grad_() for seed in range(4)]
    disagreement((parts[0], parts[1]), (parts[2], parts[3])).sum().backward()
    assert parts[0].grad is None and parts[2].grad is None
    guess, answer = parts[1], parts[2].detach()
    # the gradient of -cos(u, h) in u
    cosine = functional.cosine_similarity(guess, answer)[:, None]
    along = functional.normalize(answer) - cosine * functional.normalize(guess)
    assert guess.grad is not None
    torch.testing.assert_close(guess.grad, (-along / guess.norm(dim=1, keepdim=True)).detach())


class Same(nn.Module):
    """A backbone whose features are its images."""

    num_features = WIDTH

    def forward(self, images: Tensor) -> Tensor:
        return images


def flat_net(component: Component) -> Any:
    with scoped_global_seed(0):
        net = linear_net(Same(), TASK)
        component.start_stage(net, tiny_rows(TASK), step())
    return net


def flat_batch() -> Batch:
    return Batch(
        normal(4, WIDTH), BLENDED, torch.zeros(4, dtype=torch.uint8), torch.arange(4),
        views=(normal(4, WIDTH, seed=1),),
    )  # fmt: skip


@pytest.mark.parametrize("weigh", ["row", "label"])
@pytest.mark.parametrize("epoch", [0, 6, 10])
def test_the_loss_moves_from_plain_to_weighted_labels(weigh: str, epoch: int) -> None:
    component = part(weigh=weigh, weight_power=1.0, consistency=3.0)
    net, batch = flat_net(component), flat_batch()
    weights = power_weights(torch.tensor(COUNTS, dtype=torch.float32), 1.0)
    row = soft() @ weights if weigh == "row" else torch.ones(4)
    labels = soft() if weigh == "row" else soft() * weights
    plain = rare = torch.zeros(())
    for images in (batch.images, batch.views[0]):
        plain = plain - (soft() * net.beside.plain(images).log_softmax(1)).sum(1).mean()
        rare = rare - (row * (labels * net.head(images).log_softmax(1)).sum(1)).mean()
    looks = [net.beside.views(images) for images in (batch.images, batch.views[0])]
    share = 1 - (epoch / 10) ** 2
    expected = share * plain + (1 - share) * rare + 3 * disagreement(*looks).mean()
    torch.testing.assert_close(component.loss(net, batch, step(epoch)), expected)


def test_without_weights_and_agreement_the_end_is_cross_entropy_of_both_views() -> None:
    component = part(weight_power=0.0, consistency=0.0)
    net, batch = flat_net(component), flat_batch()
    views = (batch.images, batch.views[0])
    expected = sum(functional.cross_entropy(net(images), soft()) for images in views)
    torch.testing.assert_close(component.loss(net, batch, step(10)), expected)


def test_the_prior_names_the_counts_of_the_weights() -> None:
    task = Task("d", ("a", "b", "c"), COUNTS, (9, 9, 9), 8)
    none = part(weight_power=0.0)
    flat, real = part(prior="train"), part(prior="real")
    batch, late = flat_batch(), step(10, task=task)
    losses = [each.loss(flat_net(each), batch, late).item() for each in (none, flat, real)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert losses[0] != pytest.approx(losses[2], abs=1e-2)


def test_projections_are_linear_and_as_wide_as_told() -> None:
    found = Beside(5, 3, 7).views(normal(4, 5))
    assert [tuple(each.shape) for each in found] == [(4, 7), (4, 7)]


# runs, stacks, the recipe


def test_at_first_only_the_plain_classifier_learns_labels(tmp_path: Path) -> None:
    watch = Watch((part(),), deep=True)
    train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=20)))
    graded = {seen.index: seen.graded for seen in watch.seen}
    assert "head.weight" not in graded[0] and "beside.plain.weight" in graded[0]
    assert "head.weight" in graded[19]


def test_what_is_deployed_is_the_weighted_classifier(tmp_path: Path) -> None:
    watch = Watch((part(),))
    net, _, _ = train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=2)))
    made = watch.deploy(net, TASK).eval()
    assert isinstance(made, Net)
    assert made.head is net.head
    assert not [name for name in made.state_dict() if "beside" in name]


@pytest.mark.parametrize("other", ["cmo", "mixup", "drw", "balanced_softmax", "ldam"])
def test_what_would_be_ignored_is_refused(other: str) -> None:
    with pytest.raises(UsageError):
        Stack((part(), part(other)))


def test_re_training_the_head_is_left_alone() -> None:
    stack = Stack((part(), part("retrain_head")))
    base, again = stack.stages([Stage("base")])
    acting = {hook: [each.name for each in stack.acting(hook, again)] for hook in ("loss", "mix")}
    assert acting == {"loss": [], "mix": []}
    assert [each.name for each in stack.acting("mix", base)] == ["glmc"]


def test_the_recipe_is_one_cosine_over_200_epochs() -> None:
    settings = recipe("r_glmc")
    assert (settings.steps.amount, settings.batch_size) == (200, 64)
    found = rates(settings, Stage("base"), 0, 200)
    assert found[0] == pytest.approx(0.01)
    assert found[100] == pytest.approx(0.005)


def test_the_published_backbone_has_7_4_million_parameters() -> None:
    backbone = build_backbone(BackboneConfig(name="cifar_resnet32", options={"width": 64}))
    net = linear_net(backbone, tiny_task((1,) * 100))
    count = sum(each.numel() for each in net.parameters())
    assert round(count / 1e6, 2) == 7.41
