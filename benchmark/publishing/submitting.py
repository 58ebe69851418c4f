"""Evaluations put together as a submission, and its files on disk; no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from benchmark.boards.text import slug
from benchmark.errors import IntegrityError, UsageError
from benchmark.publishing import evaluation
from benchmark.publishing.block_files import dumps
from benchmark.publishing.judged import load_judged
from benchmark.publishing.plausible import predicted_hash
from benchmark.publishing.submission import FILE, Details, Submission, Submitted, apart
from benchmark.recording.record_models import PredictionFile
from benchmark.system.files import sha256_file, write_bytes, write_text


def build(folders: Sequence[Path], details: Details) -> tuple[Submission, dict[str, Path]]:
    """A submission of some evaluations, and where the files it names are now.

    Args:
        folders: of evaluations of one method, one a seed.
        details: what the authors say.

    Raises:
        DataError: a folder holds no evaluation.
        IntegrityError: an evaluation is damaged, or its predictions are others.
        UsageError: the evaluations do not go together.
    """
    found = [(folder, evaluation.load(folder)) for folder in folders]
    ordered = sorted(found, key=lambda item: item[1].target.seed)
    problem = apart([each.target for _, each in ordered])
    if problem:
        todo = "give evaluations of one method on one data set, one a seed"
        raise UsageError(problem, where="submit", todo=todo)
    runs, files = [], {}
    for folder, each in ordered:
        name = f"s{each.target.seed}.npz"
        files[name] = folder / each.predictions.file
        runs.append(_run(each, files[name], name))
    try:
        return Submission(details=details, runs=tuple(runs)), files
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise UsageError(str(first["msg"]), where="submit") from None


def _run(found: evaluation.Evaluation, file: Path, name: str) -> Submitted:
    rows = load_judged(file)
    digest = sha256_file(file)
    if digest != found.predictions.sha256:
        raise IntegrityError(
            "Expected the predictions that were evaluated, but got others",
            where=file,
            todo="evaluate again",
        )
    named = PredictionFile(file=name, sha256=digest)
    moved = found.model_copy(update={"predictions": named})
    return Submitted(evaluation=moved, predicted_sha256=predicted_hash(rows))


def place(root: Path, submission: Submission) -> Path:
    """The folder of a submission below ``root``: by data set and method."""
    return root / slug(submission.target.name) / slug(submission.details.method)


def install(folder: Path, submission: Submission, files: Mapping[str, Path]) -> Path:
    """Write predictions, then ``submission.json``; returns its path.

    Raises:
        StorageError: the disk is full or the folder cannot be written.
    """
    for name, source in files.items():
        write_bytes(folder / name, source.read_bytes())
    write_text(folder / FILE, dumps(submission))
    for old in folder.glob("s*.npz"):
        if old.name not in files:
            old.unlink()
    return folder / FILE
