"""What unfinished runs will take: closed forms, and what is not known is said."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.estimation.estimates import BYTES_PER_PIXEL, Estimate, Rates, estimate, read_rates
from benchmark.experiments.expansion import Facts
from benchmark.paths import pool_dir
from tests.conftest import ROOT
from tests.fixtures.grids import make_facts
from tests.fixtures.records import make_record

NOTHING = Estimate(seconds=0.0, images=0, size=0.0, unknown=0)


def rates(**values: Any) -> Rates:
    """A step of 0.5 s and a network call of 0.25 s."""
    given: dict[str, Any] = {
        "of_step": {("short", "small"): [0.5]}, "of_call": {"tiny": [0.25]},
        "of_image": {"tiny": 1000.0},
    }  # fmt: skip
    return Rates(**given | values)


def real(**values: Any) -> Facts:
    """An experiment that draws nothing."""
    return make_facts(add=(), calls=0, generator="", image_size=0, pool="", pool_a_seed=False,
                      **values)  # fmt: skip


def test_nothing_missing_takes_nothing() -> None:
    assert estimate([], [(make_facts(), 0)], rates()) == NOTHING


def test_training_takes_its_steps() -> None:
    assert estimate([(real(), 0), (real(), 1)], [], rates()) == replace(NOTHING, seconds=100.0)


def test_runs_of_the_same_experiment_say_more_than_steps() -> None:
    known = rates(of_experiment={real().hash: [30.0, 10.0, 11.0]})
    assert estimate([(real(), 3)], [], known).seconds == 11.0


def test_images_take_their_calls_and_their_bytes() -> None:
    found = estimate([(make_facts(), 0)], [], rates())
    assert found == Estimate(seconds=50 + 60 * 0.25, images=6, size=6000 / 1e9, unknown=0)


def test_an_image_that_was_never_weighed_is_reckoned_by_its_pixels() -> None:
    found = estimate([(make_facts(), 0)], [], rates(of_image={}))
    assert found.size == pytest.approx(6 * BYTES_PER_PIXEL * 64 / 1e9)


def test_images_that_runs_share_count_once() -> None:
    small, large = make_facts("a", add=(4, 2)), make_facts("b", add=(8, 4), calls=120)
    found = estimate([(small, 0), (large, 0)], [], rates())
    assert (found.images, found.seconds) == (12, 100 + 120 * 0.25)


def test_shares_that_overlap_count_once_a_class() -> None:
    # (4, 2) and (3, 3) are together 4 of the first class and 3 of the second
    first, second = make_facts("a", add=(4, 2), calls=60), make_facts("b", add=(3, 3), calls=60)
    assert estimate([(first, 0), (second, 0)], [], rates()).images == 7
    assert estimate([(first, 0), (second, 0)], [], rates()).seconds == 100 + 70 * 0.25


def test_images_that_are_drawn_already_are_taken_off() -> None:
    small, large = make_facts("a", add=(4, 2)), make_facts("b", add=(8, 4), calls=120)
    assert estimate([(large, 0)], [(small, 0)], rates()).images == 6
    assert estimate([(large, 0)], [(small, 0)], rates()).seconds == 50 + 60 * 0.25
    assert estimate([(small, 0)], [(large, 0)], rates()).images == 0
    # those of another seed are other images
    assert estimate([(large, 0)], [(small, 1)], rates()).images == 12


def test_a_fixed_pool_is_drawn_once_for_all_seeds() -> None:
    fixed = make_facts(pool_a_seed=False)
    assert estimate([(fixed, 0), (fixed, 1)], [], rates()).images == 6
    own = make_facts()
    assert estimate([(own, 0), (own, 1)], [], rates()).images == 12


def test_fitting_is_paid_once_a_pool() -> None:
    small = make_facts("a", fit_calls=40)
    large = make_facts("b", add=(8, 4), calls=120, fit_calls=40)
    assert estimate([(small, 0)], [], rates()).seconds == 50 + (60 + 40) * 0.25
    assert estimate([(small, 0), (large, 0)], [], rates()).seconds == 100 + (120 + 40) * 0.25
    assert estimate([(large, 0)], [(small, 0)], rates()).seconds == 50 + 60 * 0.25


def test_what_was_never_run_is_counted_and_not_guessed() -> None:
    other = make_facts("a", recipe="long")
    new = make_facts("b", generator="new", pool="q")
    found = estimate([(other, 0), (other, 1), (new, 0)], [], rates())
    # the two runs, and the pool of a generator without a rate
    assert (found.unknown, found.images) == (3, 18)
    assert found.seconds == 50 + 2 * 60 * 0.25
    found = estimate([(other, 0)], [], Rates())
    assert (found.seconds, found.unknown, found.images) == (0.0, 2, 6)


# rates


def drawn(record: dict[str, Any], **cost: Any) -> dict[str, Any]:
    """A record that drew 100 images by 600 calls in 300 seconds."""
    record["cost"]["generation"] = {
        "network_calls_measured": 600, "device_seconds": 300.0, "pool_key": "", **cost,
    }  # fmt: skip
    record["experiment"]["config"] = {"generator": {"name": "tiny"}}
    return record


def values(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(make_record(**changes).model_dump_json(by_alias=True))
    return found


def test_a_record_teaches_steps_and_calls() -> None:
    known = Rates()
    known.add(drawn(values()))
    # 12.5 s of training and 0.5 s of evaluation over 50 steps
    assert known.of_step == {("short", "small"): [0.26]}
    assert known.of_call == {"tiny": [0.5]}
    assert (known.runs, known.devices) == (1, {"cpu"})
    assert known.training(make_facts(steps=200)) == pytest.approx(52.0)
    assert known.training(make_facts(backbone="large")) is None
    assert known.drawing("tiny", 8) == 4.0
    assert known.drawing("tiny", 0) == known.drawing("none", 0) == 0.0
    assert known.drawing("other", 8) is None


def test_runs_of_a_few_steps_and_images_teach_no_rate() -> None:
    known = Rates()
    known.add(drawn(values(recipe__steps_total=2), network_calls_measured=16))
    assert (known.runs, known.of_step, known.of_call) == (1, {}, {})


def test_the_median_of_several_records_counts() -> None:
    known = Rates()
    for seconds in (1.0, 99.5, 4.5):
        known.add(values(cost__training=values()["cost"]["training"] | {"seconds": seconds}))
    assert known.of_step["short", "small"] == pytest.approx([0.03, 2.0, 0.1])
    assert known.training(make_facts(steps=100)) == pytest.approx(10.0)


def test_fitting_counts_among_the_calls() -> None:
    known = Rates()
    known.add(drawn(values(), fit_network_calls=400, fit_seconds=700.0))
    assert known.of_call == {"tiny": [1.0]}


def test_images_are_weighed_on_disk() -> None:
    folder = pool_dir() / "weighed" / "0"
    folder.mkdir(parents=True)
    for size in (100, 300):
        (folder / f"{size}.png").write_bytes(b"x" * size)
    known = Rates()
    known.add(drawn(values(), pool_key="weighed"))
    assert known.of_image == {"tiny": 200.0}


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"cost": {"training": 1}}', "\x00"])
def test_a_broken_record_teaches_nothing(text: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(make_record().model_dump_json(by_alias=True))
    bad.write_text(text)
    found = read_rates([bad, good, tmp_path / "absent.json"])
    assert (found.runs, found.of_step) == (1, {("short", "small"): [0.26]})


def test_committed_records_estimate_their_own_experiments() -> None:
    paths = sorted((ROOT / "leaderboards" / "records" / "digitslt").rglob("s0/record.json"))[:6]
    known = read_rates(paths)
    assert known.runs == len(paths) > 0
    for path in paths:
        record = json.loads(path.read_text())
        training = record["cost"]["training"]
        took = known.training(make_facts(hash=record["experiment"]["hash"]))
        assert took == pytest.approx(training["seconds"] + training["eval_seconds"])
