"""The diffusers adapter on a tiny random pipeline: the code path of every checkpoint."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UsageError
from benchmark.generation.generator import build_generator
from benchmark.generation.pool import Pool
from tests.fixtures.generation import stub_spec, tiny_values

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
PROMPTS = ["a photo of one", "a photo of two", "a photo of one"]


@pytest.mark.parametrize(
    "scheduler",
    ["DPMSolverMultistep", "DPMSolverSinglestep", "PNDM", "HeunDiscrete", "DDIM", "LCM", "DDPM"],
)
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_measured_calls_are_the_predicted_ones(
    tiny_pipeline: Path, scheduler: str, guidance: float
) -> None:
    values = tiny_values(tiny_pipeline, scheduler=scheduler, spacing=None, guidance=guidance)
    generator = build_generator({**values, "steps": 3}, "cpu")
    drawn = generator.draw(PROMPTS, [1, 2, 3])
    assert drawn.calls == 3 * generator.predicted_calls()


@pytest.mark.parametrize("scheduler", ["DPMSolverMultistep", "EulerAncestralDiscrete"])
def test_an_image_does_not_depend_on_its_batch(tiny_pipeline: Path, scheduler: str) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, scheduler=scheduler), "cpu")
    jobs = [(text, seed, None) for text, seed in zip(PROMPTS, [1, 2, 3], strict=True)]
    together, _ = generator.draw_values(jobs)  # type: ignore[attr-defined]
    for index, job in enumerate(jobs):
        alone, _ = generator.draw_values([job])  # type: ignore[attr-defined]
        assert np.abs(alone[0] - together[index]).max() < 1e-4
    assert np.abs(together[0] - together[2]).max() > 1e-2


def test_more_prompts_than_a_batch_and_a_padded_last_one(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, batch_size=2), "cpu")
    drawn = generator.draw(PROMPTS, [1, 2, 3])
    assert [image.size for image in drawn.images] == [(16, 16)] * 3
    assert drawn.calls == 3 * 4
    assert drawn.finite == [True] * 3


def test_a_pool_is_drawn_end_to_end(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, knowledge=["random"]), "cpu")
    pool = Pool.open(stub_spec(generator))
    cost = pool.ensure([2, 3, 1], generator)
    assert cost.network_calls_measured == cost.network_calls_predicted == 6 * 4
    assert cost.flops > 6 * 4 * 1e6
    assert (cost.dtype, cost.guidance_factor, cost.knowledge) == ("float32", 2, ("random",))
    again = build_generator(tiny_values(tiny_pipeline), "cpu")
    assert stub_spec(again).key == pool.spec.key
    assert pool.missing([2, 3, 1]) == 0


def test_non_finite_values_are_reported(tiny_pipeline: Path) -> None:
    import torch

    generator = build_generator(tiny_values(tiny_pipeline), "cpu")
    generator.load()
    with torch.no_grad():
        generator._pipe.vae.decoder.conv_out.bias.fill_(float("nan"))  # type: ignore[attr-defined]
    assert generator.draw(["a photo"], [1]).finite == [False]


def test_channels_last_changes_nothing_visible(tiny_pipeline: Path) -> None:
    plain = build_generator(tiny_values(tiny_pipeline), "cpu")
    fast = build_generator(tiny_values(tiny_pipeline, channels_last=True), "cpu")
    assert plain.fingerprint() == fast.fingerprint()
    jobs = [("a photo of one", 5, None)]
    difference = plain.draw_values(jobs)[0] - fast.draw_values(jobs)[0]  # type: ignore[attr-defined]
    assert np.abs(difference).max() < 1e-4


def test_a_closed_generator_can_be_used_again(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline), "cpu")
    first = generator.draw(["a photo"], [1]).images[0]
    generator.close()
    assert generator.draw(["a photo"], [1]).images[0].tobytes() == first.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": "float16"}, "set generator.dtype=float32"),
        ({"scheduler": "LCM", "steps": 100}, "at most 50 steps for LCM"),
        ({"scheduler": "LCM", "spacing": "trailing", "steps": 4}, None),
        ({"scheduler": "DEISMultistep", "spacing": "trailing"}, None),
    ],
)
def test_check_refuses_what_cannot_work(
    tiny_pipeline: Path, changes: dict[str, object], words: str | None
) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, **changes), "cpu")
    if words is None:
        generator.check()
        return
    with pytest.raises(UsageError, match=words):
        generator.check()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": 20}, "multiple of 8"),
        ({"steps": 0}, "greater than 0"),
        ({"guidence": 3}, "did you mean guidance"),
        ({"kind": "difusers"}, "did you mean diffusers"),
        ({"dtype": "int8"}, "float32"),
    ],
)
def test_settings_are_checked_when_read(
    tiny_pipeline: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        build_generator(tiny_values(tiny_pipeline, **changes))


def test_a_kind_is_needed() -> None:
    with pytest.raises(UsageError, match="Expected a generator kind"):
        build_generator({"steps": 3})


def test_a_batch_size_that_fits_is_found(
    tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    generator = build_generator(tiny_values(tiny_pipeline, batch_size="auto"), "cpu")
    draw = generator.draw_values  # type: ignore[attr-defined]

    def small(jobs: list[object], *rest: object) -> object:
        if len(jobs) > 4:
            raise torch.OutOfMemoryError("too much")
        return draw(jobs, *rest)

    monkeypatch.setattr(generator, "draw_values", small)
    drawn = generator.draw([f"a photo of {n}" for n in range(6)], list(range(6)))
    assert (generator.batch_size, len(drawn.images), drawn.calls) == (4, 6, 6 * 4)
    fixed = build_generator(tiny_values(tiny_pipeline, batch_size=8), "cpu")
    monkeypatch.setattr(fixed, "draw_values", small)
    with pytest.raises(UsageError, match=r"set generator\.batch_size=auto"):
        fixed.draw(["a photo"], [1])
