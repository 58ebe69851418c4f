"""A worker and its block, in this process: drawn once, repeated without harm, stopped, shut out."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmark.errors import DataError, Interrupted, UsageError
from benchmark.generation.budget import Budget
from benchmark.generation.claims import Block, BlockKey, Given
from benchmark.generation.drawing import Drawer
from benchmark.generation.fence import Fence, clear, fenced
from benchmark.generation.frames import Frames, Setup
from benchmark.generation.limits import Meter
from benchmark.generation.plan import build_plan
from benchmark.generation.pool import Pool
from benchmark.generation.results import read_rows
from benchmark.generation.scale.notes import TRIES, Note
from benchmark.generation.scale.worker import Outcome, Worker
from benchmark.generation.seeding import image_seed
from benchmark.system.progress import Tracker
from tests.fixtures.generation import Stub, stub_spec
from tests.fixtures.generation_scale import essence

COUNTS = [10, 10, 10]
FLAT = frozenset(image_seed(7, label, 3, 3) for label in range(3))


@dataclass
class Failing(Stub):
    """Raises at its third batch."""

    batches: int = 0

    def draw(self, *args: object) -> object:  # type: ignore[override]
        self.batches += 1
        if self.batches == 3:
            raise RuntimeError("the device\nis lost")
        return super().draw(*args)  # type: ignore[arg-type]


def _flat(seed: int) -> str:
    return "flat" if seed in FLAT else ""


def _pool(root: Path, generator: Stub) -> tuple[Pool, Setup]:
    pool = Pool.open(stub_spec(generator), root)
    pool.results_folder.mkdir()
    return pool, Setup(pool.spec, pool.folder, generator)


def _block(setup: Setup) -> Block:
    return Block(BlockKey(0, 0), build_plan(setup.spec, COUNTS))


def _worker(setup: Setup, meter: Meter | None = None) -> Worker:
    return Worker(setup, Fence.of(setup.folder), meter)


def test_rows_are_those_of_one_process(tmp_path: Path) -> None:
    generator = Stub(flaw=_flat)
    reference = Pool.open(stub_spec(generator), tmp_path / "a")
    reference.ensure(COUNTS, generator, progress=False)
    pool, setup = _pool(tmp_path / "b", Stub(flaw=_flat))
    with fenced(pool.folder):
        assert _worker(setup).draw(0, _block(setup)) == Outcome(0, 30)
    rows = read_rows(pool.results_folder)
    assert essence(rows) == essence(read_rows(reference.results_folder))
    assert len(rows) == 33
    assert pool.subset(COUNTS)
    for row in pool.subset(COUNTS):
        assert pool.read(row)


def test_a_repeated_block_draws_nothing(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub(flaw=_flat))
    with fenced(pool.folder):
        worker = _worker(setup)
        worker.draw(0, _block(setup))
        assert worker.draw(0, _block(setup)).images == 30
        assert _worker(setup).draw(0, _block(setup)).images == 30
    assert len(read_rows(pool.results_folder)) == 33


def test_the_next_worker_draws_the_rest(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Failing(flaw=_flat))
    with fenced(pool.folder):
        with pytest.raises(RuntimeError):
            _worker(setup).draw(0, _block(setup))
        begun = len(read_rows(pool.results_folder))
        assert begun == 8
        assert _worker(setup).draw(0, _block(setup)) == Outcome(0, 30, deaths=1)
    rows = read_rows(pool.results_folder)
    assert len(rows) == len({row.image_id for row in rows}) == 33
    assert not list(pool.folder.glob("begun/*"))


def test_a_torn_line_of_a_dead_worker_is_drawn_again(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    with fenced(pool.folder):
        _worker(setup).draw(0, _block(setup))
        part = next(pool.results_folder.glob("part-*.jsonl"))
        part.write_text(part.read_text()[:-40])
        _worker(setup).draw(0, _block(setup))
    assert len(pool.subset(COUNTS)) == len(read_rows(pool.results_folder)) == 30


def test_a_block_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    block = _block(setup)
    with fenced(pool.folder):
        note = Note(Fence.of(pool.folder).begun, pool.results_folder, 0)
        for number in range(TRIES):
            assert note.begin(f"w{number}", block) == {}
        note.fail("RuntimeError: the device is lost")
        error = _worker(setup).draw(0, block).error
    assert isinstance(error, DataError)
    assert f"'zero' (slot 0) on, but {TRIES} workers died" in str(error)
    assert "RuntimeError: the device is lost" in str(error)


def test_deaths_with_rows_in_between_are_forgiven(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    block = _block(setup)
    with fenced(pool.folder):
        note = Note(Fence.of(pool.folder).begun, pool.results_folder, 0)
        for number in range(TRIES - 1):
            note.begin(f"w{number}", block)
        few = Block(block.key, block.rows[:4])
        _worker(setup).draw(0, few)
        assert len(note.begin("later", block)) == 4
        assert _worker(setup).draw(0, block).error is None
    assert len(read_rows(pool.results_folder)) == 30


def test_what_stops_a_worker_is_returned(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub(flaw=lambda _: "flat"))
    with fenced(pool.folder):
        error = _worker(setup).draw(0, _block(setup)).error
    assert isinstance(error, DataError)
    assert "within 4 attempts" in str(error)


def test_a_limit_stops_before_the_batch(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    meter = Meter(Budget(kind="uniform", amount=1, limit_images=10))
    with fenced(pool.folder):
        outcome = _worker(setup, meter).draw(0, _block(setup))
    assert isinstance(outcome.error, UsageError)
    assert outcome.images == len(read_rows(pool.results_folder)) == 8


def test_a_stopped_run_draws_no_more(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    with fenced(pool.folder):
        fence = Fence.of(pool.folder)
        fence.stop()
        assert (fence.raised, fence.lost) == (True, False)
        assert Worker(setup, fence).draw(0, _block(setup)) == Outcome(0, 0)
        assert Fence.of(pool.folder).run == fence.run
    assert read_rows(pool.results_folder) == []


def test_who_was_shut_out_records_nothing(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    with fenced(pool.folder):
        fence = Fence.of(pool.folder)

        class Shut(Stub):
            def draw(self, *args: object) -> object:  # type: ignore[override]
                drawn = super().draw(*args)  # type: ignore[arg-type]
                (pool.folder / "run.txt").write_text("another")
                return drawn

        late = Setup(pool.spec, pool.folder, Shut())
        assert Worker(late, fence).draw(0, _block(setup)).images == 0
    assert read_rows(pool.results_folder) == []


def test_a_dead_driver_s_run_is_cleared(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    clear(pool.folder)
    with fenced(pool.folder):
        fence = Fence.of(pool.folder)
        Note(fence.begun, pool.results_folder, 0).begin("w", _block(setup))
        clear(pool.folder)
        assert (fence.raised, fence.lost, fence.begun.exists()) == (True, True, False)


def test_given_blocks_come_by_mode() -> None:
    rows = build_plan(stub_spec(Stub()), [1, 1, 1])
    made = [Block(BlockKey(at % 2, at), [row]) for at, row in enumerate(rows)]
    source = Given(deque(made))
    assert source.claim(0) is made[0]
    assert source.claim(0) is made[2]
    assert source.claim(0) is None
    assert source.claim() is made[1]


def test_nothing_is_recorded_once_the_owner_is_another(tmp_path: Path) -> None:
    pool, setup = _pool(tmp_path, Stub())
    bar = Tracker("drawing", 30, "images", enabled=False)
    frames = Frames(setup)
    frames.open_session(_block(setup).rows[0])
    fence = Fence(pool.folder, "")
    drawer = Drawer(frames, Given(deque([_block(setup)])), lambda _: {}, fence, bar, lambda: False)
    with pytest.raises(Interrupted, match="Another process took over the pool"):
        drawer.run()
    assert read_rows(pool.results_folder) == []
