"""BCL against its definition, vector by vector, and what class averages promise."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.balanced_contrast import balanced_contrast
from baselines.bcl import all_features
from baselines.logit_adjustment import LogitAdjustment
from benchmark.component import Batch, Component, Net, Stage, Step, linear_net
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.models import build_backbone
from benchmark.registry import COMPONENTS
from benchmark.seeds import scoped_global_seed
from benchmark.stack import Stack
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train

COUNTS = (6, 3, 1)


def part(name: str, **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def unit(*shape: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(*shape, generator=rng), dim=1)


def by_vectors(vectors: Tensor, labels: list[int], prototypes: Tensor, heat: float) -> list[float]:
    losses = []
    for i, (one, label) in enumerate(zip(vectors, labels, strict=True)):
        groups: dict[int, list[float]] = {}
        for k, prototype in enumerate(prototypes):
            groups[k] = [float(one @ prototype) / heat]
        for j, (other, of) in enumerate(zip(vectors, labels, strict=True)):
            if j != i:
                groups[of].append(float(one @ other) / heat)
        means = [sum(map(math.exp, each)) / len(each) for each in groups.values()]
        own = groups[label]
        losses.append(math.log(sum(means)) - sum(own) / len(own))
    return losses


@pytest.mark.parametrize(
    "labels", [[0, 0, 0, 1, 1, 2, 0], [3, 3, 3, 3, 3, 3, 3], [0, 1, 2, 3, 0, 1, 2]]
)
def test_the_contrast_is_its_definition_vector_by_vector(labels: list[int]) -> None:
    vectors, prototypes = unit(7, 5), unit(4, 5, seed=1)
    got = balanced_contrast(vectors, torch.tensor(labels), prototypes, 0.3)
    assert got.tolist() == pytest.approx(by_vectors(vectors, labels, prototypes, 0.3), abs=1e-5)


@pytest.mark.parametrize("classes", [2, 10])
def test_equal_vectors_cost_the_log_of_the_number_of_classes(classes: int) -> None:
    same = torch.eye(4)[:1]
    labels = torch.tensor([0, 0, 0, 0, 1])
    got = balanced_contrast(same.expand(5, 4), labels, same.expand(classes, 4), 0.1)
    torch.testing.assert_close(got, torch.full((5,), math.log(classes)))


def test_one_vector_between_two_orthogonal_prototypes_has_its_closed_form() -> None:
    prototypes = torch.eye(2)
    got = balanced_contrast(prototypes[:1], torch.tensor([0]), prototypes, 0.1)
    assert got.item() == pytest.approx(math.log1p(math.exp(-10)), abs=1e-6)


def test_a_class_repels_as_much_however_often_it_stands_in_the_batch() -> None:
    vectors, prototypes = unit(3, 5), unit(3, 5, seed=1)
    vectors[2] = prototypes[2]
    once = balanced_contrast(vectors, torch.tensor([0, 0, 2]), prototypes, 0.2)
    often = torch.cat([vectors, vectors[2:].expand(6, 5)])
    many = balanced_contrast(often, torch.tensor([0, 0] + [2] * 7), prototypes, 0.2)
    torch.testing.assert_close(once[:2], many[:2])


def test_a_class_that_the_batch_lacks_repels_by_its_prototype() -> None:
    vectors, labels = unit(4, 5), torch.tensor([0, 0, 1, 1])
    prototypes = unit(3, 5, seed=1).requires_grad_()
    balanced_contrast(vectors, labels, prototypes, 0.2).sum().backward()
    assert prototypes.grad is not None
    assert prototypes.grad[2].abs().max() > 0


def test_the_contrast_survives_a_temperature_at_which_exp_overflows() -> None:
    vectors = unit(4, 5).requires_grad_()
    loss = balanced_contrast(vectors, torch.tensor([0, 0, 1, 2]), unit(3, 5, seed=1), 1e-3)
    loss.sum().backward()
    assert vectors.grad is not None
    assert loss.isfinite().all() and vectors.grad.isfinite().all()


# the component


def net_with_branch(method: Component) -> Any:
    with scoped_global_seed(0):
        backbone = build_backbone(BackboneConfig(name="cifar_resnet8", options={"width": 4}))
        net = linear_net(backbone, tiny_task(COUNTS))
        method.start_stage(net, None, step())  # type: ignore[arg-type]
    return net


def step() -> Step:
    return Step(Stage("base"), tiny_task(COUNTS, added=3), 0, 1, 0, 1, 0, torch.device("cpu"))


def batch(labels: list[int], seed: int = 0) -> Batch:
    n, rng = len(labels), torch.Generator().manual_seed(seed)
    images, *views = torch.randn(3, n, 3, 8, 8, generator=rng)
    targets = ((torch.tensor(labels), torch.ones(n)),)
    origins = torch.tensor([k % 2 for k in range(n)], dtype=torch.uint8)
    return Batch(images, targets, origins, torch.arange(n), tuple(views))


@pytest.mark.parametrize("prior", ["real", "train"])
def test_without_contrast_it_is_logit_adjustment(prior: str) -> None:
    method = part("bcl", contrast=0.0, classification=1.0, prior=prior)
    net, rows = net_with_branch(method), batch([0, 1, 2, 0])
    got = method.loss(net, rows, step())
    adjusted = LogitAdjustment(LogitAdjustment.Config(tau=1.0, prior=prior), "la")  # type: ignore[arg-type]
    logits = net.head(all_features(net, rows)[:4])
    torch.testing.assert_close(got, adjusted.criterion(logits, rows.labels, step()).mean())


def test_the_loss_adds_both_parts_by_their_weights() -> None:
    rows = batch([0, 1, 2, 0, 1])
    both, label_only, contrast_only = (
        part("bcl", classification=a, contrast=w) for a, w in ((2.0, 0.6), (1.0, 0.0), (0.0, 1.0))
    )
    net = net_with_branch(both)
    parts = [method.loss(net, rows, step()) for method in (both, label_only, contrast_only)]
    torch.testing.assert_close(parts[0], 2 * parts[1] + 0.6 * parts[2])


def test_prototypes_teach_the_classifier_and_views_the_backbone() -> None:
    method = part("bcl", classification=0.0)
    net = net_with_branch(method)
    method.loss(net, batch([0, 1, 2, 0]), step()).backward()
    assert net.head.weight.grad.abs().max() > 0
    assert net.head.bias.grad.abs().max() == 0
    assert all(each.grad is not None for each in net.branch.parameters())
    assert all(each.grad is not None for each in net.backbone.parameters())


def test_a_batch_of_one_row_can_be_contrasted() -> None:
    method = part("bcl")
    assert method.loss(net_with_branch(method), batch([2]), step()).isfinite()


def test_it_acts_in_its_own_stages_only() -> None:
    stack = Stack((part("bcl"), part("retrain_head")))
    base, head = stack.stages([Stage("base")])
    assert (base.owner, head.owner) == ("bcl", "retrain_head")
    assert [each.name for each in stack.acting("loss", base)] == ["bcl"]
    assert stack.acting("loss", head) == []


def test_a_branch_is_attached_once() -> None:
    method = part("bcl")
    net = net_with_branch(method)
    before = net.branch
    method.start_stage(net, None, step())  # type: ignore[arg-type]
    assert net.branch is before


def test_a_head_that_is_not_linear_is_refused() -> None:
    with pytest.raises(UsageError, match="'bcl' expects a head of kind Linear"):
        Stack((part("bcl"),)).check_head(Net(nn.Identity(), nn.Identity()))


def test_the_deployed_module_has_no_branch(tmp_path: Path) -> None:
    watch = Watch((part("bcl", hidden=8, width=4),))
    net, _, _ = train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=4)))
    module, images = watch.deploy(net, tiny_task((1,) * 10)).eval(), batch([0, 1]).images
    torch.testing.assert_close(module(images), net.eval()(images))
    assert not any("branch" in name for name, _ in module.named_parameters())
    assert all(map(math.isfinite, watch.trace))


@pytest.mark.parametrize("other", ["drw", "mixup", "ldam", "logit_adjustment", "ssd"])
def test_what_does_not_go_with_bcl_is_refused(other: str) -> None:
    with pytest.raises(UsageError, match="'bcl'"):
        Stack((part("bcl"), part(other)))
