"""Every planted fault is noticed by tier 0, exactly and under another key."""

import pytest

from tests.regression.faults import FAULTS, noticed


@pytest.mark.parametrize("name", FAULTS)
def test_a_golden_result_notices(name: str) -> None:
    exact, near = noticed(FAULTS[name], FAULTS[name].golden)
    assert exact and near
