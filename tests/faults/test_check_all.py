"""`check --all`: damage in a file of every kind is found, and sound files are left alone."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmark.errors import IntegrityError
from benchmark.integrity.sweep import KINDS, Swept, kind_of, sweep
from benchmark.integrity.tensors import state_hash
from benchmark.system.locks import marker_of
from benchmark.training.checkpoints import load, weights_hash
from benchmark.verbs import cli
from tests.conftest import ROOT
from tests.fixtures.damage import DAMAGES, FILES, damaged, newer
from tests.fixtures.mistakes import Bench
from tests.fixtures.world import found, world

# what a deleted file costs: it is made again, or nothing rests on it
HARMLESS_WITHOUT = {
    "record", "checksums", "checkpoint", "error", "search", "jobs", "stage", "pool results",
    "collection screen", "collection source", "expansions", "file hashes", "evaluation",
    "submission", "fit", "data store",
}  # fmt: skip
# its whole rows count, and the images of the others are drawn again
HARMLESS = {("pool results", "cut short"), ("pool results", "emptied")}
NEWER = ("record", "collected record", "collection", "data store", "fit", "evaluation",
         "submission")  # fmt: skip

# what one random byte does: found, or it changes nothing that is read
UNPROTECTED = {
    "pool results": "seconds and reasons of images",
    "pool session": "load times, FLOPs and names of devices",
    "collection": "names, licences and dates of a source",
    "data store": "facts of a source and its seconds",
    "fit": "what a fit took and library versions",
    "error": "the words of an error",
    "jobs": "settings of a run, which its own hash is held against when it is made",
    "checkpoint": "padding between its parts",
    "stage": "padding between its parts",
    "collected record": "seconds and words that no other part rests on",
    "evaluation": "names and words",
    "submission": "what its authors say",
    "checksums": "nothing",
    "collection source": "which collection a source became, which is then collected again",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with world(tmp_path_factory.mktemp("world")) as bench:
        yield bench


def home(made: Bench, path: Path) -> Path:
    """The smallest folder in which a file is checked with what belongs to it."""
    parts = path.relative_to(made.folder).parts
    depth = {"cache": 2, "leaderboards": 1, "evaluated": 1, "runs": 5}.get(parts[0], 0)
    return made.folder.joinpath(*parts[: min(depth, len(parts) - 1)])


def swept(made: Bench, path: Path, *, fast: bool = False) -> Swept:
    return sweep([home(made, path)], fast=fast)


def test_a_sound_world_has_every_kind_and_no_problem(made: Bench) -> None:
    seen = sweep([made.folder])
    assert seen.problems == [] and seen.leftovers == []
    exported = {"exports"}
    assert set(seen.counts) == {kind.name for kind in KINDS} - exported | {"screens", "sources"}
    assert [path.name for path in seen.unfinished] == ["checkpoint.pt"]
    for pattern in FILES.values():
        assert found(made, pattern)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_damage_is_found(name: str, damage: str, made: Bench) -> None:
    path = found(made, FILES[name])
    with damaged(path, DAMAGES[damage]):
        seen = swept(made, path)
    if (damage == "deleted" and name in HARMLESS_WITHOUT) or (name, damage) in HARMLESS:
        assert seen.problems == []
        return
    if damage == "one bit turned" and name in UNPROTECTED and not seen.problems:
        return
    assert seen.problems, f"{damage}: {path}"
    for problem in seen.problems:
        assert problem.todo and "\n" not in str(problem) and len(problem.said) < 500


@pytest.mark.parametrize("name", NEWER)
def test_a_file_of_a_newer_version_is_not_read_as_ours(name: str, made: Bench) -> None:
    path = found(made, FILES[name])
    with damaged(path, newer):
        assert swept(made, path).problems


def test_fast_leaves_large_files_unread_and_the_rest_is_found(made: Bench) -> None:
    large = {"pool image", "collection image", "data pixels", "data labels"}
    for name, pattern in FILES.items():
        path = found(made, pattern)
        if name == "table" or name in UNPROTECTED or path.suffix == ".npz":
            continue
        with damaged(path, DAMAGES["one bit turned"]):
            problems = swept(made, path, fast=True).problems
        assert bool(problems) != (name in large), name


@pytest.mark.parametrize("name", FILES)
def test_one_random_byte_is_found_or_is_harmless(
    name: str, made: Bench, request: pytest.FixtureRequest
) -> None:
    rng = random.Random(name)
    path = found(made, FILES[name])
    data = path.read_bytes()
    for _ in range(60 if request.config.getoption("--slow") else 4):
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)

        def turn(path: Path, at: int = at, bit: int = bit) -> None:
            changed = bytearray(data)
            changed[at] ^= bit
            path.write_bytes(bytes(changed))

        with damaged(path, turn):
            problems = swept(made, path).problems
            if not problems:
                assert name in UNPROTECTED, f"{path}: bit {bit} of byte {at}"
                assert _harmless(name, path, data), f"{path}: bit {bit} of byte {at}"


def _harmless(name: str, path: Path, data: bytes) -> bool:
    """Whether a damaged checkpoint still gives the same state; other kinds are only named."""
    if name not in ("checkpoint", "stage"):
        return True
    try:
        state = load(path, torch.device("cpu"))["net"]
    except IntegrityError:
        # said when it is read, and then made again
        return True
    path.write_bytes(data)
    was = load(path, torch.device("cpu"))["net"]
    return all(torch.equal(was[key], state[key]) for key in was)


def test_the_hash_of_tensors_is_that_of_torch(tmp_path: Path) -> None:
    from safetensors.torch import save_file
    from torch import nn

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    net.register_buffer("scale", torch.tensor(0.1))
    net.register_buffer("small", torch.tensor(0.3, dtype=torch.bfloat16))
    net.register_buffer("flag", torch.tensor(True))
    net.register_buffer("wide", torch.randn(3, 2).to(torch.bfloat16))
    save_file(dict(net.state_dict()), tmp_path / "a.safetensors")
    assert state_hash(tmp_path / "a.safetensors") == weights_hash(net)


# the command


def test_one_line_a_kind_and_exit_code_4(made: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    path = found(made, FILES["weights"])
    assert made.call("check", "--all").code == 0
    with damaged(path, DAMAGES["one bit turned"]):
        done = made.call("check", "--all")
        as_json = made.call("check", "--all", "runs", "--json")
    assert done.code == 4
    lines = {line.split()[0]: line.split() for line in done.out.splitlines()}
    assert lines["weights"][-2:] == ["1", "broken"] and lines["records"][-1] == "sound"
    assert "weights.safetensors: the tensors are not those that were written; delete" in done.err
    assert done.err.splitlines()[-1].startswith("error: 2 files are broken [runs, leaderboards, ")
    value = json.loads(as_json.out)
    assert value["counts"]["weights"] == {"files": 1, "broken": 1}
    assert {Path(each["path"]).name for each in value["problems"]} == {path.name, "SHA256SUMS"}


def test_a_folder_that_is_not_there_is_refused(made: Bench) -> None:
    done = made.call("check", "--all", "nowhere")
    assert done.code == 3 and "Expected a folder, but found none [nowhere]" in done.err


def test_nothing_written_yet_is_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "--all", str(tmp_path)]) == 0
    assert "nothing of the suite's" in capsys.readouterr().out


def test_half_written_files_and_locks_of_the_dead_are_named(made: Bench) -> None:
    folder = found(made, FILES["record"]).parent
    torn, marker = folder / ".record.json.x1.tmp", marker_of(folder / ".lock")
    torn.write_text("{")
    import socket

    marker.write_text(f"{2**22 + 1}\n{socket.gethostname()}\n")
    try:
        seen = sweep([folder])
        done = made.call("check", "--all", "runs")
    finally:
        torn.unlink()
        marker.unlink()
    assert sorted(seen.leftovers) == sorted([torn, marker]) and seen.problems == []
    assert done.code == 0 and "2 left over, such as" in done.out


def test_a_killed_run_without_its_record_is_no_damage(made: Bench) -> None:
    path = found(made, FILES["record"])
    with damaged(path, DAMAGES["deleted"]):
        assert swept(made, path).problems == []


def test_it_imports_no_torch(made: Bench) -> None:
    code = (
        "import sys; from benchmark.verbs import cli; code = cli.main(['check', '--all']);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=made.folder, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_files_of_other_names_are_nobodys() -> None:
    assert kind_of(Path("a/notes.txt")) is None
    assert kind_of(Path("a/short.pt")) is None
