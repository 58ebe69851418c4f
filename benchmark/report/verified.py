"""Which records can be trusted to say what their predictions say, found out while reading them."""

from collections.abc import Iterable
from pathlib import Path

from benchmark.errors import IntegrityError
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.statistics import metrics
from benchmark.system.files import sha256_file

Run = tuple[str, int]


def recomputed(found: Iterable[tuple[Path, Record]]) -> frozenset[Run]:
    """The runs whose every metric was recomputed from the predictions beside the record.

    Args:
        found: records with their paths; one without predictions at hand is left out.

    Returns:
        Experiment hash and seed of each.

    Raises:
        IntegrityError: predictions are broken, altered, or give other metrics than the record.
    """
    return frozenset(
        (record.experiment.hash, record.seed)
        for path, record in found
        if _agrees(record, path.parent / record.predictions.file)
    )


def _agrees(record: Record, file: Path) -> bool:
    """Whether there are predictions; that they are the record's is insisted on."""
    if not file.is_file():
        return False
    if sha256_file(file) != record.predictions.sha256:
        raise _contradicted(file, "Expected the predictions that the record names, but got others")
    faults = records.recompute(record, metrics.load_predictions(file))
    if faults:
        raise _contradicted(file, f"Expected the record's own metrics, but got {faults[0]}")
    return True


def _contradicted(file: Path, problem: str) -> IntegrityError:
    todo = "restore both files; python -m benchmark check records lists all faults"
    return IntegrityError(problem, where=file, todo=todo)
