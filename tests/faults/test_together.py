"""Two processes at one thing at the same moment: a run, a stage, a leaderboard, a cache."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmark import api
from benchmark.integrity.sweep import sweep
from benchmark.paths import CACHE_VARIABLE
from benchmark.recording import records
from benchmark.report import tables
from tests.conftest import ROOT
from tests.fixtures.commands import Commands, Finished
from tests.fixtures.places import WORDS, Place

CE = ("method=ce", "recipe.steps.amount=60", "progress=false", "device=cpu", "threads=1")


def both(commands: Commands, folder: Path, *lines: tuple[str, ...]) -> list[Finished]:
    """Commands at once, the first in the common process, the others in processes like it."""
    env = {CACHE_VARIABLE: str(folder / "cache")}
    folders = [folder / f"at{number}" for number in range(len(lines))]
    for each in folders:
        each.mkdir()
    with Commands() as other, ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(each.call, *line, folder=at, env=env)
            for each, line, at in zip((commands, other), lines, folders, strict=True)
        ]
        return [job.result() for job in jobs]


@pytest.mark.slow
def test_two_processes_at_one_run(tmp_path: Path, commands: Commands, undisturbed: Place) -> None:
    line = ("run", *WORDS, f"out={tmp_path}/runs")
    found = both(commands, tmp_path, line, line)
    assert sorted(each.code for each in found) in ([0, 0], [0, 2]), found
    for each in found:
        if each.code:
            said = each.err.splitlines()[-1]
            assert said.startswith("error: Another process is running this experiment [")
    assert Place(tmp_path, commands).numbers() == undisturbed.numbers()
    assert sweep([tmp_path]).problems == []


@pytest.mark.slow
def test_two_runs_that_share_a_stage_and_a_cache(tmp_path: Path, commands: Commands) -> None:
    lines = [("run", *CE, f"out={tmp_path}/{name}") for name in ("a", "b")]
    assert [each.code for each in both(commands, tmp_path, *lines)] == [0, 0]
    seen = [records.load(path) for path in sorted(tmp_path.rglob("record.json"))]
    assert len(seen) == 2
    assert seen[0].metrics == seen[1].metrics
    assert seen[0].final_weights_sha256 == seen[1].final_weights_sha256
    assert sweep([tmp_path]).problems == []
    assert len(list((tmp_path / "cache" / "stages").glob("*.pt"))) == 1


COLLECT = """
import sys
from pathlib import Path
from benchmark import api
for _ in range(8):
    api.collect(Path("runs"), Path("records"))
"""
REPORT = """
import sys
from pathlib import Path
from benchmark.report import tables
for _ in range(8):
    tables.write(Path("records"), Path("tables"))
"""
HASHES = """
import sys
from pathlib import Path
from benchmark.generation import weights
for name in sys.argv[1:]:
    weights.file_hash(Path(name))
"""


def start(code: str, folder: Path, *args: object) -> subprocess.Popen[bytes]:
    env = os.environ | {"PYTHONPATH": str(ROOT), CACHE_VARIABLE: str(folder / "cache")}
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE)


def ended(*children: subprocess.Popen[bytes]) -> None:
    for child in children:
        _, err = child.communicate(timeout=120)
        assert child.returncode == 0, err.decode()


def test_records_are_collected_while_tables_are_made(tmp_path: Path, undisturbed: Place) -> None:
    source = undisturbed.folder / "runs"
    (tmp_path / "runs").symlink_to(source)
    api.collect(source, tmp_path / "records")
    ended(start(COLLECT, tmp_path), start(REPORT, tmp_path), start(REPORT, tmp_path))
    assert tables.check(tmp_path / "records", tmp_path / "tables") == []
    assert sweep([tmp_path / "records"]).problems == []


def test_two_processes_remember_hashes(tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"w{number}.safetensors").write_bytes(bytes([number]) * 100)
    files = sorted(tmp_path.glob("*.safetensors"))
    ended(start(HASHES, tmp_path, *files[:25]), start(HASHES, tmp_path, *files[15:]))
    assert sweep([tmp_path]).problems == []
    value = json.loads((tmp_path / "cache" / "file-hashes.json").read_text())
    assert value["files"] and all(len(digest) == 64 for digest in value["files"].values())
