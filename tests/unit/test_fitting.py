"""Fitting a generator: draws, targets, identity and cost, without training anything."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.fitting.cost import predicted_network_calls
from benchmark.generation.fitting.draws import Draws
from benchmark.generation.fitting.objective import target
from benchmark.generation.fitting.request import FitRequest, read_fitted
from tests.fixtures.fitting import LABELS, fit_config, fit_request
from tests.fixtures.generation import tiny_values

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")


def draws(steps: int, **changes: Any) -> Draws:
    labels = np.repeat(np.arange(3), [50, 7, 1]).astype(np.int64)
    settings: dict[str, Any] = {"classes": (0, 1, 2), "batch_size": 4, "seed": 1, "unit": "joint"}
    return Draws(labels=labels, steps=steps, **settings | changes)


def seen(given: Draws) -> list[int]:
    return [row for step in range(given.steps) for row in given.rows(step)]


def test_classes_are_drawn_equally_often_however_long_the_tail() -> None:
    given = draws(steps=25)
    counts = Counter(int(given.labels[row]) for row in seen(given))
    assert sorted(counts.values()) == [33, 33, 34]


def test_images_of_a_class_take_turns() -> None:
    given = draws(steps=60)
    uses = Counter(row for row in seen(given) if given.labels[row] == 1)
    assert sorted(uses) == list(range(50, 57))
    assert max(uses.values()) - min(uses.values()) <= 1


@pytest.mark.parametrize("steps", [1, 12, 36, 37, 38, 80])
def test_used_rows_are_those_that_are_drawn(steps: int) -> None:
    given = draws(steps)
    assert given.used == sorted(set(seen(given)))


def test_a_step_is_a_function_of_seed_and_adapter_alone() -> None:
    assert draws(50).rows(17) == draws(20).rows(17)
    assert draws(50, seed=2).rows(17) != draws(50).rows(17)
    assert draws(50, unit="other").rows(17) != draws(50).rows(17)


def test_an_adapter_of_one_class_sees_that_class_only() -> None:
    given = draws(30, classes=(1,), unit="class-001")
    assert set(seen(given)) == set(range(50, 57))


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_target_and_the_noisy_latents_give_back_the_clean_ones(kind: str) -> None:
    from diffusers import DDPMScheduler

    schedule = DDPMScheduler(prediction_type=kind)
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 2, 2, generator=rng, dtype=torch.float64)
    times = torch.tensor([1, 400, 900])
    noisy = schedule.add_noise(clean, noise, times)
    share = schedule.alphas_cumprod[times].double()[:, None, None, None]
    predicted = target(schedule, clean, noise, times)
    recovered = {
        "epsilon": (noisy - (1 - share).sqrt() * predicted) / share.sqrt(),
        "v_prediction": share.sqrt() * noisy - (1 - share).sqrt() * predicted,
        "sample": predicted,
    }[kind]
    assert torch.allclose(recovered, clean, atol=1e-5)


def test_another_prediction_type_is_refused() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    schedule = FlowMatchEulerDiscreteScheduler()
    schedule.register_to_config(prediction_type="flow_prediction")
    with pytest.raises(UsageError, match="Unknown prediction type 'flow_prediction'"):
        target(schedule, torch.zeros(1), torch.zeros(1), torch.zeros(1))


def test_predicted_network_calls_are_those_of_published_recipes() -> None:
    """The figures of a joint fit of 35,000 steps on 8 images, and of one token a class."""
    joint = fit_config(steps=35_000, batch_size=8)
    assert predicted_network_calls(joint, 100) == 840_000
    tokens = fit_config(kind="textual_inversion", scope="per_class", steps=1000, batch_size=4)
    assert predicted_network_calls(tokens, 100) == 1_200_000


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"template": "a photo"}, r"Expected '\{class\}' in the prompt template"),
        ({"template": "a {clas}"}, "did you mean class"),
        ({"kind": "lore"}, "lora"),
        ({"steps": 0}, "greater than 0"),
        ({"kind": "textual_inversion", "text_encoder": True}, "or kind=lora"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fit_config(**changes)


def test_training_prompts_have_no_modifier() -> None:
    assert fit_config().prompt("<class-001>") == "a photo of <class-001>"


@pytest.fixture
def request_(tiny_pipeline: Path) -> FitRequest:
    return fit_request(tiny_values(tiny_pipeline))


def test_the_key_follows_what_decides_the_weights_and_nothing_else(request_: FitRequest) -> None:
    def key(**changes: Any) -> str:
        return replace(request_, **changes).key

    base = request_.base
    assert key(base=replace(base, steps=9, guidance=1.0, batch_size=1)) == request_.key
    assert key(device="auto") == request_.key
    other_pixel = request_.images.copy()
    other_pixel[0, 0, 0, 0] ^= 1
    changed = [
        key(seed=6),
        key(images=other_pixel),
        key(labels=LABELS[::-1].copy()),
        key(classes=("a", "b", "c")),
        key(config=fit_config(rank=3)),
        key(base=replace(base, size=24)),
        key(base=replace(base, dtype="bfloat16")),
    ]
    assert len({request_.key, *changed}) == 1 + len(changed)


def test_half_precision_is_trained_in_full(request_: FitRequest) -> None:
    half = replace(request_, base=replace(request_.base, dtype="float16"))
    assert half.key == request_.key


def test_a_class_without_images_is_refused(request_: FitRequest) -> None:
    with pytest.raises(UsageError, match="every class, but got none of three"):
        replace(request_, labels=np.where(LABELS == 2, 0, LABELS))
    with pytest.raises(UsageError, match="label for each of 8 images, but got 3"):
        replace(request_, labels=LABELS[:3])


def test_a_damaged_marker_is_explained(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"marker of a finished fit.*is then fitted again"):
        read_fitted(tmp_path)
