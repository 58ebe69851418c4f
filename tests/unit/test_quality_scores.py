"""Scores against torchmetrics, brute force and closed forms."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import KernelInceptionDistance, poly_mmd

from benchmark.generation.quality import scores


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def clouds(n: int, m: int, d: int = 6, move: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    draw = rng(n + m)
    return draw.normal(size=(n, d)), draw.normal(loc=move, size=(m, d))


def kernels(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pairs = ((left, left), (right, right), (left, right))
    first, second, across = (scores._kernel(a, b) for a, b in pairs)
    return first, second, across


def test_mmd_is_that_of_torchmetrics() -> None:
    left, right = clouds(60, 60, move=0.5)
    found = scores.mmd(kernels(left, right), np.ones((1, 60)), np.ones((1, 60)))
    expected = float(poly_mmd(torch.from_numpy(left), torch.from_numpy(right)))
    assert found[0] == pytest.approx(expected, rel=1e-9)


def test_a_weight_of_nought_leaves_an_image_out() -> None:
    left, right = clouds(40, 60)
    weights = np.ones((1, 40)), np.repeat([[1.0, 0.0]], [40, 20], axis=1)
    found = scores.mmd(kernels(left, right), *weights)
    expected = float(poly_mmd(torch.from_numpy(left), torch.from_numpy(right[:40])))
    assert found[0] == pytest.approx(expected, rel=1e-9)


def test_kid_is_that_of_torchmetrics() -> None:
    class Identity(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.flatten(1)

    left, right = clouds(400, 400, d=12, move=0.3)
    with pytest.warns(UserWarning, match="features in buffer"):
        metric = KernelInceptionDistance(Identity(), subsets=100, subset_size=200)
    for rows, real in ((left, True), (right, False)):
        metric.update(torch.from_numpy(rows), real=real)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mean, _ = metric.compute()
    found = scores.kid(left, right, rng())
    assert found is not None
    assert found.value == pytest.approx(float(mean), rel=0.1)
    assert found.low < found.value < found.high


def test_kid_of_one_distribution_holds_nought() -> None:
    found = [scores.kid(*clouds(200, 200 + move), rng()) for move in range(10)]
    inside = [each.low <= 0 <= each.high for each in found if each is not None]
    assert len(inside) == 10 and sum(inside) >= 8


def test_kid_interval_is_about_the_spread_of_repeated_draws() -> None:
    draws = []
    for seed in range(40):
        draw = rng(seed)
        found = scores.kid(draw.normal(size=(150, 4)), draw.normal(0.7, size=(150, 4)), draw)
        assert found is not None
        draws.append((found.value, found.high - found.low))
    values, widths = np.array(draws).T
    assert np.mean(widths) / (2 * 1.96 * values.std(ddof=1)) == pytest.approx(1, abs=0.35)


def test_prdc_by_brute_force() -> None:
    left, right = clouds(60, 60, d=3, move=0.8)
    found = scores.prdc(left, right, rng(), k=4)
    assert found is not None and (found.n, found.k) == (60, 4)

    def radius(rows: np.ndarray, i: int) -> float:
        return float(np.sort([np.linalg.norm(rows[i] - other) for other in rows])[4])

    balls = [(a, radius(left, i)) for i, a in enumerate(left)]
    near = [[np.linalg.norm(a - b) < size for b in right] for a, size in balls]
    balls = [(b, radius(right, j)) for j, b in enumerate(right)]
    back = [[np.linalg.norm(a - b) < size for a in left] for b, size in balls]
    assert found.precision == pytest.approx(np.any(near, axis=0).mean())
    assert found.recall == pytest.approx(np.any(back, axis=0).mean())
    assert found.density == pytest.approx(np.sum(near) / (4 * 60))
    assert found.coverage == pytest.approx(np.any(near, axis=1).mean())


def test_prdc_of_extremes() -> None:
    left, _ = clouds(80, 1)
    same = scores.prdc(left, left, rng())
    apart = scores.prdc(left, left + 100, rng())
    assert same is not None and apart is not None
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    assert (apart.precision, apart.recall, apart.density, apart.coverage) == (0, 0, 0, 0)


def test_mode_collapse_costs_recall_and_coverage_not_precision() -> None:
    left, _ = clouds(200, 1)
    found = scores.prdc(left, left[0] + 1e-3 * rng().normal(size=(200, 6)), rng())
    assert found is not None
    assert found.precision == 1 and found.recall < 0.05 and found.coverage < 0.3


def test_too_few_images_have_no_score() -> None:
    few, many = clouds(scores.MIN_ROWS - 1, 300)
    assert scores.kid(few, many, rng()) is None
    assert scores.prdc(many, few, rng()) is None
    assert scores.probe_auc(few, many, rng()) is None
    enough, _ = clouds(scores.MIN_ROWS, 1)
    assert scores.kid(enough, many, rng()) is not None


def test_agreement_and_class_means() -> None:
    logits = np.array([[2.0, 1, 0], [0, 1, 2], [0, 3, 1], [1, 0, 5]], np.float32)
    labels = np.array([0, 0, 1, 2])
    right = scores.agreement(logits, labels)
    assert right.tolist() == [True, False, True, True]
    assert scores.class_means(right, labels, 4) == [0.5, 1.0, 1.0, None]


def test_diversity_closed_forms() -> None:
    features = np.array([[1.0, 0], [0, 2.0], [3.0, 0], [5.0, 0], [1.0, 0], [-1.0, 0], [1.0, 1]])
    labels = np.array([0, 0, 1, 1, 2, 2, 3])
    found = scores.diversity(features, labels, 5, rng())
    assert found[:3] == pytest.approx([1, 0, 2])
    assert found[3:] == [None, None]


def test_diversity_samples_pairs_without_bias() -> None:
    features = rng(3).normal(size=(500, 5))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    exact = 1 - (unit @ unit.T)[np.triu_indices(500, 1)].mean()
    draws = [scores.diversity(features, np.zeros(500, int), 1, rng(s))[0] for s in range(30)]
    assert np.mean([d for d in draws if d is not None]) == pytest.approx(exact, abs=0.03)


def test_pairs_are_never_an_image_with_itself() -> None:
    left, right = scores._pairs(21, rng())
    assert (left != right).all() and max(left.max(), right.max()) == 20


def test_probe_auc_of_extremes() -> None:
    alike, apart = clouds(300, 301), clouds(300, 301, move=4)
    assert scores.probe_auc(*alike, rng()) == pytest.approx(0.5, abs=0.08)
    assert scores.probe_auc(*apart, rng()) > 0.999  # type: ignore[operator]


def test_scores_repeat_with_their_generator() -> None:
    left, right = clouds(2500, 300)
    for score in (scores.kid, scores.prdc, scores.probe_auc):
        assert score(left, right, rng(1)) == score(left, right, rng(1))
