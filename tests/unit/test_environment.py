"""The environment block: filled without heavy imports, tolerant of what is missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.recording.environment import gather
from benchmark.system import hardware


def test_gather_knows_versions_and_hardware() -> None:
    found = gather()
    assert found.python == ".".join(map(str, sys.version_info[:3]))
    assert found.numpy and found.cores >= 1 and found.threads >= 1 and found.cpu


def test_torch_is_not_imported() -> None:
    code = (
        "import sys, benchmark.recording.environment as e;"
        "e.gather(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_absent_distribution_is_none() -> None:
    assert hardware.version("no-such-distribution-anywhere") is None


def test_cpu_name_without_a_list_of_cpus(tmp_path: Path) -> None:
    assert hardware.cpu_name(tmp_path / "none")
    (tmp_path / "cpuinfo").write_text("model name : Some CPU\nflags : x\n")
    assert hardware.cpu_name(tmp_path / "cpuinfo") == "Some CPU"


def test_missing_programs_and_failures_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert hardware.driver() is None
    assert hardware.code_state(Path(hardware.__file__).parent) == (None, None)


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


def test_code_state_of_a_checkout(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    git(tmp_path, "init")
    assert hardware.code_state(package) == (None, False)
    (package / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "x")
    sha, dirty = hardware.code_state(package)
    assert sha and len(sha) == 40 and dirty is False
    (tmp_path / "leaderboards").mkdir()
    (tmp_path / "leaderboards" / "r.json").write_text("{}")
    assert hardware.code_state(package) == (sha, False)
    (package / "a.py").write_text("2")
    assert hardware.code_state(package) == (sha, True)


def test_package_installed_inside_another_checkout_has_no_state(tmp_path: Path) -> None:
    package = tmp_path / "venv" / "site-packages" / "package"
    package.mkdir(parents=True)
    git(tmp_path, "init")
    assert hardware.code_state(package) == (None, None)
