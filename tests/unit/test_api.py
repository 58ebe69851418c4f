"""The verbs from Python: run, prepare, generate, collect, report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark import api
from benchmark.errors import IntegrityError, UsageError
from benchmark.recording import records
from benchmark.recording.records import Record
from benchmark.verbs import cli

SHORT = (
    "dataset=digitslt", "recipe.steps.amount=2", "progress=false",
    "pool_seed=0", "generator.steps=2", "budget=uniform", "budget.amount=4",
)  # fmt: skip
PLAIN = (*SHORT[:3], "method=ce")

Run = Callable[..., Record]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def run(out: Path) -> Run:
    """Run with the folder of runs in the test's own."""
    return lambda *words: api.run(*words, f"out={out}")


def files(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*") if path.is_file()}


def test_run_gives_the_record_and_a_second_call_trains_nothing(run: Run, out: Path) -> None:
    record = run(*PLAIN, "seed=3")
    (path,) = out.rglob("record.json")
    written = path.stat().st_mtime_ns
    assert path.parent.name == "s3"
    assert records.load(path) == record == run(*PLAIN, "seed=3")
    assert path.stat().st_mtime_ns == written
    assert records.verify(path) == []


def test_a_finished_run_can_be_run_again(run: Run, out: Path) -> None:
    first = run(*PLAIN)
    again = run(*PLAIN, "on_existing=rerun")
    assert again.created >= first.created
    assert again.metrics == first.metrics


def test_run_refuses_what_cannot_be_meant(run: Run, out: Path) -> None:
    with pytest.raises(UsageError, match="did you mean ldam"):
        run("method=ldamm")
    assert not out.exists()


def test_prepare_reports_on_bundled_data() -> None:
    report = api.prepare("dataset=digitslt")
    assert not report.done
    assert "nothing to do" in str(report)


def test_prepare_hands_on_published_lists() -> None:
    with pytest.raises(UsageError, match="Expected no split lists"):
        api.prepare("dataset=cifar10lt", split="lists")


def test_prepare_finds_the_weights_of_a_generator() -> None:
    assert (api.prepare("generator=embedded") / "model_index.json").exists()


def test_generate_draws_what_a_run_then_takes(run: Run) -> None:
    found = api.generate(*SHORT, "method=t2i")
    images = sorted(found.folder.rglob("images/**/*.png"))
    assert found.sheet.exists()
    assert found.images <= len(images)
    run(*SHORT, "method=[t2i,domain_mixup]")
    assert sorted(found.folder.rglob("images/**/*.png")) == images


def test_generate_needs_a_method_that_asks_for_images() -> None:
    with pytest.raises(UsageError, match="'ce' generates no images"):
        api.generate(*PLAIN)


@pytest.fixture
def collected(run: Run, out: Path, tmp_path: Path) -> Path:
    """A folder of records, collected from runs of two methods with two seeds."""
    for method in ("ce", "oversample"):
        for seed in (0, 1):
            run(*SHORT[:3], f"method={method}", f"seed={seed}")
    (out / "digitslt" / "ce" / "unfinished" / "s0").mkdir(parents=True)
    (out / "digitslt" / "ce" / "unfinished" / "s0" / "checkpoint.pt").touch()
    assert len(api.collect(out, tmp_path / "records")) == 4
    return tmp_path / "records"


def test_collect_copies_records_and_predictions_only(collected: Path, out: Path) -> None:
    assert files(collected) == {"record.json", "preds.npz"}
    for path in collected.rglob("record.json"):
        assert path.read_bytes() == (out / path.relative_to(collected)).read_bytes()
        assert records.verify(path) == []


def test_collect_twice_changes_nothing(collected: Path, out: Path) -> None:
    before = {path: path.read_bytes() for path in collected.rglob("record.json")}
    api.collect(out, collected)
    assert {path: path.read_bytes() for path in collected.rglob("record.json")} == before


def test_collect_stops_at_a_broken_record(run: Run, out: Path, tmp_path: Path) -> None:
    run(*PLAIN)
    (path,) = out.rglob("record.json")
    path.write_text(json.dumps({"schema": "record/1"}))
    with pytest.raises(IntegrityError, match=r"record\.json"):
        api.collect(out, tmp_path / "records")
    assert not (tmp_path / "records").exists()


def test_report_writes_and_then_finds_nothing_to_do(collected: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    stale = api.report(collected, tables, check=True)
    assert not tables.exists()
    written = api.report(collected, tables)
    assert sorted(stale) == written
    assert {path.suffix for path in written} == {".md", ".csv", ".json", ".tex"}
    assert api.report(collected, tables, check=True) == []
    written[-1].write_text("edited")
    assert api.report(collected, tables, check=True) == [written[-1]]


def test_the_command_collects_reports_and_says_where(
    run: Run, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    run(*PLAIN)
    assert cli.main(["report", "--collect"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"1 finished run collected in {Path('leaderboards') / 'records'}"
    assert any("plain" in line or "ce" in line for line in said[1:])
    assert str(Path("leaderboards") / "tables" / "README.md") in said
    assert cli.main(["report", "--check"]) == 0
    assert capsys.readouterr().out == "nothing is out of date\n"
    assert cli.main(["check", "records"]) == 0
    assert capsys.readouterr().out.startswith("1 valid records, 1 of them recomputed")
