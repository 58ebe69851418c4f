"""`python -m benchmark run`, killed: the same command given again ends at the same numbers."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchmark.paths import CACHE_VARIABLE
from tests.fixtures.commands import Commands, Finished

# small batches of images and of rows, so that there is a middle to be killed in
WORDS = ("method=synaug", "budget=add", "budget.amount=2", "generator.steps=2",
         "generator.batch_size=4", "recipe.steps.amount=30", "recipe.batch_size=16",
         "checkpoint_minutes=0.0001", "progress=false", "device=cpu")  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A cache and a folder of runs."""

    folder: Path
    commands: Commands

    def run(self, where: str = "", number: int = 0) -> Finished:
        """Run the command, which gets a signal while drawing ("pool") or in a stage, or none."""
        env = {CACHE_VARIABLE: str(self.folder / "cache")}
        return self.commands.call(
            "run", *WORDS, folder=self.folder, env=env, where=where, number=int(number)
        )

    def files(self, name: str) -> list[Path]:
        """Files of the run or the pool."""
        return sorted(path for path in self.folder.rglob(name) if path.is_file())

    def times(self) -> dict[Path, int]:
        """When each file and folder was written, the captured output left out."""
        paths = [path for path in self.folder.rglob("*") if path.name != "err.txt"]
        return {path: path.stat().st_mtime_ns for path in paths}

    def numbers(self) -> dict[str, Any]:
        """What must not depend on kills."""
        [path] = self.files("record.json")
        record = json.loads(path.read_text())
        return {
            "pool": record["pool"]["ids_hash"],
            "weights": record["final_weights_sha256"],
            "predictions": record["predictions"]["sha256"],
            "metrics": record["metrics"],
            "hash": record["experiment"]["hash"],
        }


@pytest.fixture(scope="module")
def commands() -> Iterator[Commands]:
    """The process in which commands are run."""
    with Commands() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, commands: Commands) -> Place:
    """An empty place."""
    return Place(tmp_path, commands)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Place:
    """A run that nothing stopped."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), commands)
    done = place.run()
    assert done.code == 0, done.err
    return place


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


def test_a_finished_run_says_so_and_writes_nothing(undisturbed: Place) -> None:
    before = undisturbed.times()
    time.sleep(0.01)
    again = undisturbed.run()
    assert again.code == 0
    assert "already finished" in again.err
    assert undisturbed.times() == before
