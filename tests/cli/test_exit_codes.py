"""Errors end in one line and their exit code; bugs in a traceback."""

from collections.abc import Sequence

import pytest

from benchmark import cli, errors

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
