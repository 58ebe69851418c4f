"""Hardware, versions and the state of the code; torch is asked only if it is loaded."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from types import ModuleType

_TIMEOUT = 10.0


def version(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def cores() -> int:
    """CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name(source: Path = Path("/proc/cpuinfo")) -> str:
    """The model of the CPU, or its architecture where the model cannot be read."""
    try:
        lines = source.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return next((name for name in named if name), "") or platform.processor() or platform.machine()


def memory_bytes() -> int | None:
    """Physical memory, or None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None


def gpu_name(torch: ModuleType | None) -> str | None:
    """The name of the current GPU if torch is loaded and sees one."""
    if torch is None or not torch.cuda.is_available():
        return None
    return str(torch.cuda.get_device_name())


def driver() -> str | None:
    """The version of the NVIDIA driver, or None."""
    answer = ask("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return answer.splitlines()[0].strip() if answer else None


def code_state(package: Path) -> tuple[str | None, bool | None]:
    """The commit of the checkout that holds ``package`` and whether it has changes.

    Leaderboard files do not count as changes. Both are None for an installed package.
    """
    top = ask("git", "-C", str(package), "rev-parse", "--show-toplevel")
    if not top or Path(top.strip()).resolve() != package.resolve().parent:
        return None, None
    git = ("git", "-C", str(package.parent))
    sha = ask(*git, "rev-parse", "--verify", "--quiet", "HEAD")
    changes = ask(*git, "status", "--porcelain", "--", ".", ":(exclude)leaderboards")
    return (sha.strip() or None) if sha else None, None if changes is None else bool(changes)


def ask(*command: str) -> str | None:
    """What a command prints; None where there is no such command, or it fails or hangs."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
