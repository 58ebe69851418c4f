"""Quantities made from class counts: golden values and limits."""

import pytest
import torch

from baselines.class_prior import class_balanced_rows, counts_tensor, effective_number_weights

CPU = torch.device("cpu")


def exponential(largest: int, imbalance: int, classes: int) -> tuple[int, ...]:
    """The counts of an exponential long-tail profile."""
    shares = [(1 / imbalance) ** (k / (classes - 1)) for k in range(classes)]
    return tuple(int(largest * share) for share in shares)


CIFAR100 = exponential(500, 100, 100)


@pytest.mark.parametrize(
    ("counts", "beta", "places", "expected"),
    [
        (CIFAR100, 0.9, (0, 50, 99), (0.820194, 0.825446, 2.002866)),
        (CIFAR100, 0.99, (0, 50, 99), (0.196524, 0.510131, 3.983524)),
        (CIFAR100, 0.999, (0, 50, 99), (0.055076, 0.462350, 4.344514)),
        (CIFAR100, 0.9999, (0, 50, 99), (0.044876, 0.457055, 4.378313)),
        (exponential(5000, 100, 10), 0.9999, (0, 5, 9), (0.050611, 0.524590, 3.992724)),
        (exponential(500, 50, 100), 0.9999, (0, 50, 99), (0.078889, 0.559530, 3.849388)),
        (exponential(500, 10, 100), 0.9999, (0, 50, 99), (0.258185, 0.813481, 2.524667)),
    ],
)
def test_effective_number_weights_match_published_counts(
    counts: tuple[int, ...], beta: float, places: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    weights = effective_number_weights(counts, beta, CPU)
    assert weights[list(places)].tolist() == pytest.approx(expected, abs=1.5e-6)


def test_effective_number_weights_sum_to_the_number_of_classes() -> None:
    assert float(effective_number_weights(CIFAR100, 0.9999, CPU).sum()) == pytest.approx(100)


def test_flat_counts_give_unit_weights() -> None:
    weights = effective_number_weights((500,) * 7, 0.9999, CPU)
    torch.testing.assert_close(weights, torch.ones(7))


def test_a_class_without_images_counts_as_one_image() -> None:
    assert counts_tensor((3, 0), CPU).tolist() == [3, 1]
    assert effective_number_weights((3, 0), 0.99, CPU).isfinite().all()


@pytest.mark.parametrize(("power", "rare"), [(1.0, 0.5), (0.5, 0.25), (0.0, 0.1)])
def test_the_share_of_a_rare_class_follows_the_power(power: float, rare: float) -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    rows = class_balanced_rows(labels, 20_000, torch.Generator().manual_seed(0), power)
    # four standard errors of a share estimated from 20,000 draws
    error = 4 * (rare * (1 - rare) / 20_000) ** 0.5
    assert abs(float((labels[rows] == 1).float().mean()) - rare) < error


def test_rows_are_drawn_with_replacement_from_the_whole_class() -> None:
    labels = torch.tensor([0] * 500 + [1] * 2)
    rows = class_balanced_rows(labels, 1000, torch.Generator().manual_seed(0))
    assert set(rows[labels[rows] == 1].tolist()) == {500, 501}
    assert len(rows) == 1000
