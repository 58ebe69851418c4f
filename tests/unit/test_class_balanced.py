"""Class-balanced losses against binary cross-entropies, golden weights and their own limits."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from baselines.class_balanced import sigmoid_loss
from baselines.two_stage import reset_head
from benchmark.component import Component, Net, linear_net
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import tiny_task
from tests.unit.test_class_prior import CIFAR100
from tests.unit.test_components import batch, generator, part, step

LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
LOGITS = 2 * torch.randn(6, 3, generator=generator())
HOT = functional.one_hot(LABELS, 3).float()


class Width(nn.Module):
    """A backbone without weights."""

    num_features = 4


def built(loss: str, classes: int = 10) -> Net:
    torch.manual_seed(0)
    net: Net = part("class_balanced", loss=loss).build(Width(), tiny_task((1,) * classes))
    return net


def mean_loss(component: Component, **changes: Any) -> torch.Tensor:
    own = replace(batch(), targets=((LABELS, torch.ones(6)),))
    return blended_loss(Stack((component,)), LOGITS, own, step(**changes))


@pytest.mark.parametrize(
    ("beta", "golden"),
    [
        (0.9, (0.820194, 0.825446, 2.002866)),
        (0.99, (0.196524, 0.510131, 3.983524)),
        (0.9999, (0.044876, 0.457055, 4.378313)),
    ],
)
def test_weights_of_cifar100_are_the_published_ones(beta: float, golden: tuple[float, ...]) -> None:
    found: Any = part("class_balanced", beta=beta).class_weights(step(task=tiny_task(CIFAR100)))
    assert found[[0, 50, 99]].tolist() == pytest.approx(golden, abs=1e-6)
    assert float(found.sum()) == pytest.approx(100)


def test_beta_0_on_the_softmax_is_cross_entropy() -> None:
    found = mean_loss(part("class_balanced", loss="softmax", beta=0.0))
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS, LABELS))


def test_weights_enter_the_mean_over_the_batch() -> None:
    component = part("class_balanced", loss="softmax", beta=0.9)
    weights: Any = component.class_weights(step())
    losses = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    torch.testing.assert_close(mean_loss(component), (weights[LABELS] * losses).sum() / 6)
    # which is not what torch divides by
    assert not torch.isclose(
        mean_loss(component), functional.cross_entropy(LOGITS, LABELS, weight=weights)
    )


def test_re_weighting_of_the_ldam_tables_divides_by_the_weights_from_the_first_epoch_on() -> None:
    component = part("drw", start=0.0)
    weights: Any = component.class_weights(step(epoch=0, epochs=200))
    torch.testing.assert_close(
        mean_loss(component), functional.cross_entropy(LOGITS, LABELS, weight=weights)
    )


def test_sigmoids_are_one_binary_cross_entropy_a_class() -> None:
    expected = functional.binary_cross_entropy_with_logits(LOGITS, HOT, reduction="none").sum(1)
    torch.testing.assert_close(sigmoid_loss(LOGITS, LABELS), expected)
    component = part("class_balanced", loss="sigmoid", gamma=2.0)
    torch.testing.assert_close(component.criterion(LOGITS, LABELS, step()), expected)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_focal_sigmoids_have_the_values_and_gradients_of_the_definition(gamma: float) -> None:
    logits, exact = LOGITS.clone().requires_grad_(), LOGITS.double().requires_grad_()
    component = part("class_balanced", loss="focal", gamma=gamma)
    found = component.criterion(logits, LABELS, step())
    p = torch.where(HOT > 0, exact.sigmoid(), 1 - exact.sigmoid())
    expected = (-((1 - p) ** gamma) * p.log()).sum(1)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(found, expected.float())
    torch.testing.assert_close(logits.grad, exact.grad.float())  # type: ignore[union-attr]


def test_focal_sigmoids_of_extreme_logits_are_finite() -> None:
    logits = torch.tensor([[1e4, -1e4, 1e4]], requires_grad=True)
    sigmoid_loss(logits, torch.tensor([0]), 0.5).sum().backward()
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_the_softmax_keeps_the_default_network() -> None:
    torch.manual_seed(0)
    plain = linear_net(Width(), tiny_task((1,) * 10)).state_dict()
    found = built("softmax").state_dict()
    assert plain.keys() == found.keys()
    assert all(torch.equal(plain[key], found[key]) for key in plain)


@pytest.mark.parametrize("loss", ["sigmoid", "focal"])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_sigmoids_begin_at_one_over_the_classes(loss: str, classes: int) -> None:
    head: Any = built(loss, classes).head
    assert torch.equal(head.bias, torch.full((classes,), -math.log(classes - 1)))
    torch.testing.assert_close(head.bias.sigmoid(), torch.full((classes,), 1 / classes))


def test_a_head_that_is_re_initialised_begins_there_again() -> None:
    head: Any = built("sigmoid").head
    with torch.no_grad():
        head.bias.zero_()
    before = head.weight.clone()
    reset_head(head, "here")
    assert torch.equal(head.bias, torch.full((10,), -math.log(9)))
    assert not torch.equal(head.weight, before)


def test_flat_counts_weigh_nothing() -> None:
    component = part("class_balanced", loss="softmax", beta=0.9999, prior="train")
    found: Any = component.class_weights(step(task=tiny_task((7, 7, 7))))
    torch.testing.assert_close(found, torch.ones(3))


def test_a_class_without_images_has_a_finite_weight() -> None:
    component = part("class_balanced", beta=0.99)
    found: Any = component.class_weights(step(task=tiny_task((5, 1, 0))))
    assert torch.isfinite(found).all()
    assert found[2] == found[1] > found[0]
