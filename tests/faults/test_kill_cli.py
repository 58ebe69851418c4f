"""`python -m benchmark run`, killed: the same command given again ends at the same numbers."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fixtures.places import Place


def _partly_drawn(place: Place) -> None:
    assert 8 <= len(place.files("images/*/*.png")) < 20
    assert place.files("checkpoint.pt") == []


def _in_training(place: Place) -> None:
    assert len(place.files("images/*/*.png")) == 20
    assert len(place.files("checkpoint.pt")) == 1


@pytest.mark.parametrize(
    ("where", "left"),
    [("pool", _partly_drawn), ("base", _in_training), ("retrain_head", _in_training)],
)
def test_a_killed_command_given_again_ends_where_an_undisturbed_one_does(
    where: str, left: Callable[[Place], None], place: Place, undisturbed: Place
) -> None:
    assert place.run(where, signal.SIGKILL).code == -signal.SIGKILL
    left(place)
    assert place.files("record.json") == []
    done = place.run()
    assert done.code == 0, done.err
    assert place.numbers() == undisturbed.numbers()
    assert place.files("checkpoint.pt") == []


@pytest.mark.parametrize("where", ["base", "pool"])
def test_ctrl_c_says_how_to_go_on_and_keeps_the_state(
    where: str, place: Place, undisturbed: Place
) -> None:
    stopped = place.run(where, signal.SIGINT)
    assert stopped.code == 130, stopped.err
    line = stopped.err.splitlines()[-1]
    assert line.startswith("error: Stopped ")
    assert "again" in line
    assert "Traceback" not in stopped.err
    (_partly_drawn if where == "pool" else _in_training)(place)
    assert place.run().code == 0
    assert place.numbers() == undisturbed.numbers()


def _lasting(place: Place) -> dict[Path, int]:
    """When each file was written, but for what words stand for, which may be remembered."""
    cache = place.folder / "cache"
    return {path: at for path, at in place.times().items()
            if path not in (cache, cache / "expansions.json")}  # fmt: skip


def test_a_finished_run_says_so_and_writes_nothing(undisturbed: Place) -> None:
    before = _lasting(undisturbed)
    time.sleep(0.01)
    again = undisturbed.run()
    assert again.code == 0
    assert "already finished" in again.err
    assert _lasting(undisturbed) == before
