"""Pools: draw what is missing, keep what is there, account for all of it."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.budget import Budget
from benchmark.generation.limits import Meter
from benchmark.generation.plan import build_plan
from benchmark.generation.pool import Pool
from benchmark.generation.seeding import MAX_ATTEMPTS, image_seed
from tests.fixtures.generation import Stub, stub_spec

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")


def _first_seeds(n: int, label: int = 0) -> set[int]:
    return {image_seed(7, label, 0, 3, attempt) for attempt in range(n)}


def _flawed(kind: str, seeds: set[int]) -> Callable[[int], str]:
    return lambda seed: kind if seed in seeds else ""


def test_only_what_is_missing_is_drawn() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    assert pool.missing([3, 2, 1]) == 6
    pool.ensure([3, 2, 1], generator)
    pool.ensure([2, 2, 1], generator)
    assert generator.drawn == 6
    pool.ensure([3, 2, 4], generator)
    assert generator.drawn == 9
    assert pool.missing([3, 2, 4]) == 0


def test_a_smaller_budget_is_a_prefix_and_the_plan_only_grows() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure([1, 5, 1], generator)
    small = [row.image_id for row in pool.subset([1, 1, 1])]
    pool.ensure([4, 4, 4], generator)
    assert [row.image_id for row in pool.subset([4, 4, 4])][:3] == small
    assert len(pool.plan_path.read_text().splitlines()) == 13


def test_two_roots_give_the_same_ids(tmp_path: Path) -> None:
    generator = Stub()
    hashes = []
    for name in "ab":
        pool = Pool.open(stub_spec(generator), tmp_path / name)
        pool.ensure([2, 2, 2], generator)
        hashes.append(pool.ids_hash([2, 1, 2]))
    assert hashes[0] == hashes[1] != pool.ids_hash([2, 2, 2])


def test_cost_of_a_subset_is_as_if_drawn_alone() -> None:
    generator = Stub(flaw=_flawed("flat", _first_seeds(1)))
    pool = Pool.open(stub_spec(generator))
    all_of_it = pool.ensure([4, 4, 4], generator)
    part = pool.ensure([1, 1, 0], generator)
    assert (part.candidates, part.accepted, part.rejected) == (3, 2, 1)
    assert part.network_calls_measured == part.network_calls_predicted == 18
    assert part.flops == 3 * (6 * 10.0 + 3.0)
    assert part.pool_candidates == all_of_it.candidates == 13
    assert part.pool_network_calls == 78
    assert (part.device, part.knowledge, part.load_seconds) == ("stub", ("stub",), 0.5)


def test_an_empty_budget_needs_no_generator() -> None:
    generator = Stub()
    cost = Pool.open(stub_spec(generator)).ensure([0, 0, 0], generator)
    assert (cost.candidates, cost.load_seconds, generator.drawn) == (0, 0.0, 0)


@pytest.mark.parametrize("kind", ["flat", "non-finite"])
def test_degenerate_frames_are_drawn_again(kind: str) -> None:
    generator = Stub(flaw=_flawed(kind, _first_seeds(2)))
    pool = Pool.open(stub_spec(generator))
    cost = pool.ensure([1, 1, 1], generator)
    assert cost.rejected == 2
    assert [row.attempt for row in pool.subset([1, 1, 1])] == [2, 0, 0]
    pool.ensure([1, 1, 1], generator)
    assert generator.drawn == 5


def test_a_hopeless_slot_ends_in_one_clear_error() -> None:
    generator = Stub(flaw=_flawed("flat", _first_seeds(MAX_ATTEMPTS, label=1)))
    pool = Pool.open(stub_spec(generator))
    for _ in range(2):
        with pytest.raises(DataError, match=r"image of 'one' \(slot 0\) within 4 attempts"):
            pool.ensure([1, 1, 1], generator)
    assert generator.drawn == 6
    pool.ensure([1, 0, 1], generator)


def test_load_gives_arrays_in_plan_order() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure([2, 1, 2], generator)
    images, labels, ids = pool.load([2, 1, 2], 8, "L")
    assert (images.shape, images.dtype) == ((5, 8, 8, 3), np.uint8)
    assert labels.tolist() == [0, 1, 2, 0, 2]
    assert ids == [row.image_id for row in build_plan(pool.spec, [2, 1, 2])]
    assert (images[..., 0] == images[..., 2]).all()


def test_images_are_lossless() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure([1, 0, 0], generator)
    row = pool.subset([1, 0, 0])[0]
    with Image.open(pool.image_path(row)) as image:
        assert np.array_equal(np.asarray(image), np.asarray(generator._image(row.seed)))


def test_missing_images_are_counted() -> None:
    pool = Pool.open(stub_spec(Stub()))
    with pytest.raises(DataError, match="Expected 3 images, but got 0"):
        pool.subset([1, 1, 1])


def test_a_foreign_generator_is_refused() -> None:
    pool = Pool.open(stub_spec(Stub()))
    with pytest.raises(UsageError, match="another fingerprint"):
        pool.ensure([1, 1, 1], Stub(flavour="other"))


def test_an_edited_pool_is_refused() -> None:
    spec = stub_spec(Stub())
    path = Pool.open(spec).folder / "pool.json"
    path.write_text(json.dumps({"key": spec.key}))
    with pytest.raises(IntegrityError, match="different specification"):
        Pool.open(spec)


def test_contact_sheet_shows_every_class() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure([2, 1, 12], generator)
    with Image.open(pool.sheet_path) as sheet:
        assert sheet.size[0] > 10 * 64
        assert sheet.size[1] == 3 * 66


def test_nothing_is_logged_or_shown_for_small_work(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = Stub()
    with caplog.at_level(logging.INFO):
        Pool.open(stub_spec(generator)).ensure([1, 1, 1], generator)
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")


def test_a_lost_image_is_not_booked_twice_against_a_limit() -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator))
    pool.ensure([2, 2, 2], generator)
    for path in (pool.folder / "images").rglob("*.png"):
        path.unlink()
    limit = Budget(kind="none", limit_calls=36)
    assert pool.ensure([2, 2, 2], generator, meter=Meter(limit)).accepted == 6
    with pytest.raises(UsageError, match="Expected at most 36 network calls, but 36 of them"):
        pool.ensure([3, 2, 2], generator, meter=Meter(limit))
