"""A finished run packed for publishing: weights, configuration, model card, record, predictions.

Nothing is uploaded. What was written is read again and scored, where the data set is at hand.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.boards.text import slug
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.publishing.card import render_card
from benchmark.publishing.evaluating import EvaluateConfig, evaluate_folder
from benchmark.publishing.findings import failed
from benchmark.publishing.network import read_network
from benchmark.publishing.record_checks import check_record
from benchmark.recording import records
from benchmark.recording.blueprint import Blueprint
from benchmark.recording.record_models import Record
from benchmark.recording.weights_file import EXPORTED, find_weights
from benchmark.statistics import metrics
from benchmark.statistics.metrics import Predictions
from benchmark.system.files import layout_json, write_bytes, write_text

EXPORTS = Path("exports")
CONFIG, CARD, RECORD = "config.json", "README.md", "record.json"
# a probability may move by so much where the machine that scores is another one
TOLERANCE = 1e-3
_ABSOLUTE = re.compile(r"(?<![\w:/.])(?:/(?:home|Users|root|mnt|data|tmp|work|scratch|opt|var)/"
                       r"[^\s\"',\]}]+|[A-Za-z]:\\[^\s\"',\]}]+)")  # fmt: skip


@dataclass(frozen=True)
class ExportReport:
    """What an export came to.

    Attributes:
        folder: where it is.
        files: what is in it, in order of writing.
        verified: what scoring it again gave, or why that was not possible.
    """

    folder: Path
    files: tuple[Path, ...]
    verified: str


def export(run: Path, target: Path | None, licence: str | None = None) -> ExportReport:
    """Pack a finished run.

    Args:
        run: its folder.
        target: a new or empty folder; by default one below ``exports``.
        licence: identifier of the hub for the weights' licence, such as "mit"; None is "other".

    Raises:
        DataError: the run is not finished, or kept no weights.
        IntegrityError: a file is damaged, or the export does not score as the record says.
        UsageError: the folder is not empty, or the record names a path of this machine.
        StorageError: the disk is full or the folder cannot be written.
    """
    record = _finished(run)
    weights = find_weights(run)
    plan = read_network(weights)[1]
    folder = target or EXPORTS / _name(record)
    _check_new(folder)
    texts = _texts(record, plan, (run / RECORD).read_text(encoding="utf-8"), licence)
    _check_paths(texts)
    binaries = {EXPORTED: weights, record.predictions.file: run / record.predictions.file}
    for name, source in binaries.items():
        write_bytes(folder / name, source.read_bytes())
    for name, content in texts.items():
        write_text(folder / name, content)
    files = tuple(folder / name for name in (*binaries, *texts))
    return ExportReport(folder, files, _verify(folder, record))


def _finished(run: Path) -> Record:
    """The record of a run, with everything that can be checked of it."""
    path = run / RECORD
    if not path.is_file():
        raise DataError(
            "Expected a finished run, but got no record",
            where=run,
            todo="python -m benchmark status lists finished runs",
        )
    wrong = failed(check_record(path))
    if wrong:
        raise IntegrityError(
            f"Expected a sound record, but {wrong[0].item}: {wrong[0].detail}",
            where=path,
            todo=f"see: python -m benchmark check {path}",
        )
    return records.load(path)


def _name(record: Record) -> str:
    """Data set, method, experiment and seed."""
    label = slug(record.experiment.label)
    return f"{slug(record.dataset.name)}-{label}-{record.experiment.hash}-s{record.seed}"


def _check_new(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "Expected a new or empty folder, but got one with files",
            where=folder,
            todo="name another one with --to, or delete it",
        )


def _texts(record: Record, plan: Blueprint, text: str, licence: str | None) -> dict[str, str]:
    return {
        CONFIG: layout_json(config_of(plan)) + "\n",
        CARD: render_card(record, plan, licence),
        # the record goes last: it marks the folder as whole
        RECORD: text,
    }


def config_of(plan: Blueprint) -> dict[str, object]:
    """The hub's ``config.json``: names of the classes, then the blueprint."""
    names = dict(enumerate(plan.classes))
    return {
        "id2label": {str(at): name for at, name in names.items()},
        "label2id": {name: at for at, name in names.items()},
        "num_classes": len(names),
        **json.loads(plan.model_dump_json(by_alias=True)),
    }


def _check_paths(texts: dict[str, str]) -> None:
    """Refuse folders of this machine, which are nobody's business and help nobody."""
    own = [str(path) for path in (Path.home(), Path.cwd()) if len(path.parts) > 1]
    for name, content in texts.items():
        found = _ABSOLUTE.search(content)
        leak = found[0] if found else next((path for path in own if path in content), None)
        if leak:
            raise UsageError(
                f"Expected no path of this machine, but {name} would hold {leak}",
                where="export",
                todo="run with a name or a relative path in its place, and export that run",
            )


def _verify(folder: Path, record: Record) -> str:
    """Score the export; what agreed, or why it could not be scored.

    Raises:
        IntegrityError: it does not say what the record's predictions say.
    """
    try:
        _, again = evaluate_folder(folder, EvaluateConfig())
    except DataError as error:
        return f"not scored again: {error.problem}"
    assert isinstance(again, Predictions)
    kept = metrics.load_predictions(folder / record.predictions.file)
    problem, seen = compare(kept, again)
    if problem:
        raise IntegrityError(
            f"Expected the export to say what the record says, but {problem}",
            where=folder,
            todo="do not publish it; run again with on_existing=rerun",
        )
    return seen


def compare(kept: Predictions, again: Predictions) -> tuple[str | None, str]:
    """Whether two sets of predictions are of one network: a problem or None, and what was seen.

    Another machine may round otherwise, so a class may change where two are as likely.
    """
    if not np.array_equal(kept.labels, again.labels):
        return "the rows are others", ""
    moved = float(np.abs(kept.confidence.astype(float) - again.confidence).max())
    differing = int((kept.predicted != again.predicted).sum())
    if moved > TOLERANCE:
        return f"a probability moved by {moved:.2g} and {differing:,} classes changed", ""
    same = len(kept.labels) - differing
    exact = "bit by bit" if moved == 0 and not differing else f"probabilities within {moved:.1g}"
    return None, f"{same:,} of {len(kept.labels):,} predictions as in the record, {exact}"
