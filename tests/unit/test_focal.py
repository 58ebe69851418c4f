"""Focal loss against its definition in double precision."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from baselines.focal import focal_loss
from tests.unit.test_components import generator, part, step, trace

LABELS = torch.arange(8) % 5
LOGITS = 3 * torch.randn(8, 5, generator=generator())


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_values_and_gradients_are_those_of_the_definition(gamma: float) -> None:
    logits = LOGITS.clone().requires_grad_()
    focal_loss(logits, LABELS, gamma).sum().backward()
    exact = LOGITS.double().requires_grad_()
    p = exact.softmax(1)[torch.arange(8), LABELS]
    losses = -((1 - p) ** gamma) * p.log()
    losses.sum().backward()
    torch.testing.assert_close(focal_loss(LOGITS, LABELS, gamma), losses.float())
    torch.testing.assert_close(logits.grad, exact.grad.float())  # type: ignore[union-attr]


def test_even_odds_cost_half_of_the_cross_entropy_at_gamma_1() -> None:
    found = focal_loss(torch.zeros(1, 2), torch.tensor([0]), 1.0)
    assert float(found) == pytest.approx(math.log(2) / 2)


def test_gamma_0_is_cross_entropy(tmp_path: Path) -> None:
    expected = functional.cross_entropy(LOGITS, LABELS, reduction="none")
    assert torch.equal(part("focal", gamma=0.0).criterion(LOGITS, LABELS, step()), expected)
    plain = trace(tmp_path / "ce", part("ce"), steps=4)
    assert trace(tmp_path / "focal", part("focal", gamma=0.0), steps=4) == plain
    assert trace(tmp_path / "other", part("focal"), steps=4) != plain


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_values_and_gradients_of_extreme_logits_are_finite(gamma: float, logit: float) -> None:
    logits = torch.tensor([[logit, 0.0]], requires_grad=True)
    found = focal_loss(logits, torch.tensor([0]), gamma)
    found.sum().backward()
    assert found.item() == pytest.approx(max(-logit, 0.0))
    assert torch.isfinite(logits.grad).all()  # type: ignore[arg-type]


def test_certain_examples_lose_most() -> None:
    logits = torch.tensor([[4.0, 0.0], [0.0, 0.0], [-4.0, 0.0]])
    labels = torch.zeros(3, dtype=torch.long)
    kept = focal_loss(logits, labels, 2.0) / focal_loss(logits, labels, 0.0)
    assert kept[0] < kept[1] < kept[2] < 1
