"""`check component`: a table of promises, and an exit code for scripts."""

from collections.abc import Callable

import pytest
from torch import Tensor

from benchmark import conformance
from benchmark.component import Component, Step
from benchmark.verbs import cli

HERE = __name__
MISTAKES = {
    "ldamm": "did you mean ldam?",
    "nowhere.at.all:Loss": "cannot be imported: ModuleNotFoundError",
    f"{HERE}:Missing": "cannot be imported: AttributeError",
    f"{HERE}:MISTAKES": "Expected a class derived from Component",
    f"{HERE}:Callable": "Expected a class derived from Component",
    "baselines.ldam:LDAM": "ldam.max_margin",
}


class Scalar(Component):
    """A criterion that returns one number where one for each example is expected."""

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """The wrong shape, said in two lines."""
        raise ValueError("Expected a loss\nof each example")


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep of the kit what needs no long training."""
    whole: Callable[..., list[conformance.CheckResult]] = conformance.check_stack
    kept = ("image requests are well formed", "trains and deploys with 2 classes")
    monkeypatch.setattr(conformance, "check_stack", lambda pieces: whole(pieces, kept))


@pytest.mark.usefixtures("light")
@pytest.mark.parametrize("target", ["ldam", "benchmark.component:Component"])
def test_kept_promises_are_listed(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "component", target]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ok  image requests are well formed",
        "ok  trains and deploys with 2 classes",
    ]


@pytest.mark.usefixtures("light")
def test_a_broken_promise_fails_with_what_was_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "component", f"{HERE}:Scalar"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[1].split(maxsplit=1) == [
        "failed",
        "trains and deploys with 2 classes  ValueError: Expected a loss of each example",
    ]
    assert said.err == f"error: 1 of 2 checks failed [{HERE}:Scalar]\n"


@pytest.mark.usefixtures("light")
def test_settings_are_those_given(capsys: pytest.CaptureFixture[str]) -> None:
    target = "baselines.ldam:LDAM"
    words = ["max_margin=1e-1", "scale=10", "prior=train"]
    assert cli.main(["check", "component", target, *words]) == 0
    assert cli.main(["check", "component", target, *words[:2]]) == 2
    assert "ldam.prior" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["component", "ldam", "scale=-1"], "greater than 0, but got -1 [method.ldam.scale]"),
        (["component", "ldam", "scael=1"], "did you mean scale?"),
        (["component", "ce", "scale=1"], "it takes no settings"),
        (["records", "scale=1"], "Expected no settings for records, but got 'scale=1'"),
    ],
)
def test_a_wrong_setting_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", *words]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert said in error


@pytest.mark.parametrize("target", MISTAKES)
def test_a_component_that_is_none_is_one_line(
    target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["check", "component", target]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert MISTAKES[target] in error


def test_a_component_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "component"]) == 2
    assert "expected a component" in capsys.readouterr().err.lower()
