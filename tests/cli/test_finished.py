"""A run that is finished is found by its words, without torch, and only where that is safe."""

from pathlib import Path

import pytest

from benchmark.errors import IntegrityError
from benchmark.verbs import finished
from benchmark.verbs.finished import finished as find
from tests.cli.conftest import Cli

WORDS = ["method=ce", "recipe.steps.amount=1", "progress=false"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with one finished run, which was met a second time."""
    from benchmark.verbs.app import main

    out = tmp_path_factory.mktemp("finished")
    assert main([*WORDS, f"out={out}"]) == 0
    assert find([*WORDS, f"out={out}"]) is None
    assert main([*WORDS, f"out={out}"]) == 0
    return f"out={out}"


def test_it_is_found_under_its_words(runs: str, capsys: pytest.CaptureFixture[str]) -> None:
    record = find([*WORDS, runs])
    assert record is not None and (record.experiment.label, record.seed) == ("ce", 0)
    folder = Path(runs.removeprefix("out="), "digitslt", "ce", record.experiment.hash, "s0")
    assert capsys.readouterr().err == f"done      ce, seed 0: already finished in {folder}\n"
    assert find([*WORDS, runs, "seed=0"]) == record


@pytest.mark.parametrize(
    "more",
    ["seed=1", "seed=x", "seed=0,1", "-m", "--cfg=job", "on_existing=rerun", "beside=[mixup]",
     "recipe.steps.amount=2", "wandb=offline", "outt=runs", "out=elsewhere", "hydra.verbose=true"],
)  # fmt: skip
def test_whatever_says_more_goes_the_long_way(runs: str, more: str) -> None:
    assert find([*WORDS, runs, more]) is None


def test_no_words_and_several_processes_go_the_long_way(
    runs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find([]) is None
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a"),
                        ("MASTER_PORT", "1")):  # fmt: skip
        monkeypatch.setenv(name, value)
    assert find([*WORDS, runs]) is None


def test_the_table_is_printed_without_torch(runs: str, python: Cli) -> None:
    code = (
        "import sys; from benchmark.verbs.cli import main; code = main(sys.argv[1:]);"
        "print([name for name in ('torch', 'hydra', 'timm') if name in sys.modules], code)"
    )
    done = python("-c", code, "run", *WORDS, runs)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stderr
    assert "ce (seed 0)" in done.stdout and "already finished" in done.stderr


def test_an_altered_file_is_refused(runs: str) -> None:
    (file,) = Path(runs.removeprefix("out=")).rglob("preds.npz")
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    try:
        with pytest.raises(IntegrityError, match=r"preds\.npz"):
            find([*WORDS, runs])
    finally:
        file.write_bytes(content)


def test_runs_that_draw_nothing_import_no_pipelines(python: Cli, runs: str) -> None:
    code = (
        "import sys; from benchmark.verbs.app import main; main(sys.argv[1:]);"
        "print([name for name in ('diffusers', 'transformers', 'sklearn') if name in sys.modules])"
    )
    done = python("-c", code, *WORDS, runs)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_the_long_way_is_taken_where_the_cache_knows_nothing(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path))
    assert find([*WORDS, runs]) is None
    finished.remember([*WORDS, runs])
    assert find([*WORDS, runs]) is not None
