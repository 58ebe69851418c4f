"""A search from the command line: stopped anywhere it goes on, and no trial sees a test row."""

import json
import shlex
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.api import run
from benchmark.boards import leaderboard
from benchmark.data.dataset import LongTailedData
from benchmark.data.sets.digits import Digits
from benchmark.errors import UsageError
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.experiments.runner import run_experiment
from benchmark.experiments.trials import STATE, searched
from benchmark.paths import CACHE_VARIABLE
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import key_of
from tests.conftest import ROOT
from tests.fixtures.commands import Commands, Finished
from tests.fixtures.documents import commands as documented

# what the example of docs/search.md runs, in a fraction of its time
SHORT = ("recipe.steps.amount=20", "progress=false", "device=cpu", "checkpoint_minutes=0.0001")
WORDS = ("method=ldam", "search_trials=8", "search_on=heldout")
ALONE = (*WORDS, *SHORT, "share_stages=false")


@dataclass(frozen=True)
class Place:
    """A cache and a folder of runs."""

    folder: Path
    commands: Commands

    def run(self, *words: str, where: str = "", number: int = 0) -> Finished:
        """Run words, which get a signal in the middle of the first stage that they train."""
        env = {CACHE_VARIABLE: str(self.folder / "cache")}
        return self.commands.call(
            "run", *words, folder=self.folder, env=env, where=where, number=int(number)
        )

    def finished(self, dataset: str) -> list[Path]:
        """Records of a data set's runs."""
        return sorted((self.folder / "runs" / dataset).rglob("record.json"))

    def record(self) -> Record:
        """The one scored run."""
        (path,) = self.finished("digitslt")
        return records.load(path)

    def numbers(self) -> dict[str, Any]:
        """What must not depend on where the command was stopped."""
        record = self.record()
        assert record.search
        return {
            "weights": record.final_weights_sha256,
            "predictions": record.predictions.sha256,
            "hash": record.experiment.hash,
            "chosen": record.search.chosen,
            "tried": [(each.hash, each.accuracy) for each in record.search.tried],
        }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Place:
    """A search that nothing stopped."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), commands)
    done = place.run(*ALONE)
    assert done.code == 0, done.err
    return place


def test_a_search_leaves_its_trials_its_choice_and_what_they_took(undisturbed: Place) -> None:
    record, tried = undisturbed.record(), undisturbed.finished("digitslt@heldout")
    found = record.search
    assert found and (found.on, found.allowed, len(found.tried)) == ("heldout", 8, 3)
    by_hash = {each.experiment.hash: each for each in map(records.load, tried)}
    assert [each.accuracy for each in found.tried] == [
        by_hash[each.hash].metrics.macro for each in found.tried
    ]
    chosen = found.tried[found.chosen].settings["ldam.max_margin"]
    assert record.method.stack[0].settings["max_margin"] == chosen
    assert record.experiment.config["method"][0]["settings"]["max_margin"] == 0.5  # type: ignore[index,call-overload]
    # the same training as the trial's, whose rows alone were others
    trial = by_hash[found.tried[found.chosen].hash]
    assert record.final_weights_sha256 == trial.final_weights_sha256
    assert record.predictions.sha256 != trial.predictions.sha256
    assert 0 < record.cost.training.seconds < found.seconds
    assert not list(undisturbed.folder.rglob(STATE))


def test_the_words_of_every_record_give_its_run(undisturbed: Place) -> None:
    for path in undisturbed.finished("."):
        record = records.load(path)
        words = shlex.split(record.command)[4:]
        found = resolve(settings(words))
        assert (found.hash, found.seed) == (record.experiment.hash, record.seed)
        assert found.label == record.experiment.label


def test_a_search_stopped_in_every_run_ends_where_an_undisturbed_one_does(
    undisturbed: Place, tmp_path: Path, commands: Commands
) -> None:
    place = Place(tmp_path, commands)
    # three trials, then the scored run
    for done in range(4):
        assert len(place.finished("digitslt@heldout")) == max(0, done - 1)
        stopped = place.run(*ALONE, where="base", number=signal.SIGINT)
        assert stopped.code == 130, stopped.err
        assert "run the same command again" in stopped.err.splitlines()[-1]
        assert len(place.finished("digitslt@heldout")) == done
    assert len(list(place.folder.rglob(STATE))) == 1
    assert place.run(*ALONE).code == 0
    assert place.numbers() == undisturbed.numbers()
    assert not list(place.folder.rglob(STATE))


def test_a_killed_search_goes_on_with_the_trials_it_has(
    undisturbed: Place, tmp_path: Path, commands: Commands
) -> None:
    place = Place(tmp_path, commands)
    first = place.run("method=ldam", *SHORT, "score_on=heldout", "share_stages=false")
    assert first.code == 0, first.err
    assert place.run(*ALONE, where="base", number=signal.SIGKILL).code == -signal.SIGKILL
    assert len(place.finished("digitslt@heldout")) == 1
    done = place.run(*ALONE)
    assert done.code == 0, done.err
    assert "already finished" in done.err
    assert place.numbers() == undisturbed.numbers()


def test_the_documented_search_runs(tmp_path: Path, commands: Commands) -> None:
    place = Place(tmp_path, commands)
    page = (ROOT / "docs" / "search.md").read_text(encoding="utf-8")
    (words,) = (each for each in documented(page) if {"-m", "search_trials=4"} <= set(each))
    own = [word for word in words[1:] if not word.startswith("'seed=")]
    done = place.run(*own, *SHORT, "seed=0")
    assert done.code == 0, done.err
    found = [records.load(path) for path in place.finished("digitslt")]
    assert {len(each.search.tried) for each in found if each.search} == {1, 4}
    # a trial takes over what another has trained
    assert {stage.shared for each in found for stage in each.stages} == {True}
    again = place.run(*own, *SHORT, "seed=0")
    assert again.code == 0
    assert f"{len(found)} of {len(found)} runs: already finished" in again.err


def test_searched_and_unsearched_rows_share_a_table_and_seeds_a_row(
    tmp_path: Path, undisturbed: Place
) -> None:
    words = ("method=ldam", *SHORT, f"out={tmp_path}")
    plain = run(*words)
    both = [run(*words, *WORDS[1:], f"seed={seed}") for seed in (0, 1)]
    assert key_of(plain) == key_of(both[0])
    (table,) = leaderboard.build([plain, *both])
    assert {row.label: len(row.records) for row in table.rows} == {
        "ldam": 1,
        "ldam (search 8 on heldout)": 2,
    }


class Sealed:
    """Test rows that may be counted and not looked at."""

    labels = np.zeros(5, np.int64)

    @property
    def images(self) -> Any:
        """No image of these."""
        raise AssertionError("test rows were looked at")


def test_no_trial_sees_a_test_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = Digits.load

    def sealed(self: Digits, seed: int) -> LongTailedData:
        return replace(load(self, seed), test=Sealed())  # type: ignore[arg-type]

    monkeypatch.setattr(Digits, "load", sealed)
    experiment = resolve(settings([*WORDS, *SHORT, f"out={tmp_path}"]))
    done = searched(experiment, run_experiment)
    assert done.chosen and len(done.chosen.search.tried) == 3
    # the scored run does look at them
    with pytest.raises(AssertionError, match="test rows were looked at"):
        run_experiment(experiment)


@pytest.mark.parametrize("on", ["val", "heldout"])
def test_rows_that_are_not_there_are_refused_before_a_trial(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Digits.load

    def bare(self: Digits, seed: int) -> LongTailedData:
        found = load(self, seed)
        return replace(found, heldout=found.heldout.select(np.arange(0)))

    monkeypatch.setattr(Digits, "load", bare)
    with pytest.raises(
        UsageError, match=rf"digitslt has no {on} rows \[search_on\]; set search_tri"
    ):
        run("method=ldam", "search_trials=2", f"search_on={on}", *SHORT, f"out={tmp_path}")
    assert not list(tmp_path.rglob("digitslt@*"))
    (error,) = tmp_path.rglob("error.json")
    assert json.loads(error.read_text())["exit_code"] == 2
