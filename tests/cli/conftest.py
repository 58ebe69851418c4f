"""Command lines in a process of their own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def python(tmp_path: Path) -> Cli:
    """Run this Python in an empty folder; ``path`` replaces the PYTHONPATH."""

    def call(*args: str, path: str = str(ROOT)) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *args],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return call


@pytest.fixture
def cli(python: Cli) -> Cli:
    """Run ``python -m benchmark``."""

    def call(*args: str, **options: str) -> subprocess.CompletedProcess[str]:
        return python("-m", "benchmark", *args, **options)

    return call
