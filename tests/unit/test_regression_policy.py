"""The policy file: what is in it, and what is refused."""

from pathlib import Path

import pytest

from benchmark.errors import DataError, UsageError
from benchmark.regression.policy import METRICS, read_policy
from benchmark.regression.samples import read_runs
from tests.conftest import ROOT
from tests.fixtures.regression import POLICY

COMMITTED = ROOT / "leaderboards" / "regression.yaml"
MARGINS = "margins: {accuracy: 1.0, few: 2.5, ece: 2.0, why: a test}"


def test_the_committed_policy_is_the_documented_one() -> None:
    policy = read_policy(COMMITTED)
    shares = [policy.margin("cifar100lt", metric) for metric in METRICS]
    assert shares == pytest.approx([0.01, 0.025, 0.02])
    assert policy.margin("digitslt", "accuracy") == pytest.approx(0.02)
    assert (policy.seeds, policy.most_seeds, policy.level) == (5, 10, 0.025)


def test_the_core_set_has_a_reference_with_enough_seeds() -> None:
    policy = read_policy(COMMITTED)
    known = {runs.first.experiment.overrides: runs for runs in
             read_runs(ROOT / "leaderboards" / "records").values()}  # fmt: skip
    assert policy.core
    assert all(len(known[words].seeds) >= policy.seeds for words in policy.core)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "margins"),
        ("[1, 2]", "margins"),
        ("margins: {accuracy: 1.0, few: 2.5, ece: 2.0}", "why"),
        ("margins: {accuracy: 0, few: 2.5, ece: 2.0, why: x}", "greater than 0, but got 0"),
        (f"{MARGINS}\nmargin: 3", "Unknown key 'margin'.*did you mean margins"),
        (f"{MARGINS}\nseeds: 2", "greater than 2, but got 2"),
        (f"{MARGINS}\nseeds: 8\nmost_seeds: 6", "most_seeds of at least 8, but got 6"),
        (f"{MARGINS}\nalpha: 1", "less than 1, but got 1"),
        ("margins: {", "Expected valid YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "regression.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_policy(path)


def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected a policy.*--policy FILE"):
        read_policy(tmp_path / "none.yaml")


def test_looks_share_the_level(tmp_path: Path) -> None:
    path = tmp_path / "regression.yaml"
    path.write_text(f"{POLICY}\nalpha: 0.09\nlooks: 3\n")
    assert read_policy(path).level == pytest.approx(0.03)
