"""RISDA against naive sums, torch's own covariances, closed forms, and what each switch may do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.class_prior import effective_number_weights
from baselines.reasoning import (
    Moments,
    Reasoning,
    class_moments,
    confusion_graph,
    confusions,
    directional_variance,
    imagined_logits,
    merged,
    rare_classes,
    reasoned_covariances,
    reasoned_shift,
    survey,
)
from baselines.risda import RISDA
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
from tests.unit.test_class_prior import CIFAR100

CPU = torch.device("cpu")
COUNTS, CLASSES, WIDTH = (9, 6, 3, 1), 4, 5
TASK = tiny_task(COUNTS)
ROWS, SWITCH = 52, 8  # rows of the tiny main case; it takes ten epochs of two steps


def part(name: str = "risda", **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=dtype)


def spreads(classes: int, width: int, seed: int = 0) -> Tensor:
    """Symmetric, positive definite matrices in double precision."""
    root = normal(classes, width, width, seed=seed, dtype=torch.float64)
    return root @ root.mT / width


def step(epoch: int = 9, epochs: int = 10, task: Task = TASK) -> Step:
    return Step(Stage("base", owner="risda"), task, epoch, epochs, epoch, epochs, 0, CPU)


class Same(nn.Module):
    """A backbone whose features are its images."""

    num_features = WIDTH

    def forward(self, images: Tensor) -> Tensor:
        return images


def flat_net(component: Component, seed: int = 0) -> Any:
    """Features are images; statistics empty, graph and shift as set here."""
    with scoped_global_seed(seed):
        net: Any = linear_net(Same(), TASK)
    component.start_stage(net, tiny_rows(TASK), step(0))
    net.reasoning.graph.copy_(normal(CLASSES, CLASSES, seed=3).softmax(1))
    net.reasoning.shift.copy_(normal(CLASSES, WIDTH, seed=4))
    return net


def flat_batch(labels: list[int], seed: int = 0) -> Batch:
    n = len(labels)
    targets = ((torch.tensor(labels), torch.ones(n)),)
    origins = torch.zeros(n, dtype=torch.uint8)
    return Batch(normal(n, WIDTH, seed=seed), targets, origins, torch.arange(n))


LABELS = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3]


# the augmented logits


def naive_variance(weight: Tensor, covariances: Tensor, labels: Tensor) -> Tensor:
    gaps = weight[None] - weight[labels][:, None]
    return torch.einsum("bjd,bde,bje->bj", gaps, covariances[labels], gaps)


@pytest.mark.parametrize("full", [True, False])
def test_the_quadratic_term_is_the_naive_sum_with_its_gradient(full: bool) -> None:
    covariances, labels = spreads(6, 4), torch.tensor([5, 0, 0, 3, 5, 1, 0])
    if not full:
        covariances = torch.diag_embed(covariances.diagonal(dim1=1, dim2=2))
    given = covariances if full else covariances.diagonal(dim1=1, dim2=2)
    weight = normal(6, 4, seed=1, dtype=torch.float64).requires_grad_()
    pull = normal(7, 6, seed=2, dtype=torch.float64)
    found, expected = [
        torch.autograd.grad((made * pull).sum(), weight)[0]
        for made in (
            directional_variance(weight, given, labels),
            naive_variance(weight, covariances, labels),
        )
    ]
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        directional_variance(weight, given, labels), naive_variance(weight, covariances, labels)
    )


def test_the_quadratic_term_is_zero_at_the_label_and_not_negative() -> None:
    labels = torch.arange(6)
    found = directional_variance(normal(6, 4, dtype=torch.float64), spreads(6, 4), labels)
    torch.testing.assert_close(found.diagonal(), torch.zeros(6, dtype=torch.float64))
    assert (found - torch.diag(found.diagonal()) >= 0).all()


def test_a_mean_shift_alone_is_cross_entropy_of_shifted_features() -> None:
    weight, features = normal(4, 5), normal(7, 5, seed=1)
    shift, labels = normal(4, 5, seed=2), torch.tensor([0, 1, 2, 3, 0, 1, 1])
    more = imagined_logits(weight, torch.zeros(4, 5, 5), shift, labels, 0.7, 3.0)
    got = functional.cross_entropy(features @ weight.T + more, labels, reduction="none")
    moved = (features + 0.7 * shift[labels]) @ weight.T
    torch.testing.assert_close(got, functional.cross_entropy(moved, labels, reduction="none"))


def test_augmented_logits_are_those_of_infinitely_many_features() -> None:
    # log E exp((w_j - w_y).x) over x ~ N(alpha shift, beta S), by Gauss-Hermite quadrature
    weight, labels = 0.5 * normal(3, 2, dtype=torch.float64), torch.tensor([1])
    covariances, shift = spreads(3, 2), normal(3, 2, seed=5, dtype=torch.float64)
    points, mass = (torch.from_numpy(given) for given in np.polynomial.hermite_e.hermegauss(40))
    drawn, mass = torch.cartesian_prod(points, points), torch.outer(mass, mass).flatten()
    drawn = 0.5 * shift[1] + 0.8**0.5 * drawn @ torch.linalg.cholesky(covariances[1]).T
    expected = (mass / mass.sum() @ (drawn @ (weight - weight[1]).T).exp()).log()
    got = imagined_logits(weight, covariances, shift, labels, 0.5, 0.8)[0]
    torch.testing.assert_close(got, expected)


# running statistics


def running(batches: list[tuple[Tensor, Tensor, Tensor]], full: bool = True) -> Moments:
    width = (5, 5) if full else (5,)
    held = Moments(
        torch.zeros(4, dtype=torch.float64),
        torch.zeros(4, 5, dtype=torch.float64),
        torch.zeros(4, *width, dtype=torch.float64),
    )
    for features, labels, weights in batches:
        held = merged(held, class_moments(features, labels, weights, 4, full))
    return held


def lots(weighted: bool = False) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Batches of which one lacks two classes and one has a single row of another; 3 never comes."""
    found = []
    for seed, labels in enumerate(([0, 0, 1, 2, 0, 1], [0, 0, 0], [2, 0, 2, 2, 1], [1, 1])):
        features = 3 + normal(len(labels), 5, seed=seed, dtype=torch.float64)
        weights = torch.ones(len(labels), dtype=torch.float64)
        if weighted:
            weights = torch.rand(len(labels), generator=generator(seed), dtype=torch.float64)
        found.append((features, torch.tensor(labels), weights))
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_running_statistics_are_those_of_all_features_at_once(weighted: bool) -> None:
    found = running(lots(weighted))
    features, labels, weights = (torch.cat(given) for given in zip(*lots(weighted), strict=True))
    for label in range(3):
        own, share = features[labels == label], weights[labels == label]
        torch.testing.assert_close(found.amounts[label], share.sum())
        torch.testing.assert_close(found.means[label], share @ own / share.sum())
        torch.testing.assert_close(
            found.covariances[label], torch.cov(own.T, correction=0, aweights=share)
        )
    assert not found.amounts[3] and not found.means[3].any() and not found.covariances[3].any()


def test_a_class_of_one_image_has_no_spread() -> None:
    features, labels, weights = normal(1, 5), torch.tensor([2]), torch.ones(1)
    found = class_moments(features, labels, weights, 4, True)
    torch.testing.assert_close(found.means[2], features[0])
    assert not found.covariances.any()


def test_diagonal_statistics_are_the_diagonals_of_full_ones() -> None:
    full, diagonal = running(lots(True)), running(lots(True), full=False)
    torch.testing.assert_close(diagonal.covariances, full.covariances.diagonal(dim1=1, dim2=2))
    torch.testing.assert_close(diagonal.means, full.means)


def test_rows_of_no_weight_change_nothing() -> None:
    features, labels, weights = lots()[0]
    extra = torch.cat([features, 100 + features]), torch.cat([labels, labels])
    found = running([(*extra, torch.cat([weights, 0 * weights]))])
    for made, expected in zip(found, running([(features, labels, weights)]), strict=True):
        torch.testing.assert_close(made, expected)


# the graph and what is reasoned with it


def test_the_graph_holds_shares_of_each_class() -> None:
    labels, guesses = torch.tensor([0, 0, 0, 1, 1, 2]), torch.tensor([0, 2, 0, 1, 0, 2])
    counts = confusions(labels, guesses, 4)
    expected = [[2, 0, 1, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert counts.tolist() == expected
    graph = confusion_graph(counts)
    torch.testing.assert_close(graph.sum(1), torch.ones(4))
    torch.testing.assert_close(graph[0], torch.tensor([2 / 3, 0, 1 / 3, 0]))
    assert graph[3].tolist() == [0, 0, 0, 1]


def test_rounding_gives_the_graph_two_decimals() -> None:
    counts = torch.tensor([[2, 1], [3, 997]])
    expected = torch.tensor([[0.67, 0.33], [0.0, 1.0]])
    torch.testing.assert_close(confusion_graph(counts, rounded=True), expected)


def test_nothing_shifts_where_nothing_is_confused() -> None:
    assert not reasoned_shift(torch.eye(4), normal(4, 5)).any()


def test_the_shift_leads_to_the_mean_of_what_a_class_is_taken_for() -> None:
    graph, means = normal(4, 4).softmax(1), normal(4, 5, seed=1)
    for label, shift in enumerate(reasoned_shift(graph, means)):
        expected = sum(graph[label, j] * means[j] for j in range(4)) - means[label]
        torch.testing.assert_close(shift, expected)


@pytest.mark.parametrize("full", [True, False])
def test_rare_classes_borrow_and_others_keep_their_covariance(full: bool) -> None:
    graph, rare = normal(4, 4).softmax(1), torch.tensor([False, True, False, True])
    covariances = normal(4, 5, 5, seed=1) if full else normal(4, 5, seed=1)
    before, found = covariances.clone(), reasoned_covariances(graph, covariances, rare)
    for label in range(4):
        mixed = sum(graph[label, j] * covariances[j] for j in range(4))
        torch.testing.assert_close(found[label], mixed if rare[label] else covariances[label])
    assert torch.equal(covariances, before)


def test_the_twenty_largest_of_a_hundred_classes_keep_their_covariance() -> None:
    assert rare_classes(CIFAR100, 0.2, CPU).nonzero()[:, 0].tolist() == list(range(20, 100))
    order = torch.randperm(100, generator=generator()).tolist()
    shuffled = tuple(CIFAR100[label] for label in order)
    found = rare_classes(shuffled, 0.2, CPU)
    assert found.tolist() == [label >= 20 for label in order]


@pytest.mark.parametrize(
    ("counts", "head", "expected"),
    [
        ((5, 5, 5, 5), 0.5, [False] * 4),
        ((5, 3, 3, 1), 0.5, [False, False, False, True]),
        ((5, 3, 0, 1), 0.75, [False, False, True, False]),
        ((5, 3, 2, 1), 0.0, [True] * 4),
        ((5, 3, 2, 1), 1.0, [False] * 4),
    ],
)
def test_classes_of_equal_size_are_treated_alike(
    counts: tuple[int, ...], head: float, expected: list[bool]
) -> None:
    assert rare_classes(counts, head, CPU).tolist() == expected


def test_the_graph_of_the_best_accuracy_is_kept() -> None:
    state, good, bad = Reasoning(2, 3, True), torch.tensor([[3, 1], [1, 3]]), torch.ones(2, 2)
    state.keep_best(bad, False)
    state.keep_best(good, False)
    state.keep_best(bad, False)
    torch.testing.assert_close(state.graph, torch.tensor([[0.75, 0.25], [0.25, 0.75]]))
    assert state.accuracy == 0.75


def test_a_survey_counts_guesses_and_averages_features_over_all_rows() -> None:
    with scoped_global_seed(0):
        net = linear_net(
            build_backbone(BackboneConfig(name="cifar_resnet8", options={"width": 4})), TASK
        )
    rows = tiny_rows(TASK)
    counts, means = survey(net, rows, CLASSES, generator(3))
    whole = rows.batch(torch.arange(len(rows)), generator(3))
    features = net.features(whole.images).detach()
    guesses = net.head(features).argmax(1)
    assert counts.sum(1).tolist() == list(COUNTS)
    assert counts.tolist() == confusions(whole.labels, guesses, CLASSES).tolist()
    for label in range(CLASSES):
        torch.testing.assert_close(means[label], features[whole.labels == label].mean(0))


# the loss of a batch


def by_definition(net: Any, batch: Batch, settings: RISDA.Config, at: Step) -> Tensor:
    """The loss of a first late batch, class by class and row by row."""
    weight, bias, state = net.head.weight, net.head.bias, net.reasoning
    features, labels = batch.images, batch.labels
    own = [torch.cov(features[labels == k].T, correction=0) for k in range(CLASSES)]
    largest = round(settings.head * CLASSES)
    spread = [
        own[k] if k < largest else sum(state.graph[k, j] * own[j] for j in range(CLASSES))
        for k in range(CLASSES)
    ]
    alpha, beta = settings.alpha * at.progress, settings.beta * at.progress
    weights = effective_number_weights(COUNTS, settings.number_beta, CPU)
    total = torch.zeros(())
    for feature, label in zip(features, labels, strict=True):
        gaps = weight - weight[label]
        logits = weight @ feature + bias + alpha * gaps @ state.shift[label]
        logits = logits + beta / 2 * torch.stack([gap @ spread[label] @ gap for gap in gaps])
        total = total - weights[label] * logits.log_softmax(0)[label]
    return total / weights[labels].sum()


@pytest.mark.parametrize("head", [0.0, 0.5, 1.0])
def test_the_late_loss_is_its_definition_with_its_gradient(head: float) -> None:
    component = part(head=head, alpha=0.6, beta=1.5)
    net, batch = flat_net(component), flat_batch([0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3])
    expected = by_definition(net, batch, component.config, step())
    expected_gradient = torch.autograd.grad(expected, net.head.weight)[0]
    found = component.loss(net, batch, step())
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found, net.head.weight)[0], expected_gradient)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_without_strength_the_late_loss_is_weighted_cross_entropy(covariance: str) -> None:
    component = part(alpha=0.0, beta=0.0, covariance=covariance)
    net, batch = flat_net(component), flat_batch(LABELS)
    weights = effective_number_weights(COUNTS, 0.9999, CPU)
    expected = functional.cross_entropy(net(batch.images), batch.labels, weights)
    torch.testing.assert_close(component.loss(net, batch, step()), expected)


def test_before_the_switch_the_loss_is_plain_and_nothing_is_observed() -> None:
    component = part()
    net, batch = flat_net(component), flat_batch(LABELS)
    found = component.loss(net, batch, step(SWITCH - 1))
    torch.testing.assert_close(found, functional.cross_entropy(net(batch.images), batch.labels))
    assert not net.reasoning.amounts.any()


def test_strengths_grow_with_the_epoch() -> None:
    # in the last of 200 epochs alpha is 0.5 * 199 / 200, as for a constant strength of that
    component, late = part(alpha=0.5, beta=0.75), replace(step(), epoch=199, epochs=200)
    earlier = part(alpha=0.5 * 199 / 160, beta=0.75 * 199 / 160)
    batch = flat_batch(LABELS)
    torch.testing.assert_close(
        component.loss(flat_net(component), batch, late),
        earlier.loss(flat_net(earlier), batch, replace(late, epoch=160)),
    )


def test_the_prior_names_the_counts_of_weights_and_ranks() -> None:
    task = Task("d", ("a", "b", "c", "d"), COUNTS, (9,) * 4, 8)
    plain, at = part(alpha=0.0, beta=0.0, prior="train"), step(task=task)
    net, batch = flat_net(plain), flat_batch(LABELS)
    torch.testing.assert_close(
        plain.loss(net, batch, at), functional.cross_entropy(net(batch.images), batch.labels)
    )
    # no class is rare among equals, so no covariance is borrowed
    borrows, keeps = part(number_beta=0.0), part(number_beta=0.0, prior="train")
    own = part(number_beta=0.0, head=1.0)
    found, none, kept = (each.loss(flat_net(each), batch, at) for each in (borrows, keeps, own))
    torch.testing.assert_close(none, kept)
    assert (found - none).abs() > 1e-3


def test_half_precision_reaches_the_backbone_only() -> None:
    component = part()
    batch, nets = flat_batch(LABELS), [flat_net(component) for _ in range(2)]
    plain = component.loss(nets[0], batch, step())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = component.loss(nets[1], batch, step())
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, plain, rtol=0, atol=0)


# mixed batches


def mixed(batch: Batch, share: float) -> Batch:
    others = batch.labels.flip(0)
    images = share * batch.images + (1 - share) * batch.images.flip(0)
    return batch.mixed(images, ((others, torch.ones(len(others))),), torch.tensor(share))


def test_a_mixed_row_counts_for_each_class_by_its_share() -> None:
    component, batch = part(), mixed(flat_batch(LABELS), 0.7)
    net = flat_net(component)
    component.loss(net, batch, step())
    own = torch.tensor(LABELS)
    for label in range(CLASSES):
        share = 0.7 * (own == label) + 0.3 * (own.flip(0) == label)
        torch.testing.assert_close(net.reasoning.amounts[label], share.sum())
        torch.testing.assert_close(
            net.reasoning.covariances[label],
            torch.cov(batch.images.T, correction=0, aweights=share),
        )


def test_blending_with_nothing_changes_nothing() -> None:
    component, batch = part(), flat_batch(LABELS)
    nets = [flat_net(component) for _ in range(2)]
    plain, blended = (
        component.loss(net, given, step())
        for net, given in zip(nets, (batch, mixed(batch, 1.0)), strict=True)
    )
    torch.testing.assert_close(blended, plain)
    for name, tensor in nets[0].reasoning.named_buffers():
        torch.testing.assert_close(tensor, nets[1].reasoning.get_buffer(name))


# the released code's ways


def two_steps(component: Component, **state: Tensor) -> tuple[list[float], dict[str, Tensor]]:
    """Losses of two late batches, and the statistics after them."""
    net = flat_net(component)
    for name, value in state.items():
        net.reasoning.get_buffer(name).copy_(value)
    batches = (flat_batch(LABELS), flat_batch(LABELS, seed=1))
    losses = [component.loss(net, batch, step()).item() for batch in batches]
    return losses, dict(net.reasoning.named_buffers())


def test_shifting_twice_doubles_the_shift_and_moves_the_means() -> None:
    shift = normal(CLASSES, WIDTH, seed=4)
    plain, held = two_steps(part())
    twice, found = two_steps(part(shift_twice=True))
    doubled, _ = two_steps(part(), shift=2 * shift)
    assert twice == pytest.approx(doubled, abs=1e-5)
    assert twice != pytest.approx(plain, abs=1e-2)
    torch.testing.assert_close(found["means"], held["means"] + 0.5 * 0.9 * shift)
    for name in ("amounts", "covariances", "graph", "shift", "accuracy"):
        torch.testing.assert_close(found[name], held[name])


def test_borrowing_compounds_from_the_second_step_on() -> None:
    plain, held = two_steps(part())
    compounding, found = two_steps(part(compounding=True))
    assert compounding[0] == plain[0]
    assert compounding[1] != pytest.approx(plain[1], abs=1e-4)
    rare = rare_classes(COUNTS, 0.2, CPU)
    torch.testing.assert_close(found["covariances"][~rare], held["covariances"][~rare])
    assert (found["covariances"][rare] - held["covariances"][rare]).abs().max() > 1e-3
    for name in ("amounts", "means", "graph", "shift", "accuracy"):
        torch.testing.assert_close(found[name], held[name])


def test_nothing_compounds_where_nothing_is_confused() -> None:
    itself = torch.eye(CLASSES)
    plain, compounding = (two_steps(part(compounding=each), graph=itself) for each in (False, True))
    assert plain[0] == pytest.approx(compounding[0], abs=1e-6)
    torch.testing.assert_close(plain[1]["covariances"], compounding[1]["covariances"])


@pytest.mark.parametrize("switch", ["shift_twice", "compounding", "rounded"])
def test_a_released_way_is_no_setting_of_its_own_until_chosen(switch: str) -> None:
    assert switch not in shipped_settings("risda")
    assert getattr(part().config, switch) is False


# whole runs


def run(
    folder: Path, *parts: Component, deep: bool = False, **changes: Any
) -> tuple[Watch, Any, int]:
    """A watched tiny run; its network, and how many rows components looked at."""
    watch = Watch(parts, deep=deep)
    job = tiny_job(watch, folder, **changes)
    net, _, _ = train(job)
    return watch, net, job.rows.meter.rows_read


def test_until_the_switch_a_run_is_plain_cross_entropy(tmp_path: Path) -> None:
    plain, _, _ = run(tmp_path / "ce", part("ce"))
    watch, _, _ = run(tmp_path / "risda", part())
    assert watch.trace[: 2 * SWITCH] == plain.trace[: 2 * SWITCH]
    assert watch.trace[2 * SWITCH] != plain.trace[2 * SWITCH]


@pytest.mark.parametrize(
    ("settings", "passes"),
    [({}, SWITCH), ({"graph": "last"}, 1), ({"start": 0.0}, 1), ({"start": 0.55}, 6)],
)
def test_rows_are_surveyed_up_to_the_switch(
    tmp_path: Path, settings: dict[str, Any], passes: int
) -> None:
    _, net, read = run(tmp_path, part(**settings))
    assert read == passes * ROWS
    assert net.reasoning.accuracy >= 0
    assert net.reasoning.shift.any()
    assert net.reasoning.amounts.any()


def test_the_rounding_switch_rounds_the_graph_and_only_that_before_it_is_used(
    tmp_path: Path,
) -> None:
    plain, held, _ = run(tmp_path / "plain", part())
    rounded, found, _ = run(tmp_path / "rounded", part(rounded=True))
    assert rounded.trace[: 2 * SWITCH] == plain.trace[: 2 * SWITCH]
    assert rounded.trace[2 * SWITCH :] != plain.trace[2 * SWITCH :]
    torch.testing.assert_close(found.reasoning.graph, held.reasoning.graph.round(decimals=2))


def test_a_run_that_is_too_short_for_the_switch_is_plain(tmp_path: Path) -> None:
    short = tiny_recipe(steps=4)
    plain, _, _ = run(tmp_path / "ce", part("ce"), recipe=short)
    watch, _, _ = run(tmp_path / "risda", part(start=0.9), recipe=short)
    assert watch.trace == plain.trace


def test_a_frozen_backbone_gets_no_step(tmp_path: Path) -> None:
    watch, _, _ = run(tmp_path, part(frozen=0.9), deep=True)
    changed = {seen.index: {name.split(".")[0] for name in seen.changed} for seen in watch.seen}
    assert all(changed[index] == {"backbone", "head"} for index in range(18))
    assert changed[18] == changed[19] == {"head"}


def test_re_training_the_head_is_plain_again(tmp_path: Path) -> None:
    watch = Watch((part(), part("retrain_head")))
    plans = {stage.name: stage.owner for stage in watch.stages([Stage("base")])}
    assert plans == {"base": "risda", "retrain_head": "retrain_head"}
    assert watch.acting("loss", watch.stages([Stage("base")])[1]) == []
    again, _, read = run(tmp_path, part(), part("retrain_head"))
    assert read == SWITCH * ROWS
    assert any(seen.stage.name == "retrain_head" for seen in again.seen)


@pytest.mark.parametrize("other", ["ldam", "drw", "class_balanced", "ride", "ssd"])
def test_what_would_be_ignored_is_refused(other: str) -> None:
    with pytest.raises(UsageError):
        Stack((part(), part(other)))


def test_what_is_deployed_is_the_plain_classifier(tmp_path: Path) -> None:
    watch, net, _ = run(tmp_path, part(), recipe=tiny_recipe(steps=2))
    made = watch.deploy(net, TASK).eval()
    images = normal(3, 3, 8, 8)
    assert isinstance(made, Net)
    assert not [name for name in made.state_dict() if "reasoning" in name]
    torch.testing.assert_close(made(images), net.head(net.eval().features(images)))
