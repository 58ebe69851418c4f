"""What a run leaves: its record, predictions, history, error, search; what it is known by."""

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

from benchmark.publishing.findings import failed
from benchmark.publishing.judged import load_judged
from benchmark.publishing.record_checks import CHECKS, check_record
from benchmark.recording import records
from benchmark.recording.record_models import Search
from benchmark.system.files import read_json, read_sealed

COLUMNS = ["stage", "epoch", "step", "loss", "lr", "images_per_s"]


def check_run(path: Path, fast: bool) -> Iterator[str]:
    """A record and, unless fast, its parts against one another and its predictions."""
    if fast:
        records.load(path)
        return
    # whether numbers are plausible is another question
    for each in failed(check_record(path)):
        if each.item in ("schema", "predictions", *CHECKS):
            yield f"{each.item}: {each.detail}"
    folder = path.parent
    # records that are kept for a leaderboard may have left their predictions behind
    if (folder / ".lock").exists() and not (folder / records.load(path).predictions.file).exists():
        yield "its predictions are gone"


def check_predictions(path: Path, fast: bool) -> Iterator[str]:
    """Predictions that lie alone; those beside a record are checked with it."""
    alone = not any((path.parent / name).exists() for name in ("record.json", "evaluation.json"))
    if alone and not fast:
        load_judged(path)
    yield from ()


def check_history(path: Path, _fast: bool) -> Iterator[str]:
    """The loss curve of a run: its columns, and numbers in them."""
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    if rows and rows[0] != COLUMNS:
        yield f"Expected the columns {', '.join(COLUMNS)}"
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS) or not all(math.isfinite(float(each)) for each in row[1:]):
            yield f"Expected {len(COLUMNS)} values in line {number}"
            return


def check_error(path: Path, _fast: bool) -> Iterator[str]:
    """Why a run failed."""
    value = read_json(path)
    if not isinstance(value["error"], str) or not isinstance(value["exit_code"], int):
        yield "Expected an error and its code"


def check_search(path: Path, _fast: bool) -> Iterator[str]:
    """The outcome of a search whose run is not finished yet."""
    value = read_sealed(path)
    if value is None:
        yield "Expected what was written, but got something else"
        return
    Search.model_validate(value)


def check_jobs(path: Path, _fast: bool) -> Iterator[str]:
    """A list of runs to be made: every line a job, in its own place, no job twice."""
    from benchmark.launch.jobs_file import read_jobs

    if not path.read_bytes().endswith(b"\n"):
        yield "Expected a whole last line"
    seen: set[str] = set()
    for number, job in enumerate(read_jobs(path), 1):
        if not job.folder.endswith(f"/{job.hash}/s{job.seed}"):
            yield f"Expected the folder of its hash and seed in line {number}, but got {job.folder}"
        if job.folder in seen:
            yield f"Expected every job once, but line {number} is there twice"
        seen.add(job.folder)
