"""Odd paths, locales, masks, streams, clocks and too little memory around a command."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from benchmark.integrity.sweep import sweep
from benchmark.paths import CACHE_VARIABLE
from benchmark.recording import records
from tests.fixtures.commands import Commands, Finished
from tests.fixtures.places import Place

CE = ("method=ce", "recipe.steps.amount=2", "progress=false", "device=cpu", "threads=1")


def some(names: Iterable[str], *quick: str) -> list[Any]:
    """Parameters of which only a few are tried without --slow."""
    marks = pytest.mark.slow
    return [name if name in quick else pytest.param(name, marks=marks) for name in names]


def ce(folder: Path, commands: Commands, before: str = "", **env: str) -> Finished:
    """A short run in a folder."""
    env = {CACHE_VARIABLE: str(folder / "cache")} | env
    return commands.call("run", *CE, folder=folder, env=env, before=before)


def numbers(folder: Path) -> dict[str, Any]:
    """What must not depend on the surroundings."""
    [path] = folder.rglob("record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    return {key: record[key] for key in ("experiment", "final_weights_sha256", "metrics")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> dict[str, Any]:
    """The numbers of a run in plain surroundings."""
    folder = tmp_path_factory.mktemp("plain")
    done = ce(folder, commands)
    assert done.code == 0, done.err
    return numbers(folder)


NAMES = {
    "spaces": "a b  c",
    "unicode": "Übung 数据 🙂",
    "a newline": "two\nlines",
    "quotes and shell": "'\"$(touch x);&|*?",
    "very long": "n" * 200,
    "percent and braces": "{a}%s$x",
}


@pytest.mark.parametrize("name", some(NAMES, "unicode", "a newline"))
def test_odd_folders(name: str, tmp_path: Path, commands: Commands, plain: dict[str, Any]) -> None:
    folder = tmp_path / NAMES[name]
    folder.mkdir()
    done = ce(folder, commands)
    assert done.code == 0, done.err
    assert numbers(folder) == plain
    assert sweep([folder]).problems == []
    assert [path.name for path in tmp_path.iterdir()] == [NAMES[name]]


def test_a_path_that_is_too_long_is_one_line(tmp_path: Path, commands: Commands) -> None:
    done = commands.call(
        "run", *CE, "out=" + "n" * 300, folder=tmp_path, env={CACHE_VARIABLE: str(tmp_path)}
    )
    assert done.code == 5
    assert done.err.splitlines()[-1].startswith("error: Cannot write: File name too long [nnn")


def test_a_linked_folder_is_followed(
    tmp_path: Path, commands: Commands, plain: dict[str, Any]
) -> None:
    for name in ("runs", "cache"):
        (tmp_path / "far" / name).mkdir(parents=True)
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
    assert ce(tmp_path, commands).code == 0
    assert numbers(tmp_path / "far") == plain
    seen = sweep([tmp_path / "runs"])
    assert seen.problems == [] and seen.counts["records"] == 1


SETTINGS: dict[str, tuple[str, dict[str, str]]] = {
    "a mask of 077": ("import os; os.umask(0o077)", {}),
    "a mask of 000": ("import os; os.umask(0)", {}),
    "the C locale": ("import locale; locale.setlocale(locale.LC_ALL, 'C')", {"LC_ALL": "C"}),
    "a Turkish locale": ("", {"LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8"}),
    "another time zone": ("import time; time.tzset()", {"TZ": "Pacific/Kiritimati"}),
    "no home": ("import os; del os.environ['HOME']", {}),
    "no terminal": ("import os; os.environ.pop('TERM', None)", {"COLUMNS": "1"}),
    "no standard input": ("import os; os.close(0)", {}),
}


@pytest.mark.parametrize("name", some(SETTINGS, "a mask of 077", "no home"))
def test_odd_settings(name: str, tmp_path: Path, commands: Commands, plain: dict[str, Any]) -> None:
    before, env = SETTINGS[name]
    done = ce(tmp_path, commands, before, **env)
    assert done.code == 0, done.err
    assert numbers(tmp_path) == plain
    assert commands.call("status", folder=tmp_path, env=env, before=before).code == 0


CLOSED = {
    "standard output is closed": "import os, sys; os.close(1); sys.stdout = None",
    "standard error is closed": "import os, sys; os.close(2); sys.stderr = None",
    "nobody reads": "import os; r, w = os.pipe(); os.dup2(w, 2); os.dup2(w, 1); os.close(r)",
}


@pytest.mark.parametrize("name", some(CLOSED, "nobody reads"))
def test_no_one_to_talk_to(
    name: str, tmp_path: Path, commands: Commands, plain: dict[str, Any]
) -> None:
    done = ce(tmp_path, commands, CLOSED[name])
    if list(tmp_path.rglob("record.json")):
        assert numbers(tmp_path) == plain
    else:
        # stopped for want of a reader, and nothing is lost
        assert done.code != 0
    assert sweep([tmp_path]).problems == []
    assert ce(tmp_path, commands).code == 0
    assert numbers(tmp_path) == plain


YEAR = 365 * 24 * 3600
# the clock of the wall is another one from some moment on; the one of durations is not
SHIFTED = """
import datetime, sys, time
begun, now, now_ns = time.monotonic(), time.time, time.time_ns
def shift():
    return {first} if time.monotonic() - begun < 0.15 else {then}
time.time = lambda: now() + shift()
time.time_ns = lambda: now_ns() + shift() * 10**9
class Shifted(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.fromtimestamp(now() + shift(), tz)
for name, module in list(sys.modules.items()):
    if name.startswith("benchmark") and getattr(module, "datetime", None) is datetime.datetime:
        module.datetime = Shifted
"""


@pytest.mark.parametrize(
    ("first", "then"),
    [
        pytest.param(0, -YEAR, id="set back"),
        pytest.param(0, YEAR, id="set ahead", marks=pytest.mark.slow),
        pytest.param(YEAR, YEAR, id="ahead", marks=pytest.mark.slow),
        pytest.param(-YEAR, -YEAR, id="behind", marks=pytest.mark.slow),
    ],
)
def test_the_clock_jumps_during_and_between_runs(
    first: int, then: int, tmp_path: Path, commands: Commands, undisturbed: Place
) -> None:
    place = Place(tmp_path, commands)
    before = SHIFTED.format(first=first, then=then)
    assert place.run("pool", 9, before).code == -9
    assert place.run("base", 9, SHIFTED.format(first=-first, then=-then)).code == -9
    done = place.run(before=before)
    assert done.code == 0, done.err
    assert place.numbers() == undisturbed.numbers()
    record = records.load(place.files("record.json")[0])
    assert 0 < record.cost.training.seconds < 60
    assert all(0 <= stage.seconds < 60 for stage in record.stages)
    env = {CACHE_VARIABLE: str(tmp_path / "cache")}
    for shown in (first, -first):
        again = SHIFTED.format(first=shown, then=shown)
        assert commands.call("status", folder=tmp_path, env=env, before=again).code == 0
    assert sweep([tmp_path]).problems == []


MEMORY = """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {more}, used + {more}))
"""


@pytest.mark.parametrize("more", [64, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 24))])
def test_too_little_memory_costs_no_result(
    more: int, tmp_path: Path, commands: Commands, undisturbed: Place
) -> None:
    place = Place(tmp_path, commands)
    done = place.run(before=MEMORY.format(more=more * 2**20))
    if done.code > 0:
        line = done.err.splitlines()[-1]
        assert "Traceback" not in done.err
        # the C library ends a process that has no memory left for a thread
        if "cannot allocate memory" not in line:
            assert line.startswith("error: The machine has too little memory: "), done.err
            assert "run again to go on" in line
    assert sweep([tmp_path]).problems == []
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


def forged_safetensors() -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    return len(header).to_bytes(8, "little") + header.encode()


def forged_npz() -> bytes:
    import io
    import zipfile

    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (2**40,), }".replace(
        "2**40", str(2**40)
    )
    head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("labels.npy", head)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("c.safetensors", forged_safetensors(), ("checkpoint=FILE", "model=cifar_resnet8")),
        ("p.npz", forged_npz(), ("predictions=FILE",)),
    ],
    ids=["safetensors", "npz"],
)  # fmt: skip
def test_a_header_of_terabytes_takes_no_memory(
    name: str, content: bytes, words: tuple[str, ...], tmp_path: Path, commands: Commands
) -> None:
    (tmp_path / name).write_bytes(content)
    done = commands.call(
        "evaluate", "dataset=digitslt", *(word.replace("FILE", name) for word in words),
        folder=tmp_path, env={},
        before=MEMORY.format(more=600 * 2**20),
    )  # fmt: skip
    assert done.code == 4, done.err
    assert done.err.splitlines()[-1].startswith("error: Expected a ")


@pytest.mark.slow
def test_the_order_of_hashes_changes_nothing(tmp_path: Path, plain: dict[str, Any]) -> None:
    import os
    import subprocess

    from tests.conftest import ROOT

    env = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1",
                        CACHE_VARIABLE: str(tmp_path / "cache")}  # fmt: skip
    command = [sys.executable, "-m", "benchmark", "run", *CE]
    subprocess.run(command, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert numbers(tmp_path) == plain
