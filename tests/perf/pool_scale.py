"""How long a pool of a million made-up rows takes to plan, verify and view, and how much memory.

python -m tests.perf.pool_scale [--images N] [--classes K]
"""

import argparse
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.generation.frames import Setup
from benchmark.generation.plan import PoolSpec, build_plan, write_plan
from benchmark.generation.pool import Pool
from benchmark.generation.prompts import PromptSpec
from benchmark.generation.results import PoolRow, append_rows, read_rows
from benchmark.generation.scale.blocks import cut, tables
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from benchmark.system.files import write_json
from tests.fixtures.generation import Stub

MODIFIERS = tuple(f"modifier {number}" for number in range(20))


def made_up_spec(n_classes: int) -> PoolSpec:
    """A spec that no generator will draw."""
    return PoolSpec(
        dataset="made-up",
        classes=tuple(f"class {label}" for label in range(n_classes)),
        generator={"kind": "made-up"},
        prompts=PromptSpec(modifiers=MODIFIERS),
        pool_seed=0,
        calls=(50,),
    )


def write_rows(pool: Pool, counts: list[int]) -> None:
    """Result rows of a finished pool, without images."""
    rows = (
        PoolRow(
            image_id=row.image_id,
            label=row.label,
            slot=row.slot,
            attempt=0,
            seed=row.seed,
            status="ok",
            reason="",
            sha256=f"{row.image_id}{row.seed:040x}",
            calls=50,
            seconds=0.1,
            worker="made-up",
        )
        for row in build_plan(pool.spec, counts)
    )
    path = pool.results_folder / "part-made-up.jsonl"
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        append_rows(file, rows, path)


def _blocks(pool: Pool, counts: list[int]) -> int:
    """Cut the plan for Ray's workers, as its driver does; returns the number of blocks."""
    setup = Setup(pool.spec, pool.folder, Stub())
    return sum(1 for _ in tables(cut(setup, build_plan(pool.spec, counts), 256)))


def _timed(name: str, work: Callable[[], Any], found: dict[str, float]) -> Any:
    begun = time.perf_counter()
    result = work()
    found[name] = time.perf_counter() - begun
    return result


def measure(folder: Path, images: int, n_classes: int) -> dict[str, float]:
    """Seconds of each step, megabytes of each file, and the peak memory in GB.

    Args:
        folder: an empty folder.
        images: rows of the pool.
        n_classes: classes they are spread over.
    """
    spec, counts = made_up_spec(n_classes), [images // n_classes] * n_classes
    pool = Pool.open(spec, folder)
    found: dict[str, float] = {}
    _timed("plan", lambda: write_plan(pool.plan_path, build_plan(spec, counts)), found)
    _timed("blocks", lambda: _blocks(pool, counts), found)
    write_rows(pool, counts)
    assert _timed("rows", lambda: len(read_rows(pool.results_folder)), found) == sum(counts)
    write_json(pool.folder / "note.json", {"made_up": True})
    report = _timed("verify", lambda: verify(read_pool(pool.folder), files=False), found)
    assert report.problems == () and report.accepted == sum(counts), report
    half = [count // 2 for count in counts]
    view = _timed("view", lambda: pool.subset(half), found)
    assert len(view) == sum(half)
    found["total"] = sum(found.values())
    found["plan_mb"] = pool.plan_path.stat().st_size / 1e6
    found["rows_mb"] = sum(path.stat().st_size for path in pool.results_folder.iterdir()) / 1e6
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--classes", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), given.images, given.classes)
    print(json.dumps({name: round(value, 2) for name, value in found.items()}))


if __name__ == "__main__":
    main()
