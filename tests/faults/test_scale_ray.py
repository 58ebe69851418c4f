"""A pool drawn on Ray by workers that die and raise: the rows of one process, each once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.errors import DataError, UsageError
from benchmark.generation.budget import Budget
from benchmark.generation.frames import Materials
from benchmark.generation.guides import guide_set
from benchmark.generation.limits import Meter
from benchmark.generation.plan import pool_spec
from benchmark.generation.pool import Pool
from benchmark.generation.results import read_rows
from benchmark.generation.scale.ray_engine import RayEngine
from benchmark.generation.seeding import image_seed
from benchmark.generation.sources import Guides
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from tests.faults.torment_ray import FLAT, Plan, start_driver, torment, wait_for_rows
from tests.fixtures.generation import CLASSES, PROMPTS, Stub, stub_spec
from tests.fixtures.generation_scale import Sleeper, essence

ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """One local cluster for all tests of this file."""
    with RayEngine(most=4)._cluster():
        yield


def _drawn_alone(root: Path, generator: Stub, counts: list[int]) -> Pool:
    pool = Pool.open(stub_spec(generator), root)
    pool.ensure(counts, generator, progress=False)
    return pool


def _same(pool: Pool, reference: Pool) -> None:
    """The rows of one process, each once, and sound images."""
    rows = read_rows(pool.results_folder)
    assert len(rows) == len({row.image_id for row in rows})
    assert essence(rows) == essence(read_rows(reference.results_folder))
    assert verify(read_pool(pool.folder)).problems == ()


@pytest.mark.usefixtures("cluster")
def test_crashes_and_errors_lose_and_repeat_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = [60, 60, 60]
    generator = Sleeper(
        flat=FLAT, pause=0.01, once=tmp_path,
        dies=frozenset([image_seed(7, 0, 30, 3)]), raises=frozenset([image_seed(7, 1, 50, 3)]),
    )  # fmt: skip
    pool = Pool.open(stub_spec(generator), tmp_path / "pool")
    engine = RayEngine(least=2, most=2, cpus=0.5, block=30)
    cost = pool.ensure(counts, generator, progress=False, engine=engine)
    assert len(list(tmp_path.iterdir())) == 3
    assert "2 died while they drew" in capsys.readouterr().err
    assert (cost.accepted, cost.rejected, cost.failed) == (180, 6, 0)
    assert cost.network_calls_measured == 6 * 186
    _same(pool, _drawn_alone(tmp_path / "reference", Sleeper(flat=FLAT), counts))
    assert not (pool.folder / "begun").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_guides_and_strengths_are_those_of_one_process(tmp_path: Path) -> None:
    import numpy as np

    images = np.random.default_rng(0).integers(0, 256, (10, 8, 8, 3), dtype=np.uint8)
    spec = pool_spec(
        Stub(), dataset="toy", classes=CLASSES, prompts=PROMPTS, pool_seed=3,
        guides=Guides(pairing="inter", strengths=(0.3, 0.6)),
        guide_rows=guide_set(images, [0] * 6 + [1] * 3 + [2]),
    )  # fmt: skip
    pools = [Pool.open(spec, tmp_path / name) for name in "ab"]
    pools[0].ensure([20, 9, 4], Stub(), Materials(images), progress=False)
    pools[1].ensure(
        [20, 9, 4], Stub(), Materials(images), progress=False, engine=RayEngine(block=8)
    )
    _same(pools[1], pools[0])


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("limit", ["limit_images", "limit_seconds"])
def test_a_limit_holds_for_all_workers_together(tmp_path: Path, limit: str) -> None:
    generator = Sleeper(pause=0.05)
    pool = Pool.open(stub_spec(generator), tmp_path)
    most = 40 if limit == "limit_images" else 0.1
    meter = Meter(Budget(kind="uniform", amount=1, **{limit: most}))
    with pytest.raises(UsageError, match=rf"Expected at most .* \[budget.{limit}\]"):
        pool.ensure(
            [100, 100, 100], generator, meter=meter, progress=False,
            engine=RayEngine(least=3, most=3, block=8),
        )  # fmt: skip
    # seconds are known after a batch: each worker may have one more under way
    assert 0 < len(read_rows(pool.results_folder)) <= (40 if limit == "limit_images" else 60)
    assert not (pool.folder / "run.txt").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_block_that_kills_every_worker_ends_in_one_error(tmp_path: Path) -> None:
    generator = Sleeper(cursed=frozenset([image_seed(7, 1, 3, 3)]))
    pool = Pool.open(stub_spec(generator), tmp_path)
    with pytest.raises(DataError, match="5 workers died while they drew them, without a word"):
        pool.ensure([8, 8, 8], generator, progress=False, engine=RayEngine(most=2, block=8))
    assert len(read_rows(pool.results_folder)) >= 8


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
def test_a_hopeless_slot_is_the_error_of_one_process(tmp_path: Path) -> None:
    generator = Sleeper(flat=frozenset(image_seed(7, 2, 5, 3, attempt) for attempt in range(4)))
    pool = Pool.open(stub_spec(generator), tmp_path)
    with pytest.raises(DataError, match=r"image of 'two' \(slot 5\) within 4 attempts"):
        pool.ensure([8, 8, 8], generator, progress=False, engine=RayEngine(block=8))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_driver_that_ends_is_started_again(tmp_path: Path, how: str) -> None:
    counts = [100, 100, 100]
    pool = Pool.open(stub_spec(Sleeper(flat=FLAT)), tmp_path)
    first = start_driver(tmp_path, Plan(workers=2, count=100, pause=0.2))
    wait_for_rows(pool, 30)
    getattr(first, how)()
    if how == "kill":
        # the second one begins while workers of the first may still be there
        first.wait()
    else:
        out, _ = first.communicate(timeout=60)
        assert first.returncode == 130
        assert "of 300 images to draw" in out
    before = len(read_rows(pool.results_folder))
    assert before < 310
    second = start_driver(tmp_path, Plan(workers=2, count=100, pause=0.0))
    _, error = second.communicate(timeout=120)
    assert second.returncode == 0, error
    first.communicate()
    _same(pool, _drawn_alone(tmp_path / "reference", Sleeper(flat=FLAT), counts))


@pytest.mark.slow
def test_sixteen_workers_are_tormented(tmp_path: Path) -> None:
    found = torment(tmp_path, Plan(workers=16, count=400, pause=0.2, failures=6), kills=6)
    assert found.killed == 6
    assert found.drivers == 2
    assert (found.twice, found.missing, found.problems, found.differ) == (0, 0, (), 0)
    assert found.rows == 1200 + 40
