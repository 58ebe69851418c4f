"""Who may draw at a pool: claimers beside each other, a driver alone."""

import threading
import time
from pathlib import Path

import pytest

from benchmark.generation.access import alone, shared
from benchmark.generation.budget import Budget
from benchmark.generation.claims import Block, BlockKey
from benchmark.generation.drawing import Others
from benchmark.generation.frames import Frames, Setup
from benchmark.generation.limits import Meter
from benchmark.generation.plan import build_plan
from benchmark.generation.pool import Pool
from benchmark.generation.results import Tail
from benchmark.system import locks
from tests.fixtures.generation import Stub, stub_spec

ORDERS = [(shared, alone), (alone, shared), (alone, alone)]


@pytest.mark.parametrize(("first", "second"), ORDERS)
@pytest.mark.parametrize("has_locks", [True, False])
def test_the_second_waits(
    tmp_path: Path,
    first: object,
    second: object,
    has_locks: bool,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "_has_locks", lambda _: has_locks)
    seen: list[str] = []

    def come() -> None:
        with second(tmp_path):  # type: ignore[operator]
            seen.append("second")

    with first(tmp_path):  # type: ignore[operator]
        thread = threading.Thread(target=come)
        thread.start()
        time.sleep(0.4)
        seen.append("first")
    thread.join(10)
    assert seen == ["first", "second"]
    assert "for another process that draws the pool" in capsys.readouterr().err


def test_claimers_share(tmp_path: Path) -> None:
    with shared(tmp_path), shared(tmp_path):
        assert len(list((tmp_path / "claims").glob("here-*.lock"))) == 2
    assert list((tmp_path / "claims").glob("here-*.lock")) == []


def test_what_a_killed_claimer_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    left = tmp_path / "claims" / "here-old.lock"
    left.touch()
    with alone(tmp_path):
        assert not left.exists()


def test_what_others_draw_counts_against_the_limit(tmp_path: Path) -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path)
    pool.ensure([2, 2, 2], generator, progress=False)
    meter = Meter(Budget(kind="uniform", amount=1, limit_images=100))
    frames = Frames(Setup(pool.spec, pool.folder, generator), meter)
    wanted = frozenset((label, 0) for label in range(3))
    others = Others(frames, Tail(pool.results_folder), wanted)
    known = others(Block(BlockKey(0, 0), build_plan(pool.spec, [2, 2, 2])))
    assert len(known) == 6
    assert (meter.images, meter.calls) == (3, 18)
    assert meter.flops == 3 * (6 * 10.0 + 3.0)
