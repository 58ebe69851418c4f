"""Dunnett's test: closed forms, published tables, a simulation, and hundreds of rows."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmark.statistics import dunnett


@pytest.mark.parametrize("df", [1, 4, 40, 3000])
@pytest.mark.parametrize(("size", "control"), [(3, 3), (3, 10), (10, 3)])
def test_one_row_is_students_t_test(df: int, size: int, control: int) -> None:
    t = [0.0, 0.3, 1.0, 2.5, 6.0]
    found = [dunnett.p_values([each], [size], control, df)[0] for each in t]
    assert found == pytest.approx(list(2 * scipy_stats.t.sf(t, df)), abs=1e-8)


# two-sided 5 % points of Dunnett (1964), Table II, equal sizes
@pytest.mark.parametrize(("rows", "df", "point"), [(2, 5, 3.03), (2, 10, 2.57), (5, 20, 2.73)])
def test_published_critical_values(rows: int, df: int, point: float) -> None:
    low, high = (
        dunnett.p_values([t] * rows, [4] * rows, 4, df)[0] for t in (point + 0.01, point - 0.01)
    )
    assert low < 0.05 < high


def test_unequal_sizes_against_simulation() -> None:
    rng, sizes, control, df = np.random.default_rng(3), [3, 5, 5, 12], 4, 25
    # means of the rows and the control, and the pooled standard deviation
    draws = 200_000
    centre = rng.normal(size=draws) / np.sqrt(control)
    spread = np.sqrt(rng.chisquare(df, draws) / df)
    t = [
        np.abs(rng.normal(size=draws) / np.sqrt(n) - centre) / np.sqrt(1 / n + 1 / control) / spread
        for n in sizes
    ]
    largest = np.max(t, axis=0)
    points = [1.5, 2.2, 2.8]
    found = [dunnett.p_values([p] * 4, sizes, control, df)[0] for p in points]
    # four standard errors of a share over the draws
    assert found == pytest.approx([float((largest > p).mean()) for p in points], abs=0.0045)


def test_bounds_and_order_for_three_hundred_rows() -> None:
    t = list(np.linspace(0, 8, 9)) + [1.0] * 11
    found = dunnett.p_values(t, [5] * 300, 5, 1500)
    assert found[:9] == sorted(found[:9], reverse=True)
    alone = 2 * scipy_stats.t.sf(t, 1500)
    # between one comparison and Bonferroni's bound
    assert all(a - 1e-9 <= p <= min(1, 300 * a) + 1e-9 for p, a in zip(found, alone, strict=True))
    assert found[0] == pytest.approx(1.0) and dunnett.p_values([], [], 3, 4) == []
