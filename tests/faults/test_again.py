"""A damaged file, then the same command: it ends at the same numbers, or says what to do."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.integrity.sweep import sweep
from tests.fixtures.damage import DAMAGES
from tests.fixtures.mistakes import FEW, Bench, Outcome, bench

RUN = "runs/digitslt/*/*/s0/"
POOL = "cache/pools/*/"
# the file, how it is damaged, what is said where something is; the file it names is then deleted
CASES = [
    (f"{RUN}record.json", "cut short", "Expected valid JSON"),
    (f"{RUN}record.json", "one bit turned", "Expected"),
    (f"{RUN}record.json", "emptied", "Expected valid JSON"),
    (f"{RUN}record.json", "deleted", ""),
    (f"{RUN}preds.npz", "one bit turned", "Expected the file that was written, but its hash"),
    (f"{RUN}preds.npz", "emptied", "Expected the file that was written, but its hash"),
    (f"{RUN}SHA256SUMS", "cut short", "Expected a hash and a name in every line"),
    (f"{POOL}plan.jsonl", "cut short", "Expected a plan of one JSON row a line"),
    (f"{POOL}plan.jsonl", "deleted", ""),
    (f"{POOL}results/part-*.jsonl", "cut short", ""),
    (f"{POOL}results/part-*.jsonl", "deleted", ""),
    (f"{POOL}results/session-*.json", "deleted", "Expected session-"),
    (f"{POOL}results/session-*.json", "cut short", "Expected a session"),
    (f"{POOL}images/*/*.png", "one bit turned", ""),
    (f"{POOL}images/*/*.png", "emptied", ""),
    (f"{POOL}images/*/*.png", "deleted", ""),
    (f"{POOL}pool.json", "cut short", "Expected"),
    ("cache/stages/*.pt", "cut short", ""),
    ("cache/stages/*.pt", "emptied", ""),
    ("cache/expansions.json", "cut short", ""),
    ("cache/file-hashes.json", "one bit turned", ""),
    ("cache/file-hashes.json", "a folder in its place", "Cannot write"),
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished run with its pool."""
    with bench(tmp_path_factory.mktemp("sound")) as work:
        work.done("run", *FEW)
        yield work.folder


@pytest.fixture
def work(sound: Path, tmp_path: Path) -> Iterator[Bench]:
    shutil.copytree(sound, tmp_path / "copy")
    with bench(tmp_path / "copy") as found:
        yield found


def numbers(folder: Path) -> dict[str, Any]:
    [path] = folder.glob(f"{RUN}record.json")
    record = json.loads(path.read_text())
    return {"pool": record["pool"]["ids_hash"], "metrics": record["metrics"],
            "weights": record["final_weights_sha256"],
            "calls": record["cost"]["generation"]["network_calls_measured"]}  # fmt: skip


def again(work: Bench, pattern: str) -> Outcome:
    """The run; where a file of the cache was damaged, made again from what is in it."""
    words = ("on_existing=rerun",) if pattern.startswith("cache") else ()
    return work.call("run", *FEW, *words)


QUICK = {"record.json-cut short", "preds.npz-one bit turned", "session-*.json-deleted",
         "*.png-one bit turned", "*.pt-cut short", "plan.jsonl-cut short"}  # fmt: skip


def cases() -> list[Any]:
    """The cases, most of which are tried with --slow alone."""
    named = [(f"{Path(case[0]).name}-{case[1]}", case) for case in CASES]
    return [
        pytest.param(*case, id=name, marks=[] if name in QUICK else [pytest.mark.slow])
        for name, case in named
    ]


@pytest.mark.parametrize(("pattern", "damage", "said"), cases())
def test_the_same_command_again(
    pattern: str, damage: str, said: str, work: Bench, sound: Path
) -> None:
    paths = sorted(work.folder.glob(pattern))
    if not paths:
        # remembered facts of a grid: a single run leaves none
        work.done("run", "grid=matrix", "rows=none", "columns=CE", "seeds=1", "--dry-run")
        paths = sorted(work.folder.glob(pattern))
    DAMAGES[damage](paths[0])
    found = again(work, pattern)
    if not said:
        assert found.code == 0, found.err
    elif found.code:
        line = found.err.splitlines()[-1]
        assert found.code in (4, 5) and said in line and "; " in line, line
        assert "Traceback" not in found.err
        _as_told(work, paths[0])
        done = again(work, pattern)
        assert done.code == 0, done.err
    assert numbers(work.folder) == numbers(sound)
    # a plan, and what was remembered, is written when it is needed next
    left = {problem.path for problem in sweep([work.folder]).problems}
    assert not left or pattern.endswith(("plan.jsonl", "expansions.json")), left


def _as_told(work: Bench, path: Path) -> None:
    """Delete what the message names: the file, with the record whose part it is, or its rows."""
    if path.is_dir():
        path.rmdir()
        return
    path.unlink(missing_ok=True)
    if path.name == "preds.npz":
        path.with_name("record.json").unlink()
    if path.name.startswith("session-"):
        path.with_name(path.name.replace("session-", "part-")).with_suffix(".jsonl").unlink()
    if path.name == "pool.json":
        shutil.rmtree(path.parent)
