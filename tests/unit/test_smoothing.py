"""Label-aware smoothing against golden values and torch's own smoothing."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from baselines.smoothing import smoothed_cross_entropy, smoothing_of
from benchmark.tiny import tiny_task
from tests.unit.test_class_prior import CIFAR100
from tests.unit.test_components import batch, generator, part, step, trace

LABELS = batch().labels
LOGITS = 2 * torch.randn(6, 3, generator=generator())


@pytest.mark.parametrize(
    ("shape", "middle"),
    [("concave", 0.140809), ("linear", 0.1 + 0.3 * 43 / 495), ("convex", 0.102789)],
)
def test_smoothing_of_cifar100_is_the_golden_one(shape: str, middle: float) -> None:
    found = smoothing_of(torch.tensor(CIFAR100), 0.4, 0.1, shape)
    assert found.dtype == torch.float32
    assert found[[0, 50, 99]].tolist() == pytest.approx([0.4, middle, 0.1], abs=1e-6)


@pytest.mark.parametrize("shape", ["concave", "linear", "convex"])
@pytest.mark.parametrize(("head", "tail"), [(0.4, 0.1), (0.1, 0.3)])
def test_smoothing_moves_one_way_between_its_ends(shape: str, head: float, tail: float) -> None:
    found = smoothing_of(torch.arange(1, 50), head, tail, shape)
    assert [float(found[0]), float(found[-1])] == pytest.approx([tail, head])
    assert bool(((found.diff() >= 0) == (head > tail)).all())


def test_the_shapes_bend_as_they_are_called() -> None:
    found = {
        shape: float(smoothing_of(torch.tensor([1, 6, 11]), 1.0, 0.0, shape)[1])
        for shape in ("concave", "linear", "convex")
    }
    half = 0.5**0.5
    assert found == pytest.approx({"concave": half, "linear": 0.5, "convex": 1 - half})


def test_equal_counts_are_smoothed_by_the_head() -> None:
    assert smoothing_of(torch.full((3,), 7), 0.4, 0.1).tolist() == pytest.approx([0.4] * 3)


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected one of concave, linear, convex, but got 'exp'"):
        smoothing_of(torch.tensor([3, 1]), 0.4, 0.1, "exp")


@pytest.mark.parametrize("eps", [0.0, 0.1, 0.4, 1.0])
def test_one_smoothing_for_all_is_torch_s_own(eps: float) -> None:
    logits, others = LOGITS.clone().requires_grad_(), LOGITS.clone().requires_grad_()
    found = smoothed_cross_entropy(logits, LABELS, torch.full((3,), eps))
    expected = functional.cross_entropy(others, LABELS, reduction="none", label_smoothing=eps)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(logits.grad, others.grad)


def test_every_label_is_smoothed_by_its_own_class() -> None:
    eps = torch.tensor([0.4, 0.2, 0.0])
    found = smoothed_cross_entropy(LOGITS, LABELS, eps)
    target = functional.one_hot(LABELS, 3) * (1 - eps[LABELS])[:, None] + eps[LABELS][:, None] / 3
    torch.testing.assert_close(found, -(target * LOGITS.log_softmax(1)).sum(1))


def test_no_smoothing_trains_like_cross_entropy(tmp_path: Path) -> None:
    plain = trace(tmp_path / "ce", part("ce"), steps=4)
    none = trace(tmp_path / "none", part("label_smoothing", head=0.0, tail=0.0), steps=4)
    assert none == pytest.approx(plain, rel=1e-5)
    some = trace(tmp_path / "some", part("label_smoothing"), steps=4)
    assert some != pytest.approx(plain, rel=1e-3)


def test_the_component_reads_the_counts_of_its_prior() -> None:
    task = tiny_task((6, 3, 1), added=0)
    found = part("label_smoothing", shape="linear").criterion(LOGITS, LABELS, step(task=task))
    eps = torch.tensor([0.4, 0.1 + 0.3 * 2 / 5, 0.1])
    torch.testing.assert_close(found, smoothed_cross_entropy(LOGITS, LABELS, eps))


def test_a_class_without_images_is_smoothed_like_the_rarest() -> None:
    task = tiny_task((6, 1, 0))
    found = part("label_smoothing").criterion(LOGITS, LABELS, step(task=task))
    eps = torch.tensor([0.4, 0.1, 0.1])
    torch.testing.assert_close(found, smoothed_cross_entropy(LOGITS, LABELS, eps))
