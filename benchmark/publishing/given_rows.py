"""Predictions of others held against the rows: what does not fit is refused with its place.

No torch; nothing is guessed that a wrong order of rows or classes could hide behind.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import DataError, UsageError, nearest
from benchmark.publishing.given import Given, Values
from benchmark.publishing.judged import Hard, Judged
from benchmark.publishing.target import Scored
from benchmark.statistics.metrics import predictions_from_logits

# a probability of zero has no logarithm
SMALLEST = 1e-12


def judge(given: Given, scored: Scored, outputs: Sequence[int] | None, where: Path) -> Judged:
    """Hold a file against the rows, in their order.

    Args:
        given: what the file holds.
        scored: the rows.
        outputs: the column of each class, where the columns are not the classes.
        where: printed in errors.

    Raises:
        DataError: another number of rows or classes, unknown ids, values that are no classes or
            no numbers, or other true classes.
    """
    order = _order(given, scored, where)
    if given.truth is not None:
        _check_truth(np.asarray(given.truth)[order], scored, where)
    if given.kept is not None:
        _classes(given.values, scored, where)
        return given.kept
    values = given.values[order]
    kind = _kind(given, outputs, where)
    if kind == "labels":
        return Hard(scored.labels.astype(np.uint16), _classes(values, scored, where))
    columns = _columns(given, scored) if outputs is None else list(outputs)
    scores = _scores(values, columns, scored, where)
    if kind == "probabilities":
        scores = _log(scores, where)
    return predictions_from_logits(scores, scored.labels)


def _kind(given: Given, outputs: Sequence[int] | None, where: Path) -> Values:
    """How the values are read: as said, else by their shape and sums."""
    flat = given.values.ndim == 1
    kind = given.kind
    if kind == "auto":
        kind = "labels" if flat else "probabilities" if _sums_to_one(given.values) else "logits"
    if (kind == "labels") != flat:
        raise DataError(
            f"Expected {kind}, but got the shape {given.values.shape}",
            where=where,
            todo="classes are (n,), probabilities and logits are (n, classes)",
        )
    if flat and outputs is not None:
        raise UsageError(
            "Expected no map for predicted classes, but got one",
            where="map",
            todo="write the data set's own class numbers",
        )
    return kind


def _sums_to_one(values: NDArray[Any]) -> bool:
    if values.dtype.kind not in "iuf":
        return False
    inside = ((values >= 0) & (values <= 1)).all()
    return bool(inside and np.allclose(values.sum(axis=1), 1, atol=1e-3))


def _order(given: Given, scored: Scored, where: Path) -> NDArray[np.int64]:
    """The place in the file of each row."""
    n, rows = len(scored.labels), len(given.values) if given.values.ndim else 0
    if given.values.ndim not in (1, 2) or rows != n:
        raise DataError(
            f"Expected one line for each of {n:,} rows, but got the shape {given.values.shape}",
            where=where,
            todo=f"predict the test set of {scored.target.name} at seed {scored.target.seed}",
        )
    if given.truth is not None and np.shape(given.truth) != (n,):
        raise DataError(f"Expected {n:,} true classes, but got others", where=where)
    if given.ids is None:
        return np.arange(n)
    return _by_id(given.ids, scored, where)


def _by_id(ids: NDArray[np.str_], scored: Scored, where: Path) -> NDArray[np.int64]:
    places = {str(name): at for at, name in enumerate(ids)}
    wanted = [str(name) for name in scored.table.ids]
    strange = sorted(places.keys() - set(wanted))
    missing = sorted(set(wanted) - places.keys())
    if strange or missing:
        one = f"'{strange[0]}', which is none of them" if strange else f"no '{missing[0]}'"
        raise DataError(
            f"Expected the ids of the test rows, such as '{wanted[0]}', but got {one}",
            where=where,
            todo="leave ids out where rows are in the test set's order",
        )
    if len(places) != len(ids):
        raise DataError("Expected each id once, but got one twice", where=where)
    return np.asarray([places[name] for name in wanted])


def _check_truth(truth: NDArray[Any], scored: Scored, where: Path) -> None:
    if not np.issubdtype(truth.dtype, np.number) or not np.array_equal(truth, scored.labels):
        raise DataError(
            "Expected the true classes of the test set, but the file holds others",
            where=where,
            todo=f"another order, split or seed? Predict {scored.target.name} at seed "
            f"{scored.target.seed}, or leave the true classes out",
        )


def _classes(values: NDArray[Any], scored: Scored, where: Path) -> NDArray[np.uint16]:
    """Predicted classes as numbers, whether the file holds numbers or names."""
    if values.dtype.kind in "US":
        values = _named(values.astype(str), scored, where)
    if values.dtype.kind not in "iuf":
        raise DataError(f"Expected class numbers, but got {values.dtype}", where=where)
    n = scored.card.n_classes
    with np.errstate(invalid="ignore"):
        good = np.isfinite(values) & (values >= 0) & (values < n) & (values == np.floor(values))
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        raise DataError(
            f"Expected classes in [0, {n}), but got {values[row]} in row {row}", where=where
        )
    return values.astype(np.uint16)


def _named(values: NDArray[np.str_], scored: Scored, where: Path) -> NDArray[np.int64]:
    known = _known(scored)
    # tables of numbers write whole ones as 3.0
    values = np.asarray([name.removesuffix(".0") for name in values])
    for row, name in enumerate(values):
        if name not in known:
            close = nearest(name, scored.card.classes)
            hint = f"did you mean {' or '.join(close)}?" if close else "use class numbers"
            problem = f"Expected a class, but got '{name}' in row {row}"
            raise DataError(problem, where=where, todo=hint)
    return np.asarray([known[name] for name in values])


def _known(scored: Scored) -> dict[str, int]:
    """Numbers, ids and names of the classes, as text; of two meanings the number wins."""
    card = scored.card
    found = {name: at for names in (card.class_ids, card.classes) for at, name in enumerate(names)}
    return found | {str(at): at for at in range(card.n_classes)}


def _columns(given: Given, scored: Scored) -> list[int] | None:
    """The column of each class, where the file names its columns after classes."""
    known = _known(scored)
    if given.columns is None or not set(given.columns) <= known.keys():
        return None
    places = {known[name]: at for at, name in enumerate(given.columns)}
    n = scored.card.n_classes
    return [places[label] for label in range(n)] if len(places) == n else None


def _scores(
    values: NDArray[Any], columns: Sequence[int] | None, scored: Scored, where: Path
) -> NDArray[np.float64]:
    n, wide = scored.card.n_classes, values.shape[1]
    if values.dtype.kind not in "iuf":
        raise DataError(f"Expected numbers, but got {values.dtype}", where=where)
    if columns is None and wide != n:
        raise DataError(
            f"Expected a column for each of {n} classes, but got {wide}",
            where=where,
            todo="map=FILE names the column of each class",
        )
    if columns is not None and max(columns) >= wide:
        raise DataError(
            f"Expected at least {max(columns) + 1} columns, but got {wide}", where=where
        )
    picked = values if columns is None else values[:, list(columns)]
    scores = picked.astype(np.float64)
    if not np.isfinite(scores).all():
        row = int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])
        problem = f"Expected finite numbers, but got NaN or infinity in row {row}"
        raise DataError(problem, where=where, todo="predict again")
    return scores


def _log(scores: NDArray[np.float64], where: Path) -> NDArray[np.float64]:
    """Logits of probabilities; zero counts as ``SMALLEST``, and what is mapped out is shared."""
    if scores.min() < 0 or scores.max() > 1 + 1e-6 or not scores.sum(axis=1).all():
        raise DataError(
            "Expected probabilities, but got values outside [0, 1] or a row without any",
            where=where,
            todo="values=logits reads them as logits",
        )
    return np.log(np.maximum(scores, SMALLEST))
