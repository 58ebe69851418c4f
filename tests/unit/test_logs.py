"""wandb is optional: offline it writes, and whatever goes wrong with it the run goes on."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.training.logs import NullLogger, make_logger

ROW = {"stage": "base", "epoch": 1, "step": 1, "loss": 0.5, "lr": 0.1, "images_per_s": 10.0}


def test_disabled_logs_nowhere(tmp_path: Path) -> None:
    assert isinstance(make_logger("disabled", tmp_path, "name", {}), NullLogger)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_reported_once_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with caplog.at_level(logging.WARNING):
        logger = make_logger("online", tmp_path, "name", {})
        logger.log(ROW)
        logger.finish({"accuracy": 0.5})
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_offline_a_run_is_kept_beside_its_record(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    words = ["method=ce", "wandb=offline", "recipe.steps.amount=2", f"out={tmp_path}"]
    command = [sys.executable, "-m", "benchmark", "run", *words]
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=dict(os.environ))
    (record,) = tmp_path.rglob("record.json")
    assert list(record.parent.glob("wandb/offline-run-*/*.wandb"))
