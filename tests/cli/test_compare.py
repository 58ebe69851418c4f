"""``report compare``: what it finds by label, hash and path, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.errors import BenchError, DataError, UsageError
from benchmark.recording import records
from benchmark.report.compare import main
from tests.fixtures.records import make_record

ROOT = Path(__file__).parents[2]
CORRECT = {"plain": (90, 60, 30, 20), "new": (92, 64, 40, 33), "third": (91, 61, 33, 22)}


def write(folder: Path, label: str, seeds: int = 3, data: str = "shapes", shift: int = 0) -> Path:
    base = folder / data / label
    for seed in range(seeds):
        correct = tuple(n + shift + (seed if at % 2 else 0) for at, n in enumerate(CORRECT[label]))
        record = make_record(
            correct, seed, experiment__label=label, experiment__hash=f"{data}{label}",
            dataset__name=data, experiment__overrides=(f"method={label}",),
            command=f"python -m benchmark run method={label} seed={seed}",
        )  # fmt: skip
        records.save(base / f"s{seed}" / "record.json", record)
    return base


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    found = tmp_path / "leaderboards" / "records"
    for label in CORRECT:
        write(found, label)
    return found


def test_by_label_hash_and_path(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = []
    for words in (["new", "plain"], ["shapesnew", "plain"], ["new", "shapesplain"]):
        assert main(words) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    assert "variance pooled over 3 rows" in texts[0]
    own = write(folder.parent.parent / "runs", "new", shift=1)
    assert main([str(own), "plain"]) == 0
    assert "58.75" in capsys.readouterr().out, "the mean of the own runs"
    assert main([str(own), str(folder / "shapes" / "new")]) == 0
    assert "Both are runs of the same experiment." in capsys.readouterr().out
    assert main([str(own / "s0" / "record.json"), "new"]) == 0
    assert "Nothing is tested below 3 seeds." in capsys.readouterr().out


def test_two_folders_are_compared_experiment_by_experiment(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = folder.parent.parent / "runs"
    write(runs, "new", shift=5)
    write(runs, "plain")
    assert main([str(runs), str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == ["new", "plain"]
    assert "different" in lines[1] and "equivalent" in lines[2] and "+5.00" in lines[1]
    assert lines[-1] == "Experiments in both: 2; in A only: 0; in B only: 1."
    assert main([str(runs), str(folder), "--json"]) == 0
    assert [each["rows"]["A"]["method"] for each in json.loads(capsys.readouterr().out)] == [
        "new", "plain",
    ]  # fmt: skip


def test_json_and_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["new", "plain", "--metric", "few", "--margin", "30", "--json"]
    assert main([*words, "--records", str(folder)]) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["chosen"] == "few" and value["margin"] == 0.3
    assert value["metrics"]["few"]["equivalence"]["verdict"] == "equivalent"


REFUSED: list[tuple[list[str], type[BenchError], str]] = [
    (["nw", "plain"], UsageError, "Unknown row 'nw'; did you mean new?"),
    (["new", "plain", "--metric", "fwe"], UsageError, "Unknown metric 'fwe' .*did you mean few"),
    (["new", "plain", "--margin", "0"], UsageError, "Expected a margin above 0 and up to 100"),
    (["new", "plain", "--dataset", "shape"], UsageError, "Unknown data set .*did you mean shapes"),
    (["new", "plain", "--recrods", "x"], UsageError, "did you mean --records"),
    (["new"], UsageError, "required: B"),
    (["new", "new"], UsageError, "Expected two rows, but 'new' and 'new' are one"),
    (["new", "plain", "--records", "absent"], DataError, "Expected a folder of records"),
    (["absent/folder", "plain"], DataError, "Expected a record, but got No such file"),
    (["leaderboards/records", "plain"], UsageError, "runs of one experiment, but got 3"),
]


@pytest.mark.parametrize(("words", "kind", "message"), REFUSED)
def test_what_is_refused(
    folder: Path, words: list[str], kind: type[BenchError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        main(words)
    assert "\n" not in str(caught.value)


def test_a_label_of_several_tables_needs_a_data_set(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for label in ("new", "plain"):
        write(folder, label, data="blobs")
    with pytest.raises(UsageError, match=r"in one table, but got 2; name both by hash, or add"):
        main(["new", "plain"])
    assert main(["new", "plain", "--dataset", "blobs"]) == 0
    assert capsys.readouterr().out.startswith("blobs, short, small")
    # a label that only one table has decides for the other
    assert main(["third", "plain"]) == 0
    with pytest.raises(UsageError, match=r"differ in: data set \(shapes, blobs\)"):
        main(["shapesnew", "blobsplain"])


def test_committed_records_are_compared_without_torch() -> None:
    code = (
        "import sys; from benchmark.verbs.cli import main; "
        "code = main(['report', 'compare', 't2i', 'mixup', '--dataset', 'digitslt']); "
        "assert 'torch' not in sys.modules; raise SystemExit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Verdict for All within 1.00 points: different" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines() if "python -m" not in line) <= 80
