"""`check RECORD.json`: what was altered is named; what was not passes."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.publishing.findings import Finding, failed
from benchmark.publishing.plausible import look_at
from benchmark.publishing.record_checks import check_record
from benchmark.statistics import metrics
from benchmark.system.files import content_hash, sha256_file
from benchmark.verbs import cli
from tests.conftest import ROOT
from tests.fixtures.records import make_predictions

COMMITTED = ROOT / "leaderboards" / "records" / "digitslt" / "synaug"
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A committed record with its predictions, to change."""
    source = sorted(COMMITTED.rglob("record.json"))[0]
    for name in ("record.json", "preds.npz"):
        shutil.copy(source.parent / name, tmp_path / name)
    return tmp_path / "record.json"


def changed(path: Path, change: Change) -> Path:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return path


def found(path: Path, item: str) -> Finding:
    return {each.item: each for each in check_record(path)}[item]


def test_a_committed_record_passes(record: Path) -> None:
    findings = check_record(record)
    assert [each.verdict for each in findings] == ["pass"] * 11
    assert all(each.detail for each in findings), "a reader sees what was looked at"


def grow(value: dict[str, Any]) -> None:
    value["budget"]["keep"][0] += 60
    value["budget"]["add"][0] -= 60 if value["budget"]["add"][0] > 60 else 0
    value["dataset"]["counts_train"][0] += 60
    value["dataset"]["n_train"] += 60


CHANGES: list[tuple[str, Change, str]] = [
    ("schema", lambda v: v.update(seed="x"), "seed: "),
    ("schema", lambda v: v["metrics"].update(accuracy=0.999), "Expected metrics.accuracy"),
    ("identity", lambda v: v["experiment"].update(hash="0" * 12), "the hash of the settings is"),
    ("identity", lambda v: v["experiment"]["config"]["recipe"].update(batch_size=63), "hash"),
    ("identity", lambda v: v["recipe"]["config"].update(batch_size=32), "the recipe is not that"),
    ("identity", lambda v: v["backbone"].update(name="resnet50"), "the backbone is not that"),
    ("identity", lambda v: v["method"]["stack"].pop(), "the stack is not that of the settings"),
    ("identity", lambda v: v.update(command=v["command"] + " --fast"), "the command is not made"),
    ("identity", lambda v: v.update(command="run 'seed"), "the command is not made"),
    ("data", lambda v: v["dataset"]["split"].update(replicate=9), "of replicate 9, but the seed"),
    ("budget", grow, "real images of class 0 are kept, of"),
    ("budget", lambda v: v["method"].update(track="real"), "the track is real, but 3"),
    ("budget", lambda v: v["pool"].update(images=3), "the pool gave 3 images, but 3"),
    ("budget", lambda v: v["cost"]["generation"].update(accepted=3), "the cost is that of 3 im"),
    ("steps", lambda v: v["recipe"].update(steps_total=5), "have 900 steps, but the recipe says 5"),
    ("steps", lambda v: v["recipe"].update(steps_rule="epochs"), "steps are fixed by epochs"),
    ("steps", lambda v: v["stages"][0].update(epochs=9), "75 epochs of its steps, but 9 stated"),
    ("steps", lambda v: v["stages"][0].update(rows=9000, epochs=5), "more rows than there are"),
    ("cost", lambda v: v["cost"]["training"].update(images=9), "but 9 are stated"),
    ("cost", lambda v: v["cost"]["training"].update(images_per_second=9.0), "do not make 51,000"),
    ("cost", lambda v: v["cost"]["training"].update(seconds=0.1, images_per_second=510000.0),
     "the stages took .* s, but training 0.1 s"),
    ("cost", lambda v: v["cost"].update(generation=None), "Expected the generation cost of 3"),
    ("cost", lambda v: v["cost"]["generation"].update(rejected=7), "7 rejected ones"),
    ("cost", lambda v: v["cost"]["generation"].update(pool_candidates=7), "of a pool of 7"),
    ("cost", lambda v: v["method"].update(knowledge=[]), "knowledge that the method does not"),
    ("card", lambda v: v["dataset"]["classes"].reverse(), "classes are not those of the card"),
    ("card", lambda v: v.update(protocol=2), "protocol are not those of the card"),
    ("predictions", lambda v: v["metrics"].update(nll=0.5), "metrics.nll: recorded 0.5, recomp"),
    ("predictions", lambda v: v["predictions"].update(sha256="0" * 64), "predictions.sha256: rec"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "change", "said"), CHANGES)
def test_what_was_altered_is_named(record: Path, item: str, change: Change, said: str) -> None:
    finding = found(changed(record, change), item)
    assert finding.verdict == "fail"
    assert re.search(said, finding.detail), finding.detail


def test_shot_groups_follow_the_counts(record: Path) -> None:
    def swap(value: dict[str, Any]) -> None:
        for name, groups in value["dataset"]["conventions"].items():
            many, few = groups.index("many"), groups.index("few")
            groups[many], groups[few] = "few", "many"
            block = value["metrics"]["groups"][name]
            counts = value["metrics"]["per_class"]
            pairs = list(zip(counts["n"], counts["correct"], groups, strict=True))
            for group in block:
                own = [correct / n for n, correct, each in pairs if each == group]
                block[group] = sum(own) / len(own)

    finding = found(changed(record, swap), "data")
    assert finding.verdict == "fail" and "counts as larger than one of" in finding.detail


def test_without_predictions_the_metrics_are_only_stated(record: Path) -> None:
    (record.parent / "preds.npz").unlink()
    findings = check_record(record)
    assert failed(findings) == []
    (warning,) = [each for each in findings if each.verdict == "warn"]
    assert warning.item == "predictions" and "were not recomputed" in warning.detail


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None])
def test_damaged_predictions_fail(record: Path, damage: bytes | None) -> None:
    path = record.parent / "preds.npz"
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)
    assert found(record, "predictions").verdict == "fail"


def test_predictions_of_another_run_fail(record: Path) -> None:
    other = sorted(COMMITTED.rglob("preds.npz"))[1]
    shutil.copy(other, record.parent / "preds.npz")
    digest = sha256_file(other)
    changed(record, lambda value: value["predictions"].update(sha256=digest))
    assert "recorded" in found(record, "predictions").detail


def test_data_that_is_not_prepared_is_not_compared(record: Path, monkeypatch) -> None:
    def elsewhere(value: dict[str, Any]) -> None:
        value["experiment"]["config"]["dataset"]["kind"] = "nowhere"
        value["experiment"]["hash"] = content_hash(value["experiment"]["config"])

    finding = found(changed(record, elsewhere), "card")
    assert (finding.verdict, finding.detail[:13]) == ("warn", "not compared:")


def rows(labels: list[int], predicted: list[int]) -> metrics.Predictions:
    made = make_predictions((3, 3), 3)
    n = len(labels)
    arrays = {name: np.resize(values, n) for name, values in vars(made).items()}
    given = {"labels": labels, "predicted": predicted}
    arrays |= {name: np.asarray(values, np.uint16) for name, values in given.items()}
    return metrics.Predictions(**arrays)


@pytest.mark.parametrize(
    ("labels", "predicted", "verdicts", "said"),
    [
        ([0, 1, 2, 2], [0, 1, 2, 1], ["pass", "pass", "pass"], "75.00 %"),
        ([0, 1, 2, 2], [0, 1, 2, 2], ["pass", "pass", "warn"], "every row is right"),
        ([0, 1, 2, 2], [1, 1, 1, 1], ["pass", "fail", "pass"], "class 1 is predicted for every"),
        ([1, 1, 1, 1], [1, 1, 1, 1], ["pass", "pass", "warn"], "every row is right"),
        ([0, 1, 2, 2], [0, 1, 2, 7], ["fail", "pass", "pass"], "class 7 is predicted, of 3"),
        ([0, 1, 2] * 40, [1, 2, 0] * 40, ["pass", "pass", "warn"], "less than guessing gives"),
    ],
)
def test_odd_predictions_are_seen(labels, predicted, verdicts, said: str) -> None:
    findings = look_at(rows(labels, predicted), 3)
    assert [each.verdict for each in findings] == verdicts
    assert any(said in each.detail for each in findings)


def test_the_verb_prints_a_table_and_fails_with_4(record: Path, capsys) -> None:
    assert cli.main(["check", str(record)]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("pass  schema       record/2, by")
    changed(record, lambda value: value["cost"]["training"].update(images=9))
    assert cli.main(["check", str(record)]) == 4
    out, err = capsys.readouterr()
    assert "fail  cost" in out
    assert err.startswith(f"error: 1 check failed [{record}]; ")


def test_several_files_print_what_did_not_pass(record: Path, capsys) -> None:
    good = [str(path) for path in sorted(COMMITTED.rglob("record.json"))[1:3]]
    assert cli.main(["check", *good]) == 0
    assert capsys.readouterr().out == "2 of 2 files pass\n"
    changed(record, lambda value: value["cost"]["training"].update(images=9))
    assert cli.main(["check", *good, str(record)]) == 4
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == str(record)
    assert out.splitlines()[-1] == "2 of 3 files pass" and "1 of 3 files" not in out
    assert "1 check failed" in err


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "record/9"}', "\ud800", "[" * 9999]
)
def test_files_that_are_no_record_fail(tmp_path: Path, content: str, capsys) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    assert cli.main(["check", str(path)]) == 4
    assert "fail  schema" in capsys.readouterr().out
    assert cli.main(["check", str(tmp_path / "none.json")]) == 3


def test_every_committed_record_passes() -> None:
    paths = sorted((ROOT / "leaderboards" / "records").rglob("record.json"))
    # the whole folder takes half a minute; any of them may be drawn
    chosen = paths[:: max(1, len(paths) // 25)]
    bad = {str(path): failed(check_record(path)) for path in chosen}
    assert {path: each for path, each in bad.items() if each} == {}


@pytest.mark.slow
def test_all_committed_records_pass() -> None:
    paths = sorted((ROOT / "leaderboards").rglob("record.json"))
    bad = {str(path): failed(check_record(path)) for path in paths}
    assert {path: each for path, each in bad.items() if each} == {}
