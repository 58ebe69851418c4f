"""Files of predictions that others wrote: classes, probabilities or logits, row by row; no torch.

Nothing in a file is executed. ``given_rows`` holds what was read against the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.publishing.given_csv import read_table
from benchmark.statistics.metrics import Predictions, load_predictions
from benchmark.system.arrays import Arrays, BadArrays, read_npy, read_npz

Values = Literal["auto", "labels", "probabilities", "logits"]
SUFFIXES = (".npz", ".npy", ".csv")
# the names under which files hold them, and how they are read
NAMES: dict[str, Values] = {
    "predicted": "labels",
    "predictions": "labels",
    "probabilities": "probabilities",
    "probs": "probabilities",
    "logits": "logits",
}
TRUTH, IDS = ("labels", "targets"), ("ids", "id")
_KEPT = {"labels", "predicted", "confidence", "log_prob_true", "sum_sq_prob"}


@dataclass(frozen=True, eq=False)
class Given:
    """What a file holds, before it is held against the rows.

    Attributes:
        values: classes (n,) as numbers or names, or scores (n, columns).
        kind: how they are to be read.
        columns: names of the columns of scores, where the file names them.
        ids: of the rows, str (n,); None where the order is that of the test set.
        truth: true classes (n,), where the file holds them.
        kept: what a run or an evaluation of the suite kept, which needs no reading of columns.
    """

    values: NDArray[Any]
    kind: Values
    columns: tuple[str, ...] | None = None
    ids: NDArray[np.str_] | None = None
    truth: NDArray[Any] | None = None
    kept: Predictions | None = None


def read_given(path: Path, kind: Values = "auto") -> Given:
    """Read a file of predictions.

    Args:
        path: a .npz, .npy or .csv file.
        kind: what the values are; "auto" goes by names, shapes and sums.

    Raises:
        DataError: there is no such file.
        UsageError: another kind of file.
        IntegrityError: a damaged file, or one whose content cannot be meant.
    """
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"Expected a file of predictions ({', '.join(SUFFIXES)}), but got '{path.name}'",
            where="predictions",
            todo="write classes (n,) or probabilities (n, classes) to one of these",
        )
    if not path.is_file():
        raise DataError("Expected a file of predictions, but got none", where=path)
    try:
        found = _READERS[path.suffix](path)
    except BadArrays as error:
        raise IntegrityError(
            f"Expected a readable {path.suffix} file, but got {error}",
            where=path,
            todo="write it again, as plain numbers",
        ) from error
    return found if kind == "auto" else Given(**vars(found) | {"kind": kind})


def _read_npy(path: Path) -> Given:
    return Given(read_npy(path), "auto")


def _read_csv(path: Path) -> Given:
    found = read_table(path)
    return Given(found.values, "auto", found.columns, found.ids)


def _read_npz(path: Path) -> Given:
    arrays = read_npz(path)
    named = [name for name in NAMES if name in arrays]
    if set(arrays) == _KEPT:
        kept = load_predictions(path)
        return Given(kept.predicted, "labels", truth=kept.labels, kept=kept)
    if not named and len(arrays) == 1:
        (values,) = arrays.values()
        return Given(values, "auto")
    if len(named) != 1:
        raise BadArrays(
            f"the arrays {', '.join(sorted(arrays)) or '(none)'}, where one of "
            f"{', '.join(NAMES)} is expected, beside ids and labels"
        )
    ids = _first(arrays, IDS)
    return Given(
        values=arrays[named[0]],
        kind=NAMES[named[0]],
        ids=None if ids is None else ids.astype(str),
        truth=_first(arrays, TRUTH),
    )


def _first(arrays: Arrays, names: Sequence[str]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


_READERS = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv}
