"""Several processes at one pool, some of them killed: nothing twice, nothing missing."""

import random
from pathlib import Path

import pytest

from tests.faults.kill_pool import COUNTS, torment

pytestmark = pytest.mark.usefixtures("own_cache")
pytest_plugins = ["tests.fixtures.generation_plugin"]


def test_a_pool_survives_kills_beside_another_worker(tmp_path: Path) -> None:
    found = torment(tmp_path, kills=4, rng=random.Random(1))
    assert found.kills == 4
    assert (found.twice, found.missing, found.problems) == (0, 0, ())
    assert found.rows == sum(COUNTS) + 30
    assert found.calls == (6 * found.rows, 6 * found.rows)
