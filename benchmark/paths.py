"""Where things live: shipped configurations, the cache root, run folders."""

import os
from pathlib import Path

CACHE_VARIABLE = "SYNAUG_BENCH_CACHE"
PACKAGE = Path(__file__).resolve().parent


def config_dir() -> Path:
    """The shipped ``configs`` folder: inside the wheel, or beside the package in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def cache_root() -> Path:
    """The folder for prepared data and image pools; ``SYNAUG_BENCH_CACHE`` moves it."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "synaug-bench"


def data_dir() -> Path:
    """Where prepared data sets are kept."""
    return cache_root() / "data"


def pool_dir() -> Path:
    """Where image pools are kept."""
    return cache_root() / "pools"
