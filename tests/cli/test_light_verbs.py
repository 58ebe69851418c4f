"""`ls`, `show`, `status`, `version` and `--help`: what they say, and that they say it fast."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark import __version__
from benchmark.errors import UsageError
from benchmark.registry import COMPONENTS, yaml_names
from benchmark.verbs import cli
from benchmark.verbs.show import find, show
from benchmark.vocabulary.listing import NOUNS, all_rows, listing, table
from tests.cli.conftest import Cli

LIGHT = (["--help"], ["ls"], ["ls", "methods"], ["show", "method=ldam"], ["show", "synaug"],
         ["version"], ["new", "component", "my_loss", "--package", "mine"])  # fmt: skip
HEAVY = ("torch", "hydra", "omegaconf", "pydantic", "timm", "diffusers", "scipy", "numpy")
ENTRIES = [f"{row.group}={row.name}" for row in all_rows()]


@pytest.mark.parametrize("args", LIGHT, ids=" ".join)
def test_light_verbs_import_nothing_heavy(args: list[str], python: Cli) -> None:
    code = (
        "import sys; from benchmark.verbs.cli import main; code = main(sys.argv[1:]);"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    done = python("-c", code, *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("name", yaml_names("dataset"))
def test_showing_a_data_set_imports_only_what_its_card_needs(name: str, python: Cli) -> None:
    heavy = ("torch", "hydra", "timm", "diffusers", "rich")
    code = (
        f"import sys; from benchmark.verbs.cli import main; main(['show', 'dataset={name}']);"
        f"print('heavy:', [name for name in {heavy} if name in sys.modules])"
    )
    assert python("-c", code).stdout.splitlines()[-1] == "heavy: []"


def test_light_verbs_cost_little_beside_the_interpreter(python: Cli) -> None:
    def fastest(*args: str) -> float:
        times = []
        for _ in range(3):
            begun = time.perf_counter()
            python(*args)
            times.append(time.perf_counter() - begun)
        return min(times)

    # a ratio, so that a busy machine does not fail it; importing torch costs a hundred times
    assert fastest("-m", "benchmark", "ls") < 40 * fastest("-c", "pass")


def test_help_names_every_verb_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name, verb in cli.VERBS.items() if verb.shown)
    assert all(f" {code}  " in text for code in (0, 1, 2, 3, 4, 5, 70, 130, 141))


def test_bare_command_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 0
    assert "Usage:" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([word]) == 0
    assert capsys.readouterr().out == f"synaug-bench {__version__}\n"


def test_ls_lists_every_name_of_every_noun() -> None:
    text = listing()
    for item in NOUNS.values():
        assert all(row.name in text for row in item.rows())
    assert set(COMPONENTS.names()) <= {row.name for row in NOUNS["methods"].rows()}


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: f"{row.group}={row.name}")
def test_every_entry_has_a_summary(row) -> None:
    assert len(row.summary) > 10


@pytest.mark.parametrize("width", [40, 80, 200])
def test_ls_fits_the_terminal(width: int) -> None:
    body = [line for line in listing(width=width).splitlines() if line.startswith("  ")]
    assert max(map(len, body)) <= width


def test_ls_takes_singular_and_plural() -> None:
    assert listing("method") == listing("methods")


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_entry_can_be_shown(entry: str) -> None:
    text = show(entry)
    assert entry in text
    assert "files" in text


def test_show_tells_settings_with_default_range_and_meaning() -> None:
    lines = show("ldam").splitlines()
    scale = next(line for line in lines if line.strip().startswith("scale"))
    assert "30.0" in scale
    assert "float > 0" in scale
    assert "multiplies the cosines" in scale
    prior = next(line for line in lines if line.strip().startswith("prior"))
    assert "real, train" in prior


def test_show_tells_paper_hooks_command_and_files() -> None:
    text = show("method=ldam")
    assert "NeurIPS, 2019" in text
    assert "fills build, criterion" in text
    assert "python -m benchmark run method=ldam" in text
    assert "baselines/ldam.py" in text


def test_show_follows_a_citation_through_imports() -> None:
    assert "Exploiting Synthetic Data" in show("domain_mixup").replace("\n", " ")


def test_show_expands_a_preset() -> None:
    assert "'method=[t2i,domain_mixup,retrain_head]'" in show("synaug")


def test_show_wraps_settings_in_a_terminal() -> None:
    lines = show("retrain_head", width=70).splitlines()
    begin = lines.index("settings")
    assert max(len(line) for line in lines[begin : lines.index("", begin)]) <= 70


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ldamm", "ldam"),
        ("method=ldamm", "ldam"),
        ("metod=ldam", "method"),
        ("dataset=cifar", "cifar"),
    ],
)
def test_show_names_the_nearest(name: str, expected: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean .*{expected}"):
        show(name)


def test_an_ambiguous_name_lists_its_owners() -> None:
    with pytest.raises(UsageError, match="show recipe=digits or show modifiers=digits"):
        find("digits")


@pytest.mark.parametrize(
    ("args", "nearest"),
    [
        (["shw"], "show"),
        (["reprot"], "report"),
        (["stauts"], "status"),
        (["ls", "metods"], "methods"),
        (["status", "--ot"], "--out"),
        (["check", "recods"], "records"),
    ],
    ids=" ".join,
)
def test_typos_get_the_nearest_name(
    args: list[str], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(args) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert nearest in error
    assert error.count("\n") == 1


def test_a_forgotten_verb_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["method=ldam", "seed=1"]) == 2
    assert "python -m benchmark run method=ldam seed=1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "verb", ["ls", "show", "status", "report", "check", "new", "prepare", "generate"]
)
def test_each_verb_explains_itself(verb: str, cli: Cli) -> None:
    done = cli(verb, "--help")
    assert done.returncode == 0, done.stderr
    assert f"python -m benchmark {verb}" in done.stdout


def flags(*words: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit):
        cli.main([*words, "--help"])
    return set(re.findall(r"--[a-z]+", capsys.readouterr().out))


def test_the_help_of_check_names_what_each_form_takes(capsys: pytest.CaptureFixture[str]) -> None:
    forms = flags("check", "--all", capsys=capsys) | flags("check", "x.json", capsys=capsys)
    assert {"--all", "--fast", "--json", "--deep"} <= forms
    assert forms <= flags("check", capsys=capsys)


@pytest.mark.parametrize(
    ("what", "meant"),
    [
        ("ldam", "did you mean check component ldam? "),
        ("recods", "did you mean check records? "),
        ("there", "did you mean check records there, or check --all there? "),
        ("nothing", ""),
    ],
)
def test_what_cannot_be_checked_names_what_can(
    what: str, meant: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", what]) == 2
    assert capsys.readouterr().err == (
        f"error: Unknown check '{what}' [python -m benchmark check]; {meant}"
        "allowed: records, component, regression, --all, or a RECORD.json\n"
    )


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m benchmark ls | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.returncode in (0, cli.PIPE)
    assert done.stderr == ""


def test_tables_align_and_cut() -> None:
    assert table([("a", "one"), ("bbb", "two")], None) == ["a    one", "bbb  two"]
    assert table([("a", "a long text")], 8) == ["a  a lo…"]
    assert table([("a", "some longer text here and more")], 24, wrap=True) == [
        "a  some longer text here", "   and more",
    ]  # fmt: skip
    assert table([], 80) == []


def test_settings_shared_by_two_components_are_shown() -> None:
    assert "strengths" in show("method=intra_translation")
