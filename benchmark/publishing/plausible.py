"""Signs that predictions are not what they should be; no torch."""

import hashlib

import numpy as np

from benchmark.publishing.findings import Finding, judged, warned
from benchmark.publishing.judged import Judged


def look_at(judged_rows: Judged, n_classes: int) -> list[Finding]:
    """Constant, impossible or too good predictions.

    Args:
        judged_rows: at least one row.
        n_classes: of the data set.
    """
    predicted, labels = judged_rows.predicted, judged_rows.labels
    share = float(np.mean(predicted == labels))
    return [
        judged("range", _range(judged_rows, n_classes), f"classes in [0, {n_classes})"),
        judged("variety", _variety(judged_rows), f"{len(np.unique(predicted))} classes predicted"),
        warned("accuracy", _accuracy(share, n_classes, len(labels)), f"{100 * share:.2f} %"),
    ]


def _range(rows: Judged, n_classes: int) -> list[str]:
    highest = int(rows.predicted.max(initial=0))
    return [f"class {highest} is predicted, of {n_classes}"] if highest >= n_classes else []


def _variety(rows: Judged) -> list[str]:
    seen, true = np.unique(rows.predicted), np.unique(rows.labels)
    if len(seen) > 1 or len(true) == 1:
        return []
    return [f"class {int(seen[0])} is predicted for every row"]


def _accuracy(share: float, n_classes: int, n: int) -> str | None:
    if share == 1:
        return "every row is right"
    # three standard deviations of guessing
    chance = 1 / n_classes
    low = chance - 3 * (chance * (1 - chance) / n) ** 0.5
    return f"{100 * share:.2f} % is less than guessing gives" if share < low else None


def predicted_hash(rows: Judged) -> str:
    """SHA-256 of the predicted classes in row order, as 64 hex digits."""
    return hashlib.sha256(rows.predicted.astype("<u2").tobytes()).hexdigest()
