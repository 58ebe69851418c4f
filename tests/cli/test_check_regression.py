"""`check regression` from the command line: exit codes, advice, what is imported."""

from pathlib import Path

import pytest

from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.regression import cli as regression
from benchmark.verbs import cli
from tests.cli.conftest import Cli
from tests.conftest import ROOT
from tests.fixtures.documents import commands
from tests.fixtures.regression import NEW, board, write_run, write_runs

HITS = (60, 61, 62, 61, 60)
WORSE = (50, 51, 52, 51, 50)
WILD = (40, 80, 60, 40, 80)
CHECK = ("check", "regression")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a reference and a policy, without new runs."""
    monkeypatch.chdir(tmp_path)
    board(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    found = capsys.readouterr()
    return found.out, found.err


def test_as_good_is_0(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(here / "runs", HITS, NEW)
    assert cli.main([*CHECK, "--tier", "2"]) == 0
    out, err = said(capsys)
    assert out.count("equivalent") == 3 and err == ""
    assert "3 comparisons; bounds are one-sided at 2.5 %" in out


def test_worse_is_1_and_says_how_to_find_the_cause(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(here / "runs", WORSE, NEW, environment__torch="3")
    assert cli.main([*CHECK, "--tier", "2", "plain"]) == 1
    out, err = said(capsys)
    assert err == "error: 3 of 3 comparisons with the reference fail [tier 2]\n"
    old = "a" * 40
    assert f"git worktree add ../reference-aaaaaaaaaa {old}" in out
    assert "run -m method=plain seed=0,1,2,3,4)" in out
    assert "--tier 2 --new ../reference-aaaaaaaaaa/runs abc123def456" in out
    assert "another environment: torch 2 -> 3" in out


def test_not_decided_is_6_and_asks_for_seeds(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(here / "runs", WILD, NEW, first=5)
    assert cli.main([*CHECK, "--tier", "2"]) == 6
    out, err = said(capsys)
    assert "comparisons are not decided [tier 2]; run more seeds" in err
    assert "  python -m benchmark run -m method=plain seed=10,11,12,13,14\n" in out
    assert "  python -m benchmark check regression --tier 2\n" in out


def test_in_a_blocked_design_the_references_seeds_are_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root, hits, commit in ((here / "leaderboards/records", HITS, "a" * 40),
                               (here / "elsewhere", WILD[:3], NEW)):  # fmt: skip
        write_runs(root, hits, commit, dataset__design="blocked")
    assert cli.main([*CHECK, "--new", "elsewhere"]) == 6
    out, _ = said(capsys)
    assert "3 pairs" in out
    assert "run -m method=plain seed=3,4 out=elsewhere\n" in out
    assert "--tier 2 --new elsewhere\n" in out


def test_a_reference_that_runs_out_of_seeds_is_extended_at_its_commit(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for root, hits, commit in ((here / "leaderboards/records", HITS, "a" * 40),
                               (here / "runs", WILD, NEW)):  # fmt: skip
        write_runs(root, hits, commit, dataset__design="blocked")
    assert cli.main([*CHECK, "--tier", "2"]) == 6
    out, _ = said(capsys)
    assert "the reference has 5 seeds" in out and "seed=5,6,7,8,9)" in out


def test_after_the_last_look_a_person_judges(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(here / "runs", WILD * 2, NEW, first=5)
    assert cli.main([*CHECK, "--tier", "2"]) == 6
    assert "10 seeds were the last look; judge by hand" in said(capsys)[0]


def test_too_good_is_noted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(here / "runs", (75, 76, 77, 76, 75), NEW)
    cli.main([*CHECK, "--tier", "2"])
    assert "better than before: plain; rule out a leak" in said(capsys)[0]


def test_an_experiment_without_reference_decides_nothing(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(here / "runs", HITS, NEW, experiment__hash="fedcba987654")
    assert cli.main([*CHECK, "--tier", "2"]) == 6
    out, err = said(capsys)
    assert "plain (fedcba987654) has no reference" in out and "no experiment" in err


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["--tier", "3"], 2, "invalid choice"),
        (["--teir", "2"], 2, "did you mean --tier"),
        (["--tier", "0", "--run"], 2, "Expected --tier 2 beside new runs"),
        (["--seeds", "4"], 2, "Expected --run beside --seeds"),
        (["--tier", "2", "nothing"], 3, "Expected a folder of records"),
        (["--tier", "2", "--policy", "none.yaml"], 3, "--policy FILE"),
        (["--tier", "2", "--new", "leaderboards/records"], 3, "Expected new runs"),
        (["--power", "plian"], 2, "did you mean plain"),
        (["accept", "plain"], 2, "--reason TEXT"),
        (["accept", "--reason", "r"], 2, "Expected experiments"),
        (["accept", "--resaon", "r"], 2, "did you mean --reason"),
    ],
)
def test_mistakes_are_one_line(
    args: list[str], code: int, text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*CHECK, *args]) == code
    err = said(capsys)[1]
    assert text in err and err.count("\n") == 1


def test_runs_of_two_commits_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(here / "runs", HITS[:4], NEW)
    write_run(here / "runs", (80, 60, 40, 30), 4, "c" * 40)
    assert cli.main([*CHECK, "--tier", "2"]) == 2
    assert "Expected new runs of one commit" in said(capsys)[1]


def test_seeds_that_trained_alike_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_runs(here / "runs", HITS, NEW, final_weights_sha256="d" * 64)
    assert cli.main([*CHECK, "--tier", "2"]) == 4
    assert "the same ones at seeds 0 and 1" in said(capsys)[1]


def test_accept_then_history(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_runs(here / "runs", HITS, NEW)
    assert cli.main([*CHECK, "accept", "--reason", "quicker code", "plain"]) == 0
    assert "accepted: plain (abc123def456), 5 seeds" in said(capsys)[0]
    assert cli.main([*CHECK, "--history"]) == 0
    out, _ = said(capsys)
    assert "quicker code" in out and "bbbbbbbbbb" in out and "5 -> 5" in out


def test_power_shows_fresh_seeds_and_the_same_ones(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*CHECK, "--power"]) == 0
    rows = [line.split() for line in said(capsys)[0].splitlines()[1:7]]
    assert [row[2] for row in rows] == ["accuracy"] * 2 + ["few"] * 2 + ["ece"] * 2
    fresh, same = rows[:2]
    # hits of 60, 61, 62, 61, 60 and a design that finds a drop of 1 point
    assert fresh[4:6] == ["fresh", "0.84"] and same[4:7] == ["the", "same", "0.50"]
    assert int(fresh[-1]) > int(same[-1]) >= 3


@pytest.mark.parametrize(
    "args",
    [("--power",), ("--history",), ("--tier", "1"), ("--tier", "2", "--new", "runs")],
    ids=" ".join,
)
def test_what_trains_nothing_imports_no_torch(
    args: tuple[str, ...], here: Path, python: Cli
) -> None:
    write_runs(here / "runs", HITS, NEW)
    code = (
        "import sys; from benchmark.verbs.cli import main; main(['report']);"
        "code = main(sys.argv[1:]);"
        "heavy = [name for name in ('torch', 'hydra', 'timm') if name in sys.modules];"
        "print('heavy:', heavy); sys.exit(code)"
    )
    done = python("-c", code, *CHECK, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_tiers_follow_from_what_is_said() -> None:
    def tiers(*words: str) -> list[int]:
        return regression._tiers(regression._parser().strict(words))

    assert tiers() == [0, 1]
    assert tiers("--tier", "1") == tiers("--since", "HEAD") == [1]
    assert tiers("--tier", "2", "--tier", "0") == [0, 2]
    assert tiers("--run") == tiers("--new", "runs") == tiers("plain") == [2]
    assert tiers("--run", "--seeds", "4", "--fresh") == [2]


def test_help_names_the_tiers_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*CHECK, "--help"])
    assert end.value.code == 0
    out = " ".join(said(capsys)[0].split())
    assert "6 not decided" in out and "0 golden, 1 leaderboards, 2 re-training" in out


COMMANDS = {
    " ".join(words): words for words in commands((ROOT / "docs" / "regression.md").read_text())
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=list(COMMANDS))
def test_the_commands_of_the_page_resolve(words: list[str]) -> None:
    if words[0] == "run":
        shared = [word for word in words[1:] if not word.startswith(("-", "seed="))]
        assert resolve(settings(shared)).hash
    elif words[:3] == [*CHECK, "accept"]:
        given = regression._accept_parser().strict(words[3:])
        assert given.reason and given.experiment
    elif words[:2] == [*CHECK]:
        assert regression._tiers(regression._parser().strict(words[2:]))
    else:
        assert words[0] in cli.VERBS


def test_the_page_shows_every_flag() -> None:
    shown = {word for words in COMMANDS.values() for word in words if word.startswith("--")}
    known = {*regression._parser()._option_string_actions,
             *regression._accept_parser()._option_string_actions}  # fmt: skip
    assert {flag for flag in known if flag.startswith("--")} - {"--help"} <= shown


@pytest.mark.slow
def test_new_runs_are_made_and_compared(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The core set of a short policy: trained, compared, kept, and not trained again."""
    monkeypatch.chdir(tmp_path)
    words = "method=mixup, recipe.steps.amount=20"
    (tmp_path / "policy.yaml").write_text(
        f"margins: {{accuracy: 1, few: 2.5, ece: 2, why: x}}\ncore: [[{words}]]\n"
    )
    for seed in range(3):
        made = ["run", *words.split(", "), f"seed={seed}", "out=reference", "progress=false"]
        assert cli.main(made) == 0
    again = [*CHECK, "--run", "--seeds", "3", "--records", "reference", "--policy", "policy.yaml"]
    assert cli.main(again) == 0
    out, _ = said(capsys)
    assert out.count("3 pairs") == 3 and out.count("equivalent") == 3
