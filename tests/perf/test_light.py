"""Start-up and large leaderboards: ratios are asserted, seconds never."""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.perf import light, many_records
from tests.perf.grid_seconds import Sums


def test_light_verbs_take_a_fraction_of_importing_torch(benchmark: BenchmarkFixture) -> None:
    found = benchmark.pedantic(light.verb_rows, args=(1, light.FAST), rounds=1)
    assert len(found) == len(light.FAST)
    # twice the goal: a single round on a busy machine
    assert all(row.goal and row.value < 2 * row.goal for row in found)


def test_a_thousand_records(tmp_path: Path, benchmark: BenchmarkFixture) -> None:
    many_records.write(tmp_path / "leaderboards" / "records", 1000)
    benchmark.pedantic(many_records.report, args=(tmp_path,), rounds=1)
    page = tmp_path / "leaderboards" / "index.html"
    assert page.stat().st_size < 2**20
    assert len(list((tmp_path / "leaderboards" / "tables").glob("*.json"))) == many_records.TABLES


@pytest.mark.slow
def test_ten_thousand_records_take_ten_times_as_long(benchmark: BenchmarkFixture) -> None:
    row = benchmark.pedantic(light.board_row, rounds=1)
    assert row.met, row


@pytest.mark.slow
def test_runs_start_soon_and_finished_ones_at_once(benchmark: BenchmarkFixture) -> None:
    found = benchmark.pedantic(light.verb_rows, args=(3,), rounds=1)
    assert all(row.met for row in found), found


def test_what_a_grid_takes_of_its_runs_alone() -> None:
    assert Sums(training=30.0, drawing=20.0, alone=200.0).percent == pytest.approx(25.0)
