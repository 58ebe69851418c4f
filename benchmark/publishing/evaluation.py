"""An evaluation, "evaluation/1": what was scored, on which rows, and what came of it; no torch."""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field

from benchmark import __version__
from benchmark.boards import text
from benchmark.publishing.block_files import dumps, load_model
from benchmark.publishing.judged import Judged, Scores, save_judged
from benchmark.publishing.target import Target
from benchmark.recording.record_models import Block, Name, PositiveCount, PredictionFile, Sha256
from benchmark.statistics.metrics import GROUPS
from benchmark.system.files import sha256_file, write_text
from benchmark.vocabulary.listing import table

SCHEMA = "evaluation/1"
FILE, PREDICTIONS = "evaluation.json", "preds.npz"
Kind = Literal["run", "checkpoint", "pretrained", "predictions"]


class Subject(Block):
    """What was scored.

    Attributes:
        kind: a run of the suite, a checkpoint, weights of the hub, or a file of predictions.
        name: of the file, the model or the run; never a path.
        sha256: of the file.
        model: the network, where one was evaluated.
        parameters: of that network.
        preprocessing: mean, std, size and interpolation, where images were shown to a network.
        experiment: hash of a run's experiment.
    """

    kind: Kind
    name: Name
    sha256: Sha256 | None = None
    model: str | None = None
    parameters: PositiveCount | None = None
    preprocessing: str | None = None
    experiment: str | None = None


class Evaluation(Block):
    """One subject on one target."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, validate_by_name=True
    )

    schema_version: Literal["evaluation/1"] = Field(default="evaluation/1", alias="schema")
    bench: Name = __version__
    target: Target
    subject: Subject
    scores: Scores
    predictions: PredictionFile


def save(folder: Path, evaluation: Evaluation, judged: Judged) -> list[Path]:
    """Write ``evaluation.json`` and ``preds.npz``; returns their paths.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    save_judged(folder / PREDICTIONS, judged)
    stated = PredictionFile(file=PREDICTIONS, sha256=sha256_file(folder / PREDICTIONS))
    value = evaluation.model_copy(update={"predictions": stated})
    write_text(folder / FILE, dumps(value))
    return [folder / FILE, folder / PREDICTIONS]


def load(folder: Path) -> Evaluation:
    """Read the evaluation of a folder.

    Raises:
        DataError: there is none.
        IntegrityError: it is damaged or does not follow the schema.
    """
    return load_model(Evaluation, folder / FILE, SCHEMA)


def show(evaluation: Evaluation, width: int | None) -> list[str]:
    """The scores as a small table, percent."""
    found, target = evaluation.scores, evaluation.target
    groups = [
        (name, text.percent(found.accuracy), *(text.percent(getattr(each, g)) for g in GROUPS))
        for name, each in found.groups.items()
    ]
    rows = [("convention", "All", "Many", "Medium", "Few"), *groups]
    macro = f"macro {text.percent(found.macro)}, worst {text.percent(found.worst)}, "
    known = found.calibration
    honest = (
        f"NLL {text.number(known.nll, 4)}, Brier {text.number(known.brier, 4)}, "
        f"ECE {text.percent(known.ece)}"
        if known
        else "NLL, Brier, ECE: n/a, no probabilities were given"
    )
    return [
        f"{evaluation.subject.name} on {target.name}, seed {target.seed}, {target.n:,} rows",
        *table(rows, width, indent="  "),
        f"  {macro}harmonic {text.percent(found.harmonic)}",
        f"  {honest}",
    ]
