"""Hydra's launchers by name, and what installs each; imports nothing of Hydra."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark.errors import UsageError

CHOICE = "hydra/launcher="


@dataclass(frozen=True)
class Launcher:
    """One of Hydra's launchers.

    Attributes:
        module: what must be installed.
        extra: of this package, which installs it; "" where nothing is needed.
        at_once: whether it begins all jobs at once, on this machine and whatever that has.
    """

    module: str
    extra: str
    at_once: bool = False


LAUNCHERS: Mapping[str, Launcher] = {
    "basic": Launcher("hydra", ""),
    "joblib": Launcher("hydra_plugins.hydra_joblib_launcher", "joblib"),
    "submitit_local": Launcher("hydra_plugins.hydra_submitit_launcher", "slurm", at_once=True),
    "submitit_slurm": Launcher("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "ray": Launcher("hydra_plugins.hydra_ray_launcher", "ray-launcher"),
}


def chosen(words: Sequence[str]) -> str:
    """The name of the launcher that words choose."""
    names = [word.removeprefix(CHOICE) for word in words if word.startswith(CHOICE)]
    return names[-1] if names else "basic"


def require_installed(name: str) -> None:
    """Refuse a launcher that is not installed.

    Raises:
        UsageError: names the extra that installs it.
    """
    launcher = LAUNCHERS[name]
    if not _installed(launcher.module):
        raise UsageError(
            f"Expected the launcher '{name}', but it is not installed",
            where=f"{CHOICE}{name}",
            todo=f"run: pip install 'synaug-bench[{launcher.extra}]'",
        )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package around it
        return False
