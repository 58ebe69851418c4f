"""Predictions: of runs, of evaluations, and files that others give."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.cards import Card
from benchmark.data.groups import LT20
from benchmark.data.rows import Images, ImageTable
from benchmark.errors import BenchError
from benchmark.publishing import given
from benchmark.publishing.given_rows import judge
from benchmark.publishing.judged import Hard, load_judged, score
from benchmark.publishing.output_map import read_map
from benchmark.publishing.target import Scored, labels_hash
from benchmark.publishing.target import Target as Rows
from benchmark.statistics import metrics
from benchmark.system.arrays import npz_bytes
from tests.fixtures.records import make_predictions
from tests.fuzz.kit import Target, file

CLASSES = ("cat", "fire truck", "3", "none")
LABELS = np.repeat(np.arange(4), 3)
CARD = Card(
    name="toy", title="Toy", classes=CLASSES, class_ids=("n1", "n2", "n3", "n4"),
    counts=(9, 5, 2, 1), image_size=8, colour="RGB", mean=(0.5, 0.5, 0.5), std=(0.2, 0.2, 0.2),
    conventions=(LT20,), protocol=1, licence="", url="", citation="", n_test_per_class=3,
    split_rule="", design="independent",
)  # fmt: skip
_SPLIT = {"rule": "r", "replicate": 0, "rule_hash": "a", "rows_hash": "b", "source_hash": "c"}
SCORED = Scored(
    Rows.model_validate(
        {
            "name": "toy", "config": {"kind": "toy"}, "rows": "test", "protocol": 1, "seed": 0,
            "n": 12, "classes": CLASSES, "counts_real": CARD.counts, "conventions": CARD.groups,
            "design": "independent", "split": _SPLIT, "labels_sha256": labels_hash(LABELS),
        }
    ),
    CARD,
    ImageTable(
        Images(np.zeros((12, 8, 8, 3), np.uint8)), LABELS,
        np.asarray([f"test/{row:02d}" for row in range(12)]),
    ),
)  # fmt: skip


def hard() -> Hard:
    """Predicted classes of the toy rows, half of them right."""
    return Hard(LABELS.astype(np.uint16), (LABELS * np.arange(12) % 2).astype(np.uint16))


def predictions(data: bytes) -> None:
    """The predictions of a run, and every metric of them."""
    found = metrics.load_predictions(file("preds.npz", data))
    metrics.compute(found, 4, {"lt20": ("many", "medium", "few", "few")})


def judged(data: bytes) -> None:
    """The predictions of an evaluation, and every metric of them."""
    score(load_judged(file("judged.npz", data)), 4, {"lt20": ("many", "medium", "few", "few")})


def _given(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path, refusals = file(f"given{suffix}", data), []
        for kind in ("auto", "labels", "probabilities", "logits"):
            try:
                found = judge(given.read_given(path, kind), SCORED, None, path)  # type: ignore[arg-type]
                score(found, 4, CARD.groups)
            except BenchError as error:
                refusals.append(error)
        if len(refusals) == 4:
            raise refusals[0]

    return read


def outputs(data: bytes) -> None:
    read_map(str(file("map.txt", data)), CARD)


def _predictions() -> list[bytes]:
    path = Path(file("seed.npz", b""))
    metrics.save_predictions(path, make_predictions((2, 1, 1, 0), 3))
    return [path.read_bytes()]


def _judged() -> list[bytes]:
    found = hard()
    return [npz_bytes({"labels": found.labels, "predicted": found.predicted}), *_predictions()]


def _scores() -> Any:
    return np.eye(4)[LABELS] * 0.7 + 0.075


def _npz() -> list[bytes]:
    ids = np.asarray(SCORED.table.ids)
    return [
        npz_bytes({"logits": _scores() * 9 - 3, "ids": ids}),
        npz_bytes({"probabilities": _scores(), "labels": LABELS}),
        npz_bytes({"predicted": LABELS.astype(np.uint16)}),
        *_predictions(),
    ]


def _npy() -> list[bytes]:
    found = []
    for values in (_scores(), LABELS, np.asarray([CLASSES[label] for label in LABELS])):
        buffer = io.BytesIO()
        np.save(buffer, values)
        found.append(buffer.getvalue())
    return found


def _csv() -> list[bytes]:
    rows = [",".join(map(str, row)) for row in _scores()]
    named = [
        f"{name},{CLASSES[label]}" for name, label in zip(SCORED.table.ids, LABELS, strict=True)
    ]
    return [
        "\n".join([",".join(CLASSES), *rows]).encode(),
        "\n".join(["id,predicted", *named]).encode(),
        "\n".join(map(str, LABELS)).encode(),
    ]


TARGETS = (
    Target("predictions", "zip", predictions, _predictions, ("zipfile", "numpy.lib._format_impl")),
    Target("judged", "zip", judged, _judged),
    Target("given_npz", "zip", _given(".npz"), _npz, ("zipfile", "numpy.lib._format_impl")),
    Target("given_npy", "npy", _given(".npy"), _npy, ("numpy.lib._format_impl",)),
    Target("given_csv", "text", _given(".csv"), _csv),
    Target("output_map", "text", outputs, lambda: [b"3\n2\n1\n0\n", b"[0, 1, 2, 3]"]),
)
