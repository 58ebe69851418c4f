"""Predicted network calls, and settings that cannot work."""

import pytest

from benchmark.errors import UsageError
from benchmark.generation.cost import predicted_calls, predicted_steps


@pytest.mark.parametrize(
    ("scheduler", "steps", "calls"),
    [
        ("PNDM", 1, 1),
        ("PNDM", 3, 4),
        ("PNDM", 50, 51),
        ("PNDM", 300, 301),
        ("HeunDiscrete", 50, 99),
        ("KDPM2Discrete", 3, 5),
        ("DDIM", 50, 50),
        ("DPMSolverMultistep", 8, 8),
        ("LCM", 50, 50),
    ],
)
def test_calls_of_text_to_image(scheduler: str, steps: int, calls: int) -> None:
    assert predicted_steps(scheduler, steps) == calls


@pytest.mark.parametrize(("guidance", "factor"), [(0.0, 1), (1.0, 1), (1.5, 2), (7.5, 2)])
def test_guidance_counts_two(guidance: float, factor: int) -> None:
    assert predicted_calls("DDIM", 10, guidance) == 10 * factor


@pytest.mark.parametrize(
    ("scheduler", "steps", "strength", "calls"),
    [("DDIM", 100, 0.29, 28), ("DDIM", 3, 0.5, 1), ("PNDM", 50, 0.5, 26), ("DDIM", 10, 1.0, 10)],
)
def test_calls_of_image_to_image(scheduler: str, steps: int, strength: float, calls: int) -> None:
    assert predicted_steps(scheduler, steps, strength) == calls


@pytest.mark.parametrize(
    ("scheduler", "steps", "strength", "words"),
    [
        ("LCM", 51, None, "at most 50 steps for LCM, but got 51"),
        ("TCD", 300, None, "at most 50 steps for TCD"),
        ("DDIM", 3, 0.3, "use at least 4 steps"),
        ("DDIM", 0, None, "at least 1 step"),
        ("DDIM", 3, 1.3, r"strength in \(0, 1\]"),
        ("DPMSolverMultistp", 3, None, "did you mean DPMSolverMultistep"),
    ],
)
def test_impossible_settings(
    scheduler: str, steps: int, strength: float | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        predicted_steps(scheduler, steps, strength)
