"""Whether a submission can be what it says: files, labels, metrics, odd signs; no torch."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.errors import BenchError, IntegrityError
from benchmark.harmless import is_file_name
from benchmark.publishing.findings import Finding, judged, warned
from benchmark.publishing.judged import Judged, differences, load_judged, score
from benchmark.publishing.plausible import look_at, predicted_hash
from benchmark.publishing.submission import Submission, Submitted, load, others
from benchmark.publishing.target import Target, at_hand, labels_hash
from benchmark.recording import records
from benchmark.recording.checking import RECORDS
from benchmark.recording.record_models import Record
from benchmark.statistics import metrics, stats
from benchmark.system.files import sha256_file


def check_submission(
    path: Path,
    root: Path | None = None,
    records_dir: Path = RECORDS,
    itself: Path | None = None,
) -> list[Finding]:
    """Everything that can be checked of one submission.

    Args:
        path: of its ``submission.json``, with predictions beside it.
        root: where other submissions are; by default two folders above it.
        records_dir: the suite's own records.
        itself: where it will be, if it is a draft; what is there now is not compared.

    Raises:
        DataError: there is no such file.
    """
    try:
        found = load(path)
    except IntegrityError as error:
        return [Finding("schema", "fail", error.problem)]
    known = others(root or path.parent.parent.parent, itself or path)
    own = _own_records(records_dir, found.target)
    return [
        Finding("schema", "pass", f"submission/1, by version {found.bench}"),
        *_details(found),
        *(each for run in found.runs for each in _run(path.parent, run)),
        *_seeds(found),
        _duplicates(found, known),
        *_against_ours(found, own),
    ]


def _details(found: Submission) -> Iterator[Finding]:
    said, problems = found.details, []
    if said.track == "real" and said.images_added:
        problems.append(f"the track is real, but {said.images_added:,} images were added")
    if said.track != "real" and said.images_added == 0:
        problems.append(f"the track is {said.track}, but no image was added")
    yield judged("track", problems, said.track)
    silent = [name for name, value in said if value is None]
    yield warned("details", f"not stated: {', '.join(silent)}" if silent else None, "all stated")


def _run(folder: Path, run: Submitted) -> list[Finding]:
    """The findings of one seed; those that pass are one line."""
    stated, target = run.evaluation, run.evaluation.target
    file = folder / stated.predictions.file
    try:
        rows = load_judged(file)
    except BenchError as error:
        return [Finding(f"seed {target.seed}", "fail", error.problem)]
    found = [
        judged("files", _files(file, run, rows)),
        judged("labels", _labels(target, rows)),
        *_data_set(target),
        judged("metrics", _metrics(run, rows)),
    ]
    if not any(each.verdict == "fail" for each in found):
        found += look_at(rows, len(target.classes))
    name = f"seed {target.seed}"
    odd = [Finding(f"{name}: {f.item}", f.verdict, f.detail) for f in found if f.verdict != "pass"]
    seen = f"{100 * stated.scores.accuracy:.2f} % of {target.n:,} rows, recomputed"
    return odd or [Finding(name, "pass", seen)]


def _files(file: Path, run: Submitted, rows: Judged) -> Iterator[str]:
    stated = run.evaluation.predictions.sha256
    if sha256_file(file) != stated:
        yield f"{file.name} is not the file that was evaluated"
    if predicted_hash(rows) != run.predicted_sha256:
        yield "the predicted classes are not those of the submission"


def _labels(target: Target, rows: Judged) -> Iterator[str]:
    if len(rows.labels) != target.n:
        yield f"{len(rows.labels):,} rows, but {target.n:,} are stated"
    if labels_hash(rows.labels) != target.labels_sha256:
        yield "the true classes beside the predictions are not those that are stated"


def _data_set(target: Target) -> list[Finding]:
    """The target against the data set here; the split, counts, groups and true classes."""
    here = at_hand(target)
    if isinstance(here, str):
        return [Finding("data set", "warn", f"not compared: {here}")]
    differing = [
        name for name in Target.model_fields if getattr(here.target, name) != getattr(target, name)
    ]
    said = [f"other {', '.join(differing)} than {target.name} has here"] if differing else []
    return [judged("data set", said)]


def _metrics(run: Submitted, rows: Judged) -> list[str]:
    target = run.evaluation.target
    try:
        again = score(rows, len(target.classes), target.conventions)
    except (BenchError, ValueError) as error:
        return [str(error)]
    return differences(run.evaluation.scores, again)


def _seeds(found: Submission) -> Iterator[Finding]:
    n, blocked = len(found.runs), found.target.design == "blocked"
    few = f"{n} of at least {stats.MIN_SEEDS}: shown without an interval that means anything"
    more = "; its split follows the seed" if blocked else ""
    seen = ", ".join(str(run.evaluation.target.seed) for run in found.runs)
    yield warned("seeds", f"{few}{more}" if n < stats.MIN_SEEDS else None, seen)
    hashes = [run.predicted_sha256 for run in found.runs]
    twice = len(set(hashes)) != len(hashes)
    same = ["two seeds have the same predictions"] if twice else []
    yield judged("independent seeds", same, "all predictions differ")


def _duplicates(found: Submission, known: Sequence[tuple[Path, Submission]]) -> Finding:
    own = {run.predicted_sha256 for run in found.runs}
    copies = [
        f"'{other.details.method}' has the same predictions at seed {run.evaluation.target.seed}"
        for _, other in known
        for run in other.runs
        if run.predicted_sha256 in own
    ]
    return judged("no copy", copies, f"unlike {len(known)} other submissions")


def _own_records(folder: Path, target: Target) -> list[tuple[Path, Record]]:
    """The suite's records of the same data set, protocol and split rule."""
    # a name in a file of others may be a path that leads elsewhere
    found = records.find(folder / target.name) if is_file_name(target.name) else []
    return [
        (path, item)
        for path, item in found
        if isinstance(item, Record)
        and item.protocol == target.protocol
        and item.dataset.split.rule_hash == target.split.rule_hash
    ]


def _against_ours(found: Submission, own: Sequence[tuple[Path, Record]]) -> Iterator[Finding]:
    """Copies of the suite's own predictions, and accuracies above those of real images."""
    hashes = {run.predicted_sha256 for run in found.runs}
    copies = [record.experiment.label for path, record in own if _hash(path, record) in hashes]
    same = f"the predictions are those of our '{copies[0]}'" if copies else None
    yield warned("not ours", same, f"unlike {len(own)} records of the suite")
    best = _best_oracle([record for _, record in own])
    if best is None or found.details.track == "oracle":
        return
    mean = stats.mean([run.evaluation.scores.accuracy for run in found.runs])
    more = f"{100 * mean:.2f} % is more than {100 * best:.2f} %, which real images in place of "\
           "added ones give"  # fmt: skip
    yield warned("oracle", more if mean > best else None, f"below {100 * best:.2f} %")


def _hash(path: Path, record: Record) -> str | None:
    file = path.parent / record.predictions.file
    try:
        return predicted_hash(metrics.load_predictions(file))
    except BenchError:
        return None


def _best_oracle(own: Sequence[Record]) -> float | None:
    """The highest mean accuracy of an experiment on held-out real images."""
    by_experiment: dict[str, list[float]] = {}
    for record in own:
        if record.method.track == "oracle":
            values = by_experiment.setdefault(record.experiment.hash, [])
            values.append(record.metrics.accuracy)
    return max((stats.mean(values) for values in by_experiment.values()), default=None)
