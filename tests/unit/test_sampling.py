"""Samplers: how often each class is drawn."""

import pytest
import torch
from torch import Tensor

from baselines.class_prior import class_balanced_rows
from baselines.progressive_sampling import class_probability, progressive_rows
from benchmark.experiments.compose import settings
from benchmark.tiny import tiny_task
from tests.unit.test_components import generator, part, step

COUNTS = torch.tensor([900, 90, 10])
LABELS = torch.repeat_interleave(torch.arange(3), COUNTS)
DRAWS = 20_000


def shares(rows: Tensor) -> Tensor:
    return torch.bincount(LABELS[rows], minlength=3) / len(rows)


def near(found: Tensor, expected: Tensor) -> bool:
    """Whether frequencies lie within four standard deviations."""
    return bool(((found - expected).abs() <= 4 * (expected * (1 - expected) / DRAWS).sqrt()).all())


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, [0.9, 0.09, 0.01]),
        (0.5, [0.45 + 1 / 6, 0.045 + 1 / 6, 0.005 + 1 / 6]),
        (1.0, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_classes_move_from_their_share_of_the_rows_to_an_equal_one(
    progress: float, expected: list[float]
) -> None:
    assert class_probability(COUNTS, progress).tolist() == pytest.approx(expected)
    rows = progressive_rows(LABELS, DRAWS, generator(), progress)
    assert near(shares(rows), torch.tensor(expected))


def test_rows_of_a_class_are_equally_likely() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    rows = progressive_rows(labels, DRAWS, generator(), 1.0)
    found, expected = torch.bincount(rows) / DRAWS, torch.tensor([1 / 6] * 3 + [1 / 2])
    assert near(found, expected)


def test_a_class_without_rows_takes_nothing_from_the_others() -> None:
    found = class_probability(torch.tensor([6, 0, 2]), 1.0)
    assert found.tolist() == pytest.approx([0.5, 0.0, 0.5])
    rows = progressive_rows(torch.tensor([0, 0, 2]), 1000, generator(), 1.0)
    assert set(rows.tolist()) == {0, 1, 2}


def test_progress_is_counted_in_epochs() -> None:
    component = part("progressive_sampling")
    for epoch in (0, 5, 9):
        found = component.streams(step(epoch, 10), LABELS, generator(epoch))
        assert found is not None
        expected = progressive_rows(LABELS, len(LABELS), generator(epoch), epoch / 10)
        assert found.main is not None
        assert torch.equal(found.main, expected)
        assert found.aux is None


def test_the_first_epoch_is_plain_and_the_last_nearly_balanced() -> None:
    component = part("progressive_sampling")
    drawn = {}
    for epoch in (0, 199):
        rows = [component.streams(step(epoch, 200), LABELS, generator(seed)) for seed in range(20)]
        drawn[epoch] = torch.cat([found.main for found in rows if found])  # type: ignore[misc]
    assert near(shares(drawn[0]), COUNTS / 1000)
    assert near(shares(drawn[199]), class_probability(COUNTS, 199 / 200).float())


def test_square_root_sampling_draws_classes_by_the_root_of_their_size() -> None:
    (component,) = settings(["method=square_root_sampling"]).stack.components
    expected = COUNTS.sqrt() / COUNTS.sqrt().sum()
    rows = [component.streams(step(), LABELS, generator(seed)) for seed in range(20)]
    drawn = torch.cat([found.main for found in rows if found])  # type: ignore[misc]
    assert near(shares(drawn), expected)


def test_a_power_of_1_and_the_end_of_the_progression_agree() -> None:
    one = class_balanced_rows(LABELS, DRAWS, generator(), 1.0)
    assert near(shares(one), class_probability(COUNTS, 1.0).float())


def test_a_class_with_one_row_is_repeated() -> None:
    task = tiny_task((3, 1))
    labels = torch.tensor([0, 0, 0, 1])
    found = part("oversample").streams(step(task=task), labels, generator())
    assert found is not None and found.main is not None
    assert len(found.main) == 4
