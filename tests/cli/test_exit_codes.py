"""Errors end in one line and their exit code; bugs in a traceback."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmark import errors
from benchmark.recording import records
from benchmark.verbs import cli
from tests.fixtures.records import make_record

CASES = [
    (errors.BenchError("x"), 1),
    (errors.UsageError("x"), 2),
    (errors.DataError("x"), 3),
    (errors.IntegrityError("x"), 4),
    (errors.StorageError("x"), 5),
    (errors.Interrupted("x"), 130),
]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Make the verb ``status`` raise."""

    def install(error: BaseException) -> None:
        def call(args: Sequence[str]) -> int:
            raise error

        monkeypatch.setitem(cli.VERBS, "status", cli.Verb(call))

    return install


@pytest.mark.parametrize(("error", "code"), CASES, ids=lambda case: type(case).__name__)
def test_an_error_is_one_line_and_its_code(error, code, failing, capsys) -> None:
    failing(error)
    assert cli.main(["status"]) == code
    assert capsys.readouterr().err == "error: x\n"


def test_ctrl_c_says_how_to_go_on(failing, capsys) -> None:
    failing(KeyboardInterrupt())
    assert cli.main(["status"]) == 130
    assert capsys.readouterr().err == "interrupted; run the same command again to continue\n"


def test_a_bug_shows_its_traceback(failing, capsys) -> None:
    failing(ZeroDivisionError("oops"))
    assert cli.main(["status"]) == cli.BUG
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "ZeroDivisionError: oops" in text
    assert text.splitlines()[-1].startswith("error: this is a bug")


def test_errors_are_red_on_a_terminal_only(monkeypatch, failing, capsys) -> None:
    failing(errors.UsageError("x"))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    cli.main(["status"])
    assert capsys.readouterr().err == "\033[1;31merror:\033[0m x\n"


def test_check_records_passes_over_an_empty_folder(tmp_path: Path, capsys) -> None:
    assert cli.main(["check", "records", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("0 valid records")


def test_check_records_names_a_broken_file(tmp_path: Path, capsys) -> None:
    (tmp_path / "record.json").write_text("{")
    assert cli.main(["check", "records", str(tmp_path)]) == 4
    assert str(tmp_path / "record.json") in capsys.readouterr().err


def test_check_records_needs_its_folder(tmp_path: Path, capsys) -> None:
    assert cli.main(["check", "records", str(tmp_path / "none")]) == 3
    assert "Expected a folder of records" in capsys.readouterr().err


@pytest.fixture
def api_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the verbs hand to the API, which does nothing."""
    from benchmark import api

    calls: list[tuple[object, ...]] = []

    def prepare(*overrides: str, source: str | None = None, split: str | None = None) -> str:
        calls.append((*overrides, source, split))
        return "prepared"

    def report(records: Path, tables: Path, *, check: bool, boards: list[object]) -> list[Path]:
        calls.append((records, tables, check))
        return [Path("stale.md")]

    monkeypatch.setattr(api, "prepare", prepare)
    monkeypatch.setattr(api, "report", report)
    monkeypatch.setattr(api, "leaderboards", lambda records: [])
    return calls


def test_prepare_hands_on_its_words(api_calls, capsys) -> None:
    assert cli.main(["prepare", "dataset=folder", "source=a=b", "dataset.name=x", "split=c"]) == 0
    assert api_calls == [("dataset=folder", "dataset.name=x", "a=b", "c")]
    assert capsys.readouterr().out == "prepared\n"


def test_report_check_fails_where_tables_differ(api_calls, capsys) -> None:
    assert cli.main(["report", "--records", "r", "--tables", "t"]) == 0
    assert cli.main(["report", "--check"]) == 4
    assert api_calls[0] == (Path("r"), Path("t"), False)
    assert "stale.md" in capsys.readouterr().out


def test_tables_of_other_records_do_not_take_the_place_of_the_committed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    committed = Path("leaderboards") / "tables" / "README.md"
    records.save(Path("leaderboards") / "records" / "x" / "record.json", make_record())
    records.save(Path("mine") / "x" / "record.json", make_record())
    committed.parent.mkdir()
    committed.write_text("theirs")
    assert cli.main(["report", "--records", "mine"]) == 0
    assert committed.read_text() == "theirs"
    assert (Path("mine") / "tables" / "README.md").is_file()
