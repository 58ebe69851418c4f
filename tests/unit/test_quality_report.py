"""The report: matched classes, files, the table, and a pool checked from end to end."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.groups import Group
from benchmark.data.sets.digits import read_digits
from benchmark.errors import DataError, UsageError
from benchmark.generation.quality import report as reports
from benchmark.generation.quality.compare import compare, matched
from benchmark.generation.quality.features import Pixels
from benchmark.generation.quality.report import Labelled, QualityReport, check, write
from benchmark.generation.quality.training import TrainSettings, train_extractor
from benchmark.system.files import read_json

GROUPS: tuple[Group, ...] = ("many",) * 4 + ("medium",) * 6
# in their own order, rows far apart were written by different people
ORDER = np.random.default_rng(0).permutation(1797)
IMAGES, LABELS = (values[ORDER] for values in read_digits())


def rows(first: int, last: int) -> Labelled:
    return Labelled(IMAGES[first:last], LABELS[first:last])


@pytest.fixture(scope="module")
def report() -> QualityReport:
    pool = rows(400, 700)
    leaked = Labelled(
        np.concatenate([pool.images, IMAGES[1000:1002], IMAGES[5:6], pool.images[:1]]),
        np.concatenate([pool.labels, LABELS[1000:1002], LABELS[5:6], pool.labels[:1]]),
    )
    trained = train_extractor(IMAGES[:400], LABELS[:400], 10, TrainSettings(steps=60))
    return check(
        leaked,
        rows(0, 400),
        IMAGES[1000:1400],
        n_classes=10,
        groups=GROUPS,
        real=rows(700, 1000),
        extractor=trained,
    )


def test_report_finds_what_was_planted(report: QualityReport) -> None:
    assert report.images == 304
    test = {match.candidate: match.reference for match in report.test_copies}
    train = {match.candidate: match.reference for match in report.train_copies}
    assert (test[300], test[301], train[302]) == (0, 1, 5)
    assert report.duplicates.identical == 1
    assert any({0, 303} <= set(group) for group in report.duplicates.groups)


def test_report_scores_real_digits_as_real(report: QualityReport) -> None:
    assert list(report.sets) == ["all", "many", "medium"]
    whole = report.sets["all"]
    assert whole.kid is not None and whole.prdc is not None and whole.probe_auc is not None
    assert whole.images > 250 and abs(whole.probe_auc - 0.5) < 0.15
    assert whole.prdc.precision > 0.8 and whole.prdc.coverage > 0.7
    assert report.agreement is not None and report.agreement.all is not None
    assert report.agreement.all > 0.6 and len(report.agreement.classes) == 10
    many = [value for value in report.agreement.classes[:4] if value is not None]
    assert report.agreement.groups["many"] == pytest.approx(np.mean(many))


def test_files_hold_the_report(report: QualityReport, tmp_path: Path) -> None:
    text = write(report, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quality.json", "quality.txt"]
    assert (tmp_path / "quality.txt").read_text() == text
    stored = read_json(tmp_path / "quality.json")
    assert stored["extractor_hash"] == report.extractor_hash
    assert stored["sets"]["all"]["prdc"] == dataclasses.asdict(report.sets["all"].prdc)  # type: ignore[arg-type]
    assert stored["test_copies"][0].keys() == vars(report.test_copies[0]).keys()


def test_table_fits_a_terminal(report: QualityReport) -> None:
    long = dataclasses.replace(report, extractor="a name of many words " * 9)
    text = reports.table(long)
    assert max(len(line) for line in text.splitlines()) <= 80
    assert f"copies of test images      {len(report.test_copies):>6}" in text
    lines = {line[:27].strip(): line[27:].split() for line in text.splitlines()}
    assert lines["precision"] == [
        f"{each.prdc.precision:.3f}" for each in report.sets.values() if each.prdc
    ]


def test_scores_of_small_groups_are_absent() -> None:
    found = check(
        rows(400, 440), rows(0, 100), IMAGES[1000:1100], n_classes=10, groups=GROUPS,
        extractor=Pixels(),
    )  # fmt: skip
    assert found.agreement is None
    assert found.sets["many"].images < found.minimum == 50
    assert (found.sets["all"].kid, found.sets["all"].prdc, found.sets["all"].probe_auc) == (
        (None,) * 3
    )
    text = reports.table(found)
    assert "label agreement" not in text
    assert "(-: fewer than 50 images of matching classes on a side)" in text
    assert next(line for line in text.splitlines() if line.startswith("KID")).split()[1:] == [
        "-", "-", "-",
    ]  # fmt: skip


def test_without_groups_there_is_one_column() -> None:
    found = check(rows(400, 500), rows(0, 60), IMAGES[900:960], n_classes=10, extractor=Pixels())
    assert list(found.sets) == ["all"] and found.diversity.groups == {}


def test_reports_repeat() -> None:
    settings = {"n_classes": 10, "groups": GROUPS, "extractor": Pixels(), "seed": 3}
    first, again = (check(rows(400, 520), rows(0, 200), IMAGES[900:960], **settings) for _ in "ab")  # type: ignore[arg-type]
    assert first == again


def test_matched_rows_have_one_mix_of_classes() -> None:
    real, synthetic = np.repeat([0, 1, 2], [50, 10, 3]), np.repeat([0, 1, 3], [5, 40, 8])
    left, right = matched(real, synthetic, np.random.default_rng(0))
    assert np.bincount(real[left]).tolist() == np.bincount(synthetic[right]).tolist() == [5, 10]
    assert len(set(left)) == 15 and len(set(right)) == 15


def test_a_different_mix_of_classes_is_no_distance() -> None:
    draw = np.random.default_rng(0)
    labels = np.repeat([0, 1], [400, 100]), np.repeat([0, 1], [100, 400])
    sets = [(20 * each[:, None] + draw.normal(size=(500, 4)), each) for each in labels]
    found = compare(sets[0], sets[1], None, 0)["all"]
    assert found.images == 200 and found.probe_auc == pytest.approx(0.5, abs=0.1)
    assert found.kid is not None and found.kid.low < 0 < found.kid.high


def test_messages() -> None:
    with pytest.raises(DataError, match="pool of at least one image, but got none"):
        check(rows(0, 0), rows(0, 60), IMAGES[:9], n_classes=10)
    with pytest.raises(DataError, match=r"labels in \[0, 5\), but got 0 to 9"):
        check(rows(0, 50), rows(0, 60), IMAGES[:9], n_classes=5)
    with pytest.raises(DataError, match="one label an image, but got 4 images and 3 labels"):
        Labelled(IMAGES[:4], LABELS[:3])
    with pytest.raises(UsageError, match="rate in"):
        check(rows(0, 50), rows(0, 60), IMAGES[:9], n_classes=10, extractor=Pixels(), rate=2)
