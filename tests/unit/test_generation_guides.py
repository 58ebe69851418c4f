"""Guides: from training rows only, spread evenly, the same for every budget."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import UsageError
from benchmark.generation.frames import Materials
from benchmark.generation.generator import TEXT, DrawResult, Mode, build_generator
from benchmark.generation.guides import GuideSet, choose, guide_set
from benchmark.generation.plan import PoolSpec, build_plan, image_identity, pool_spec
from benchmark.generation.pool import Pool
from benchmark.generation.sources import Guides
from benchmark.generation.specs import read_spec
from benchmark.system.files import content_hash
from tests.fixtures.generation import CLASSES, PROMPTS, Stub, tiny_values

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")

LABELS = [0] * 6 + [1] * 3 + [2]
IMAGES = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
ROWS = guide_set(IMAGES, LABELS)
INTRA = Guides(pairing="intra", strengths=(0.5,))
INTER = Guides(pairing="inter", strengths=(0.5,))
SLOTS = np.arange(60)


def _spec(guides: Guides, rows: GuideSet = ROWS) -> PoolSpec:
    return pool_spec(
        Stub(), dataset="toy", classes=CLASSES, prompts=PROMPTS, pool_seed=3,
        guides=guides, guide_rows=rows,
    )  # fmt: skip


@pytest.mark.parametrize("label", [0, 1, 2])
def test_intra_guides_are_of_the_class_and_take_turns(label: int) -> None:
    used = Counter(choose(INTRA, ROWS, 3, label, SLOTS).tolist())
    own = [row for row, found in enumerate(LABELS) if found == label]
    assert used == {row: 60 // len(own) for row in own}


def test_inter_guides_over_images_come_mostly_from_the_head() -> None:
    used = Counter(LABELS[row] for row in choose(INTER, ROWS, 3, 2, SLOTS))
    assert used == {0: 36, 1: 18, 2: 6}


def test_inter_guides_over_classes_come_evenly_from_all() -> None:
    guides = replace(INTER, over="classes")
    used = Counter(LABELS[row] for row in choose(guides, ROWS, 3, 2, SLOTS))
    assert used == {0: 20, 1: 20, 2: 20}


def test_classes_have_orders_of_their_own() -> None:
    first, second = (choose(INTER, ROWS, 3, label, SLOTS[:10]).tolist() for label in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(10))


@pytest.mark.parametrize("guides", [INTRA, INTER, replace(INTER, over="classes")])
def test_a_smaller_budget_uses_the_same_guides(guides: Guides) -> None:
    spec = _spec(guides)
    assert set(build_plan(spec, [2, 0, 4])) <= set(build_plan(spec, [5, 1, 9]))


def test_a_class_without_images_cannot_guide_itself() -> None:
    rows = guide_set(IMAGES[:9], LABELS[:9])
    with pytest.raises(UsageError, match="real training images of class 2 to start from"):
        build_plan(_spec(INTRA, rows), [0, 0, 1])
    assert len(build_plan(_spec(INTRA, rows), [1, 1, 0])) == 2
    assert len(build_plan(_spec(INTER, rows), [1, 1, 1])) == 3


def test_strengths_take_turns_over_the_slots() -> None:
    spec = _spec(Guides(pairing="intra", strengths=(0.3, 0.6, 0.9)))
    rows = build_plan(spec, [5, 0, 0])
    assert [row.strength for row in rows] == [0.3, 0.6, 0.9, 0.3, 0.6]


def test_a_row_names_its_guide_and_its_id_depends_on_it() -> None:
    row = build_plan(_spec(INTRA), [0, 1, 0])[0]
    assert row.guide is not None
    assert (row.guide_label, row.guide_sha256) == (1, ROWS.hashes[row.guide])
    other = guide_set(255 - IMAGES, LABELS)
    assert build_plan(_spec(INTRA, other), [0, 1, 0])[0].image_id != row.image_id


@pytest.mark.parametrize("fit", [None, "0123456789abcdef"])
@pytest.mark.parametrize("guides", [None, INTRA, replace(INTRA, strengths=(0.25, 1.0))])
def test_ids_are_content_hashes(guides: Guides | None, fit: str | None) -> None:
    spec = pool_spec(
        Stub(), dataset="toy", classes=('say "one"', "é", "two"), prompts=PROMPTS, pool_seed=3,
        guides=guides, guide_rows=ROWS if guides else None, fit=fit,
    )  # fmt: skip
    for row in build_plan(spec, [3, 3, 3]):
        assert row.image_id == content_hash(image_identity(spec, row), 24)


def test_a_spec_is_read_back_with_its_guides(tmp_path: Path) -> None:
    spec = _spec(INTRA)
    pool = Pool.open(spec, tmp_path)
    found = read_spec(pool.folder, spec.calls)
    assert found == replace(spec, prompts=found.prompts)
    assert found.key == spec.key != _spec(INTER).key


class Seen(Stub):
    """Remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[tuple[int, ...], float | None]] = []

    def draw(self, prompts, seeds, guides=None, mode=TEXT):  # type: ignore[no-untyped-def]
        assert guides is not None
        self.seen += [(tuple(np.asarray(each)[0, 0]), mode.strength) for each in guides]
        result: DrawResult = super().draw(prompts, seeds, guides, mode)
        return result


def test_drawing_hands_each_row_its_guide_and_one_strength_a_batch() -> None:
    generator = Seen()
    spec = _spec(Guides(pairing="inter", strengths=(0.4, 0.8)))
    Pool.open(spec).ensure([3, 3, 3], generator, Materials(IMAGES))
    wanted = {(tuple(IMAGES[row.guide][0, 0]), row.strength) for row in build_plan(spec, [3, 3, 3])}
    assert set(generator.seen) == wanted
    assert [strength for _, strength in generator.seen] == [0.4] * 6 + [0.8] * 3


@pytest.mark.parametrize("scheduler", ["DPMSolverMultistep", "PNDM", "HeunDiscrete", "LCM"])
@pytest.mark.parametrize(("steps", "strength"), [(10, 0.29), (4, 1.0), (3, 0.7), (2, 0.5)])
def test_measured_calls_of_translation_are_the_predicted_ones(
    tiny_pipeline: Path, scheduler: str, steps: int, strength: float
) -> None:
    values = tiny_values(tiny_pipeline, scheduler=scheduler, spacing=None, steps=steps)
    generator = build_generator(values, "cpu")
    guides = [Image.fromarray(image) for image in IMAGES[:3]]
    drawn = generator.draw(["a", "b", "c"], [1, 2, 3], guides, Mode(strength=strength))
    assert drawn.calls == 3 * generator.predicted_calls(strength)


def test_a_translated_image_depends_on_its_guide_and_not_on_its_batch(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, steps=4), "cpu")
    mode = Mode(strength=0.5)
    jobs = [("a", seed, Image.fromarray(image)) for seed, image in enumerate(IMAGES[:3])]
    together, _ = generator.draw_values(jobs, mode)  # type: ignore[attr-defined]
    for index, job in enumerate(jobs):
        alone, _ = generator.draw_values([job], mode)  # type: ignore[attr-defined]
        assert np.abs(alone[0] - together[index]).max() < 1e-4
    swapped = [("a", 0, jobs[1][2])]
    other, _ = generator.draw_values(swapped, mode)  # type: ignore[attr-defined]
    assert np.abs(other[0] - together[0]).max() > 1e-2


def test_translation_and_text_can_take_turns(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, steps=4), "cpu")
    before = generator.draw(["a"], [5]).images[0].tobytes()
    generator.draw(["a"], [5], [Image.fromarray(IMAGES[0])], Mode(strength=0.5))
    assert generator.draw(["a"], [5]).images[0].tobytes() == before


def test_a_strength_that_runs_no_step_is_refused_before_loading(tiny_pipeline: Path) -> None:
    generator = build_generator(tiny_values(tiny_pipeline, steps=3), "cpu")
    with pytest.raises(UsageError, match=r"steps \* strength of at least 1, but got 3 \* 0.3"):
        generator.check(Mode(strength=0.3))
    assert generator._pipe is None  # type: ignore[attr-defined]
