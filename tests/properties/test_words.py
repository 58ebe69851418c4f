"""Any command line comes to an experiment or to one clear line, and never to anything else."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from benchmark.errors import BenchError, UsageError
from benchmark.experiments import compose, experiment
from benchmark.experiments.experiment import Experiment
from benchmark.identity import plain
from tests.conftest import ROOT
from tests.fuzz.kit import at_most
from tests.properties.words import ODD, STRANGE, Words, broken, legal, misspelt, outcome

FEW, MANY = 6, 300
# generous, for a busy machine
LONGEST_S = 60


@pytest.fixture(scope="module", autouse=True)
def session():
    """One Hydra for all command lines."""
    with compose.hydra_session():
        yield


def _tried(words: Words) -> Experiment | BenchError:
    with at_most(LONGEST_S):
        found = outcome(words)
    if isinstance(found, BenchError):
        assert found.exit_code in (2, 3, 4), words
        assert "\n" not in str(found) and "\x1b" not in str(found), words
    return found


def _legal(number: int) -> None:
    """What is taken is a whole experiment, and the same one again."""
    words = legal(Random(f"legal/{number}"))
    found = _tried(words)
    if isinstance(found, Experiment):
        counts = found.allocation.counts_train
        assert len(counts) == found.card.n_classes and min(counts) >= 0
        again = experiment.resolve(compose.settings(words))
        assert again.hash == found.hash and again.science == found.science
        assert plain(again.budget) == plain(found.budget)


def _misspelt(number: int) -> None:
    """A misspelt name gets the nearest ones, or is another name that there is."""
    words = misspelt(Random(f"misspelt/{number}"))
    found = _tried(words)
    if isinstance(found, UsageError) and "Unknown" in found.problem:
        assert found.todo and ("did you mean" in found.todo or "allowed:" in found.todo), words


@pytest.mark.parametrize("number", range(FEW))
def test_names_that_there_are(number: int) -> None:
    _legal(number)


@pytest.mark.parametrize("number", range(2 * FEW))
def test_misspelt_names(number: int) -> None:
    _misspelt(number)


@pytest.mark.parametrize("number", range(2 * FEW))
def test_broken_words(number: int) -> None:
    _tried(broken(Random(f"broken/{number}")))


@pytest.mark.parametrize("word", STRANGE[::2], ids=ascii)
def test_strange_words(word: str) -> None:
    _tried(["method=ce", word])


@pytest.mark.parametrize("value", ODD[::3], ids=lambda value: ascii(value)[:30])
def test_odd_values(value: str) -> None:
    keys = ("recipe.batch_size", "seed", "method", "budget.amount", "out", "recipe.precision")
    _tried([f"{keys[ODD.index(value) // 3 % len(keys)]}={value}"])


@pytest.mark.slow
@pytest.mark.parametrize("word", STRANGE[1::2], ids=ascii)
def test_more_strange_words(word: str) -> None:
    _tried(["method=ce", word])


@pytest.mark.slow
@pytest.mark.parametrize("key", ["recipe.batch_size", "seed", "method", "budget.amount", "dataset"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: ascii(value)[:30])
def test_odd_values_of_more_settings(key: str, value: str) -> None:
    _tried([f"{key}={value}"])


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_many_command_lines(part: int) -> None:
    for number in range(part * MANY // 10, (part + 1) * MANY // 10):
        _legal(number)
        _misspelt(number)
        _tried(broken(Random(f"broken/{number}")))


def _run(words: Words, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmark", "run", "--dry-run", *words]
    settings = os.environ | {"PYTHONPATH": str(ROOT), "SYNAUG_BENCH_CACHE": str(folder / "cache")}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=settings)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(25))
def test_command_lines_in_a_process_of_their_own(number: int, tmp_path: Path) -> None:
    rng = Random(f"process/{number}")
    words = [word for word in (broken(rng) if number % 2 else legal(rng)) if "\x00" not in word]
    done = _run(words, tmp_path)
    assert "Traceback" not in done.stderr, words
    if done.returncode:
        assert done.returncode in (2, 3, 4)
        # how far the check of many experiments is, is said on lines of its own
        lines = [line for line in done.stderr.splitlines() if not line.startswith("checking")]
        assert len(lines) == 1, done.stderr
    assert not list(tmp_path.rglob("record.json"))
