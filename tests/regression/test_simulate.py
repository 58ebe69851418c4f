"""The gate's rates of error on simulated re-runs; docs/regression.md has those of 200."""

import numpy as np
import pytest

from tests.regression.simulate import (
    FIXED_SD,
    POLICY,
    alarms,
    arms,
    boards,
    detection,
    residuals,
)

BOARDS = boards(POLICY)
CORE, FIXED = "digits, same seeds, core set", "independent, SD 0.34"


@pytest.mark.parametrize("name", [CORE, FIXED])
def test_unchanged_boards_rarely_fail_and_large_drops_do(name: str) -> None:
    found = alarms(BOARDS[name], POLICY, 40)
    # six of 40 have a chance of 2 % where five of a hundred fail
    assert found["fail"] <= 6 / 40
    assert found["one: inconclusive"] < 0.05
    _, failed, noticed = detection(BOARDS[name], POLICY, 20, 1, 3.0)
    assert failed >= 0.9 and noticed >= failed


@pytest.mark.slow
@pytest.mark.parametrize("name", BOARDS)
def test_at_most_five_of_a_hundred_unchanged_boards_fail(name: str) -> None:
    # 5 % and two standard errors of 200 draws
    assert alarms(BOARDS[name], POLICY, 200)["fail"] <= 0.08


def test_boards_scatter_as_they_should() -> None:
    rng = np.random.default_rng(5)
    old, new = BOARDS[FIXED].draw(rng, 400, 400)
    assert 100 * old[:, 0].std() == pytest.approx(FIXED_SD["accuracy"], rel=0.05)
    assert 100 * (new - old)[:, 2].std() == pytest.approx(2**0.5 * FIXED_SD["ece"], rel=0.05)
    old, new = BOARDS[CORE].draw(rng, 400, 400)
    assert 100 * (new - old)[:, 0].std() == pytest.approx(
        POLICY.noise["digitslt"].accuracy, rel=0.1
    )
    old, _ = BOARDS["digits, fresh seeds, whole board"].draw(rng, 400, 1)
    assert old[:, 0].std(axis=1) == pytest.approx(residuals()[:, 0].std(axis=1, ddof=1), rel=0.2)


def test_seeds_are_those_of_the_design() -> None:
    zero = np.zeros((1, 3, 5))
    same, fresh = (arms(BOARDS[name], zero, zero)[0] for name in (CORE, FIXED))
    assert same.paired and list(same.new) == [0, 1, 2, 3, 4]
    assert not fresh.common and list(fresh.new) == [5, 6, 7, 8, 9]
