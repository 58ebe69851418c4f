"""Tables on disk: hand edits, two writers at once, broken records, hostile labels."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import IntegrityError
from benchmark.recording import records
from benchmark.report import tables
from benchmark.statistics import metrics
from benchmark.system.files import sha256_file
from tests.fixtures.records import make_predictions, make_record

WRITE = (
    "import sys; from pathlib import Path; from benchmark.report import tables\n"
    "for _ in range(10): tables.write(Path(sys.argv[1]), Path(sys.argv[2]))"
)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with four records."""
    folder = tmp_path / "records"
    for seed in range(4):
        record = make_record((90, 60, 30, 20 + seed), seed)
        records.save(folder / "shapes" / f"s{seed}" / "record.json", record)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_tables_check(source: Path, tmp_path: Path) -> None:
    written = tables.write(source, tmp_path / "tables")
    assert [path.name for path in written] == names(tmp_path / "tables")
    assert tables.check(source, tmp_path / "tables") == []
    assert {path.suffix for path in written} == {".md", ".csv", ".json", ".tex"}


def test_hand_edits_missing_and_stale_files_are_found(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    index, data, _, table, latex = sorted(tables.write(source, folder), key=lambda p: p.name)
    table.write_text(table.read_text().replace("50", "51"))
    data.unlink()
    latex.write_text(latex.read_text() + " ")
    stale = [folder / f"old-p1-00000000.{ending}" for ending in ("md", "json", "cost.csv")]
    for path in stale:
        path.write_text("old")
    (folder / "notes.md").write_text("mine")
    assert sorted(tables.check(source, folder)) == sorted([data, table, latex, *stale])
    tables.write(source, folder)
    assert tables.check(source, folder) == []
    assert not any(path.exists() for path in stale)
    assert (folder / "notes.md").read_text() == "mine" and index.exists()


def test_nothing_written_yet_is_a_difference(source: Path, tmp_path: Path) -> None:
    assert len(tables.check(source, tmp_path / "absent")) == 5


def test_no_records_give_an_empty_index(tmp_path: Path) -> None:
    (index,) = tables.write(tmp_path / "none", tmp_path / "tables")
    assert index.name == "README.md"


def test_two_processes_write_at_once(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    command = [sys.executable, "-c", WRITE, str(source), str(folder)]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    assert tables.check(source, folder) == []
    assert not [name for name in names(folder) if name.endswith(".tmp")]


def test_a_broken_record_stops_the_tables_and_is_named(source: Path, tmp_path: Path) -> None:
    tables.write(source, tmp_path / "tables")
    broken = source / "shapes" / "s1" / "record.json"
    broken.write_text(broken.read_text()[:-40])
    (source / "zz").mkdir()
    (source / "zz" / "record.json").write_text("{}")
    with pytest.raises(IntegrityError, match=r"Expected valid JSON.*and 1 more.*s1/record\.json"):
        tables.write(source, tmp_path / "tables")


def test_hostile_labels_stay_in_their_cells(source: Path, tmp_path: Path) -> None:
    label = "a|b\n| x | <img src=x onerror=alert(1)> `c` [l](javascript:1)"
    record = make_record(
        experiment__label=label, experiment__hash="h`|2", dataset__name="../../<b>",
        command="run `x` | y\nz", budget__label="|",
    )  # fmt: skip
    records.save(source / "bad" / "record.json", record)
    folder = tmp_path / "deep" / "tables"
    written = tables.write(source, folder)
    assert all(path.parent == folder for path in written)
    for path in written:
        if path.suffix == ".md":
            content = path.read_text()
            assert "<img" not in content and "<b>" not in content
            assert "[l](" not in content.replace("\\[l\\](", "")
            rows = [line.replace("\\|", "") for line in content.splitlines() if line[:1] == "|"]
            assert len({line.count("|") for line in rows}) == 1


def with_predictions(folder: Path, correct: tuple[int, ...], seed: int) -> Path:
    """A record with its predictions beside it."""
    file = folder / f"s{seed}" / "preds.npz"
    metrics.save_predictions(file, make_predictions(correct, 100, seed))
    record = make_record(correct, seed, predictions__sha256=sha256_file(file))
    records.save(file.with_name("record.json"), record)
    return file


def test_rows_with_predictions_are_recomputed_and_the_others_only_stated(tmp_path: Path) -> None:
    for seed in range(3):
        with_predictions(tmp_path, (90, 60, 30, 20 + seed), seed)
    (table,) = tables.boards(tmp_path)
    assert [row.verified for row in table.rows] == ["recomputed"]
    assert "Verified: every metric was recomputed from" in tables.markdown.render(table)
    (tmp_path / "s1" / "preds.npz").unlink()
    (table,) = tables.boards(tmp_path)
    assert [row.verified for row in table.rows] == ["stated"]
    assert "Verified: none; no predictions" in tables.markdown.render(table)


def test_predictions_that_were_changed_stop_the_tables(tmp_path: Path) -> None:
    file = with_predictions(tmp_path, (90, 60, 30, 20), 0)
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match=r"predictions that the record names, but got others"):
        tables.write(tmp_path, tmp_path / "tables")


def test_metrics_that_predictions_do_not_give_stop_the_tables(tmp_path: Path) -> None:
    file = with_predictions(tmp_path, (90, 60, 30, 20), 0)
    # a record that agrees with itself, but was made from other predictions
    forged = make_record((99, 60, 30, 20), predictions__sha256=sha256_file(file))
    records.save(file.with_name("record.json"), forged)
    with pytest.raises(IntegrityError, match=r"own metrics, but got metrics\.accuracy.*check rec"):
        tables.write(tmp_path, tmp_path / "tables")


def test_hostile_labels_are_plain_values_in_json_and_inert_in_latex(tmp_path: Path) -> None:
    label = 'x"} </script> \\input{y} & %'
    records.save(tmp_path / "r" / "record.json", make_record(experiment__label=label))
    written = {path.suffix: path for path in tables.write(tmp_path / "r", tmp_path / "t")}
    assert json.loads(written[".json"].read_text())["rows"][0]["method"] == label
    assert "\\input{" not in written[".tex"].read_text()
