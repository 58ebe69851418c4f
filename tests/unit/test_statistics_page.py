"""The numbers of docs/statistics.md, computed again, and its example, run again."""

import math
import re

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.report.compare import main
from benchmark.statistics import power, stats
from benchmark.statistics.power import Arms
from tests.conftest import ROOT
from tests.fixtures.documents import blocks

PAGE = ROOT / "docs" / "statistics.md"
TEXT = PAGE.read_text(encoding="utf-8")
LENT = 40


def numbers(header: str) -> list[list[float]]:
    """The rows of the table below a header line."""
    lines = TEXT[TEXT.index(header) :].splitlines()[2:]
    rows = lines[: next(i for i, line in enumerate(lines) if not line.startswith("|"))]
    return [[float(cell) for cell in line.strip("|").split("|")] for line in rows]


def coverage(n: int, draws: int = 3000) -> tuple[float, float]:
    """How often the percentile bootstrap's and Student's interval hold the truth."""
    rng = np.random.default_rng(n)
    values = rng.normal(size=(draws, n))
    again = rng.integers(0, n, size=(draws, 500 * n))
    means = np.take_along_axis(values, again, axis=1).reshape(draws, 500, n).mean(2)
    low, high = np.percentile(means, [2.5, 97.5], axis=1)
    reach = stats.t_quantile(n - 1) * values.std(1, ddof=1) / math.sqrt(n)
    return float(((low <= 0) & (high >= 0)).mean()), float((abs(values.mean(1)) <= reach).mean())


@pytest.mark.parametrize("row", numbers("| seeds | bootstrap, % |"))
def test_the_bootstrap_is_too_narrow(row: list[float]) -> None:
    n, bootstrap, student = row
    found = coverage(int(n))
    # four standard errors of 3000 draws are 3 points and 1.6 points
    assert 100 * found[0] == pytest.approx(bootstrap, abs=3.5)
    assert 100 * found[1] == pytest.approx(student, abs=2)


def test_critical_differences_of_nemenyi() -> None:
    quantile = scipy_stats.studentized_range.ppf(0.95, 10, np.inf) / math.sqrt(2)
    found = [quantile * math.sqrt(10 * 11 / (6 * n)) for n in (6, 12)]
    needed = math.ceil(quantile**2 * 10 * 11 / 6)
    told = " ".join(TEXT.split())
    assert f"{found[0]:.1f} ranks on 6 data sets and {found[1]:.1f} on 12" in told
    assert f"takes {needed} data sets" in told


def test_seeds_needed() -> None:
    for gap, *expected in numbers("| true difference, SD |"):
        assert [
            power.seeds_needed(gap, 1, "blocked"),
            power.seeds_needed(gap, 1, "independent"),
            power.seeds_needed(gap, 1, "independent", other_df=LENT),
        ] == expected


def test_smallest_differences() -> None:
    for n, *expected in numbers("| seeds | blocked |"):
        arms = [
            Arms(int(n), 1, "blocked"),
            Arms(int(n), 1, "independent"),
            Arms(int(n), 1, "independent", LENT),
        ]
        assert [round(power.smallest_difference(each), 2) for each in arms] == expected


def test_seeds_for_equivalence() -> None:
    found = [
        power.seeds_for_equivalence(margin, 1, design)
        for margin in (1, 2)
        for design in ("blocked", "independent")
    ]
    told = " ".join(TEXT.split())
    assert "takes {} seeds (blocked) or {} (independent) for".format(*found[:2]) in told
    assert "and {} or {} for two".format(*found[2:]) in told


def test_the_smallest_p_of_a_sign_test_of_five() -> None:
    assert f"cannot give less than {scipy_stats.binomtest(5, 5).pvalue:.4f}" in TEXT


def test_the_example_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    found = re.search(r"python -m benchmark report compare (.*)", TEXT)
    assert found
    assert main(found[1].split()) == 0
    assert capsys.readouterr().out == blocks(PAGE, "")[-1]
