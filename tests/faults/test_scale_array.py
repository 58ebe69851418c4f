"""A pool drawn by an array of jobs: the rows of one process, jobs that die, jobs of SLURM."""

from pathlib import Path

import pytest

from benchmark.errors import DataError, Interrupted, UsageError
from benchmark.generation.budget import Budget
from benchmark.generation.fence import Fence, fenced
from benchmark.generation.frames import Setup
from benchmark.generation.limits import Meter
from benchmark.generation.plan import build_plan, write_plan
from benchmark.generation.pool import Pool
from benchmark.generation.results import Tail, read_rows
from benchmark.generation.scale.array_engine import ArrayEngine, Share
from benchmark.generation.scale.worker import Outcome
from benchmark.generation.seeding import image_seed
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from tests.fixtures.generation import Stub, stub_spec
from tests.fixtures.generation_scale import Sleeper, essence

submitit = pytest.importorskip("submitit")
pytestmark = pytest.mark.usefixtures("own_cache")
pytest_plugins = ["tests.fixtures.generation_plugin"]
COUNTS = [60, 60, 60]
FLAT = frozenset(image_seed(7, slot % 3, slot, 3) for slot in range(0, 60, 15))


def _reference(root: Path) -> Pool:
    generator = Sleeper(flat=FLAT)
    pool = Pool.open(stub_spec(generator), root)
    pool.ensure(COUNTS, generator, progress=False)
    return pool


def _sound(pool: Pool, reference: Pool) -> None:
    rows = read_rows(pool.results_folder)
    assert essence(rows) == essence(read_rows(reference.results_folder))
    assert len(rows) == len({row.image_id for row in rows}) == 184
    assert verify(read_pool(pool.folder)).problems == ()


@pytest.mark.parametrize("split", ["claims", "shards"])
def test_jobs_draw_the_rows_of_one_process(tmp_path: Path, split: str) -> None:
    generator = Sleeper(flat=FLAT)
    pool = Pool.open(stub_spec(generator), tmp_path / "pool")
    engine = ArrayEngine(workers=3, cluster="debug", split=split)  # type: ignore[arg-type]
    cost = pool.ensure(COUNTS, generator, progress=False, engine=engine)
    assert (cost.accepted, cost.rejected, cost.failed) == (180, 4, 0)
    _sound(pool, _reference(tmp_path / "reference"))
    drew = {row.worker for row in read_rows(pool.results_folder)}
    # one after another, the first of those that claim draws everything
    assert len(drew) == (1 if split == "claims" else 3)
    assert not list(pool.folder.glob("claims/here-*"))
    assert not (pool.folder / "run.txt").exists()


def test_processes_of_this_machine_draw_the_rows_of_one(tmp_path: Path) -> None:
    generator = Sleeper(flat=FLAT, pause=0.01)
    pool = Pool.open(stub_spec(generator), tmp_path / "pool")
    pool.ensure(COUNTS, generator, progress=False, engine=ArrayEngine(workers=2, split="shards"))
    _sound(pool, _reference(tmp_path / "reference"))
    assert len({row.worker for row in read_rows(pool.results_folder)}) == 2


@pytest.mark.slow
def test_a_job_that_dies_is_named_and_the_others_draw_its_blocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator = Sleeper(
        flat=FLAT, pause=0.02, once=tmp_path, dies=frozenset([image_seed(7, 1, 20, 3)])
    )
    pool = Pool.open(stub_spec(generator), tmp_path / "pool")
    pool.ensure(COUNTS, generator, progress=False, engine=ArrayEngine(workers=2))
    assert "ended without a result" in capsys.readouterr().err
    _sound(pool, _reference(tmp_path / "reference"))


def test_what_a_job_refuses_is_the_error_of_all(tmp_path: Path) -> None:
    generator = Sleeper(flat=frozenset(image_seed(7, 2, 5, 3, attempt) for attempt in range(4)))
    pool = Pool.open(stub_spec(generator), tmp_path)
    with pytest.raises(DataError, match=r"image of 'two' \(slot 5\) within 4 attempts"):
        pool.ensure(
            [6, 6, 6], generator, progress=False, engine=ArrayEngine(workers=2, cluster="debug")
        )


@pytest.mark.parametrize("split", ["claims", "shards"])
def test_a_limit_holds_for_all_jobs_together(tmp_path: Path, split: str) -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path)
    meter = Meter(Budget(kind="uniform", amount=1, limit_images=120))
    engine = ArrayEngine(workers=3, cluster="debug", split=split)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at most 120 candidate images"):
        pool.ensure(COUNTS, generator, meter=meter, progress=False, engine=engine)
    assert 110 < len(read_rows(pool.results_folder)) <= 120


def test_a_shard_that_is_left_over_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Stub()
    pool = Pool.open(stub_spec(generator), tmp_path)
    call = Share.__call__

    def dying(self: Share) -> object:
        if self.shard == (1, 2):
            raise MemoryError
        return call(self)

    monkeypatch.setattr(Share, "__call__", dying)
    engine = ArrayEngine(workers=2, cluster="debug", split="shards")
    with pytest.raises(Interrupted, match=r"Stopped with 64 of 180 images to draw.*run again"):
        pool.ensure(COUNTS, generator, progress=False, engine=engine)
    monkeypatch.undo()
    pool.ensure(COUNTS, generator, progress=False, engine=engine)
    assert len(read_rows(pool.results_folder)) == 180


def test_a_job_that_starts_when_its_run_is_over_draws_nothing(tmp_path: Path) -> None:
    pool = Pool.open(stub_spec(Stub()), tmp_path)
    write_plan(tmp_path / "rows", build_plan(pool.spec, COUNTS))
    with fenced(pool.folder):
        old = Fence.of(pool.folder)
    with fenced(pool.folder):
        setup, tail = Setup(pool.spec, pool.folder, Stub()), Tail(pool.results_folder)
        late = Share(setup, tmp_path / "rows", tail, shard=(0, 2), fence=old)
        assert late() == Outcome(0, 0)
    assert read_rows(pool.results_folder) == []


def test_a_job_taken_away_is_queued_again(tmp_path: Path) -> None:
    pool = Pool.open(stub_spec(Stub()), tmp_path)
    share = Share(Setup(pool.spec, pool.folder, Stub()), tmp_path / "x", Tail(pool.results_folder))
    assert share.checkpoint().function is share


def test_slurm_gets_the_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("srun", "sbatch"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    engine = ArrayEngine(
        workers=64, cluster="slurm", cpus=8, gpus=1, memory=32, minutes=90, partition="gpu",
        slurm={"account": "lab"},
    )  # fmt: skip
    text = engine.executor(tmp_path / "jobs")._executor._make_submission_file_text("run", "1")
    options = {line.removeprefix("#SBATCH --") for line in text.splitlines() if "#SBATCH" in line}
    assert {
        "account=lab", "cpus-per-task=8", "gpus-per-node=1", "mem=32GB", "partition=gpu",
        "time=90", "job-name=pool",
    } <= options  # fmt: skip


def test_without_slurm_there_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"cluster=slurm\]; submit where sbatch and srun are"):
        ArrayEngine(cluster="slurm").executor(tmp_path)
