"""Whole runs and the cards of data sets are those of the commit that last meant to change them."""

import pytest

from benchmark.regression import golden
from benchmark.regression.golden_runs import COMMAND, check_run, golden_file, read_words

WORDS = read_words()


def test_every_golden_run_has_a_result() -> None:
    assert sorted(golden_file()["runs"]) == sorted(WORDS), f"run: {COMMAND}"


@pytest.mark.parametrize("name", WORDS)
def test_a_run_is_the_golden_one(name: str) -> None:
    assert check_run(name, WORDS[name], golden_file()) == [], f"if this was meant, run: {COMMAND}"


def test_cards_are_the_golden_ones() -> None:
    assert golden.check_cards() == [], f"if this was meant, run: {COMMAND}"
