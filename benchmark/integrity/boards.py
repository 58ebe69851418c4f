"""What is published: tables of a leaderboard, evaluations, submissions."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.publishing import evaluation
from benchmark.publishing.findings import failed
from benchmark.publishing.judged import differences, load_judged, score
from benchmark.publishing.submission_checks import check_submission
from benchmark.system.files import sha256_file


def check_submitted(path: Path, _fast: bool) -> Iterator[str]:
    """A submission: its parts, its predictions, its scores."""
    yield from (f"{each.item}: {each.detail}" for each in failed(check_submission(path)))


def check_evaluation(path: Path, fast: bool) -> Iterator[str]:
    """An evaluation and, unless fast, its predictions and every score that follows from them."""
    found = evaluation.load(path.parent)
    file = path.parent / found.predictions.file
    if not file.is_file():
        yield f"{file.name} is gone"
    elif not fast:
        if sha256_file(file) != found.predictions.sha256:
            yield f"{file.name} is not what was written"
            return
        target = found.target
        again = score(load_judged(file), len(target.classes), target.conventions)
        yield from differences(found.scores, again)


def check_tables(path: Path, fast: bool) -> Iterator[str]:
    """The tables of a leaderboard against its records, byte for byte."""
    if fast:
        return
    from benchmark import api

    for file in api.report(path.parent / "records", path, check=True):
        yield f"{file.name} is not what the records give"
