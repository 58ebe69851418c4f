"""Files of predictions: every form gives the same scores, and what does not fit is refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.publishing.given import read_given
from benchmark.publishing.given_rows import judge
from benchmark.publishing.judged import Hard, Judged, score
from benchmark.statistics.metrics import Predictions, predictions_from_logits, save_predictions
from tests.fixtures.digits import digits, guesses, softmax, write_csv

ROWS = digits()
N = len(ROWS.labels)
LOGITS = guesses(ROWS)
PROBABILITIES = softmax(LOGITS)
PREDICTED = LOGITS.argmax(1)
NAMES = list(ROWS.card.classes)


def read(path: Path, kind: str = "auto", outputs: list[int] | None = None) -> Judged:
    return judge(read_given(path, kind), ROWS, outputs, path)  # type: ignore[arg-type]


def npy(values: np.ndarray) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.save(folder / "p.npy", values)
        return folder / "p.npy"

    return write


def npz(**arrays: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        np.savez(folder / "p.npz", **arrays)  # type: ignore[arg-type]
        return folder / "p.npz"

    return write


def csv(header: list[str], *columns: object) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        rows = [list(row) for row in zip(*columns, strict=True)]  # type: ignore[call-overload]
        return write_csv(folder / "p.csv", header, rows)

    return write


TURNED = np.random.default_rng(1).permutation(N)
IDS = ROWS.table.ids
CLASSES = {
    "npy": npy(PREDICTED),
    "npy of floats": npy(PREDICTED.astype(np.float32)),
    "npz": npz(predicted=PREDICTED),
    "npz with the true classes": npz(predictions=PREDICTED, labels=ROWS.labels),
    "npz by id": npz(predicted=PREDICTED[TURNED], ids=IDS[TURNED]),
    "csv": csv(["predicted"], PREDICTED),
    "csv without a header": csv([], PREDICTED),
    "csv of names": csv(["prediction"], [NAMES[at] for at in PREDICTED]),
    "csv of floats": csv(["predicted"], PREDICTED.astype(float)),
    "csv by id": csv(["id", "predicted"], IDS[TURNED], PREDICTED[TURNED]),
    "csv by id, last": csv(["predicted", "file"], PREDICTED[TURNED], IDS[TURNED]),
}
SCORED = {
    "npy of logits": npy(LOGITS),
    "npy of probabilities": npy(PROBABILITIES),
    "npz of logits": npz(logits=LOGITS),
    "npz of probabilities": npz(probs=PROBABILITIES, targets=ROWS.labels),
    "npz of one array": npz(whatever=LOGITS),
    "npz by id": npz(probabilities=PROBABILITIES[TURNED], ids=IDS[TURNED]),
    "csv without a header": csv([], *PROBABILITIES.T),
    "csv of numbered columns": csv([str(at) for at in range(10)], *LOGITS.T),
    "csv of named columns": csv(["id", *NAMES[::-1]], IDS, *LOGITS.T[::-1]),
}


@pytest.mark.parametrize("name", CLASSES)
def test_every_form_of_classes_gives_the_same(name: str, tmp_path: Path) -> None:
    found = read(CLASSES[name](tmp_path))
    assert isinstance(found, Hard)
    assert np.array_equal(found.predicted, PREDICTED)
    assert np.array_equal(found.labels, ROWS.labels)
    scores = score(found, 10, ROWS.target.conventions)
    assert scores.calibration is None
    assert scores.accuracy == np.mean(ROWS.labels == PREDICTED)


@pytest.mark.parametrize("name", SCORED)
def test_every_form_of_scores_gives_the_same(name: str, tmp_path: Path) -> None:
    found = read(SCORED[name](tmp_path))
    expected = predictions_from_logits(LOGITS, ROWS.labels)
    assert isinstance(found, Predictions)
    assert np.array_equal(found.predicted, expected.predicted)
    assert np.allclose(found.confidence, expected.confidence, atol=1e-6)
    assert np.allclose(found.log_prob_true, expected.log_prob_true, atol=1e-4)


def test_a_probability_of_zero_counts_as_a_small_one(tmp_path: Path) -> None:
    sure = np.eye(10)[PREDICTED]
    found = read(npy(sure)(tmp_path))
    assert isinstance(found, Predictions)
    assert found.log_prob_true.min() == pytest.approx(np.log(1e-12), rel=1e-3)


def test_a_map_picks_the_columns_of_the_classes(tmp_path: Path) -> None:
    wide = np.full((N, 30), -50.0)
    wide[:, 7:27:2] = LOGITS
    found = read(npy(wide)(tmp_path), outputs=list(range(7, 27, 2)))
    assert np.array_equal(found.predicted, PREDICTED)
    mapped = read(npy(softmax(wide))(tmp_path), outputs=list(range(7, 27, 2)))
    assert isinstance(mapped, Predictions) and isinstance(found, Predictions)
    assert np.allclose(mapped.confidence, found.confidence, atol=1e-5)


def test_logits_that_look_like_probabilities_can_be_said_to_be_logits(tmp_path: Path) -> None:
    path = npy(PROBABILITIES)(tmp_path)
    found = read(path, "logits")
    assert isinstance(found, Predictions)
    assert found.confidence.max() < 0.3


SHORT, OTHERS = PREDICTED[:-1], np.roll(ROWS.labels, 1)
NAN = np.where(np.arange(N)[:, None] == 5, np.nan, LOGITS)
WRONG = [
    (npy(SHORT), DataError, r"one line for each of 1,240 rows, but got the shape \(1239,\)"),
    (npy(LOGITS[None]), DataError, r"but got the shape \(1, 1240, 10\)"),
    (npy(np.asarray(3)), DataError, r"but got the shape \(\)"),
    (npy(LOGITS[:, :9]), DataError, "a column for each of 10 classes, but got 9"),
    (npy(PREDICTED[:, None]), DataError, "a column for each of 10 classes, but got 1"),
    (npy(NAN), DataError, "NaN or infinity in row 5"),
    (npy(PREDICTED + 5), DataError, r"classes in \[0, 10\), but got 1\d in row"),
    (npy(PREDICTED - 1), DataError, r"classes in \[0, 10\), but got -1 in row"),
    (npy(PREDICTED + 0.5), DataError, r"classes in \[0, 10\), but got \d.5 in row 0"),
    (npy(np.where(PREDICTED > 8, np.nan, PREDICTED)), DataError, "but got nan in row"),
    (npy(PREDICTED.astype(complex)), DataError, "Expected class numbers, but got complex128"),
    (npy(LOGITS.astype(str)), DataError, "Expected numbers, but got"),
    (npz(predicted=PREDICTED, labels=OTHERS), DataError, "the file holds others"),
    (npz(predicted=PREDICTED, labels=SHORT), DataError, "Expected 1,240 true classes"),
    (npz(predicted=PREDICTED, logits=LOGITS), IntegrityError, "the arrays logits, predicted"),
    (npz(a=PREDICTED, b=PREDICTED), IntegrityError, "where one of predicted, .* is expected"),
    (npz(), IntegrityError, r"the arrays \(none\)"),
    (npz(predicted=PREDICTED, ids=IDS[TURNED][:3]), DataError, "Expected the ids"),
    (npz(predicted=PREDICTED, ids=["x", *IDS[1:]]), DataError, "but got 'x', which is none"),
    (npz(probabilities=LOGITS), DataError, r"values outside \[0, 1\]"),
    (csv(["predicted", "score"], PREDICTED, PREDICTED), IntegrityError, "the columns predicted, s"),
    (csv(["score"], PREDICTED), IntegrityError, "the columns score, where id and predicted"),
    (csv(["id"], IDS), IntegrityError, "the columns id, where"),
    (csv(["predicted"], [*["sevn"] * N]), DataError, "'sevn' in row 0 .*did you mean seven"),
    (csv(["id", "predicted"], [IDS[0]] * N, PREDICTED), DataError, "but got no 'digit-"),
    (csv(["a", "b"], PREDICTED, ["x"] * N), IntegrityError, "no number in line 2"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "kind", "said"), WRONG)
def test_what_does_not_fit_is_refused(
    write: Callable[[Path], Path], kind: type[BenchError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=said) as caught:
        read(write(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_map_is_for_scores_alone(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Expected no map for predicted classes"):
        read(npy(PREDICTED)(tmp_path), outputs=list(range(10)))
    with pytest.raises(DataError, match="Expected at least 21 columns, but got 10"):
        read(npy(LOGITS)(tmp_path), outputs=list(range(11, 21)))


def test_the_kind_that_is_said_must_fit_the_shape(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Expected labels, but got the shape \(1240, 10\)"):
        read(npy(LOGITS)(tmp_path), "labels")
    with pytest.raises(DataError, match=r"Expected logits, but got the shape \(1240,\)"):
        read(npy(PREDICTED)(tmp_path), "logits")


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Expected a file of predictions \(.npz, .npy, .csv\)"):
        read_given(tmp_path / "a.pkl")
    with pytest.raises(DataError, match="but got none"):
        read_given(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no line"),
        (b"predicted\n", "a header alone"),
        (b"predicted\n1,2\n", "2 cells in line 2, where the first has 1"),
        (b"\xff\xfe\x00", "no table"),
        (b"a,b\n1,\x002\n", "no (table|number)"),
        (b'a,b\n"1,2\n', "no table"),
    ],
)
def test_damaged_tables_are_one_line(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=said) as caught:
        read_given(path)
    assert "\n" not in str(caught.value)


def test_predictions_that_a_run_kept_are_taken_as_they_are(tmp_path: Path) -> None:
    kept = predictions_from_logits(LOGITS, ROWS.labels)
    save_predictions(tmp_path / "preds.npz", kept)
    found = read(tmp_path / "preds.npz")
    assert isinstance(found, Predictions)
    assert all(np.array_equal(value, getattr(kept, name)) for name, value in vars(found).items())


def test_predictions_that_a_run_kept_of_other_rows_are_refused(tmp_path: Path) -> None:
    save_predictions(tmp_path / "preds.npz", predictions_from_logits(LOGITS, OTHERS))
    with pytest.raises(DataError, match="Expected the true classes of the test set"):
        read(tmp_path / "preds.npz")
    wide = predictions_from_logits(
        np.pad(LOGITS, ((0, 0), (0, 5)), constant_values=20), ROWS.labels
    )
    save_predictions(tmp_path / "preds.npz", wide)
    with pytest.raises(DataError, match=r"classes in \[0, 10\), but got 10"):
        read(tmp_path / "preds.npz")
