"""Tier 1: what is committed follows from the records; the reference moved by ``accept`` only."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark import api
from benchmark.data.groups import GE100, LE20, LT20, assign, scaled
from benchmark.errors import UsageError
from benchmark.recording.checking import check_records
from benchmark.recording.record_models import Record
from benchmark.regression import accepted
from benchmark.regression.samples import alike, read_runs

BOARDS = Path("leaderboards")


def check_boards(since: str | None = None) -> tuple[list[str], str]:
    """Rebuild every table and page, recompute every metric, and compare.

    Args:
        since: a commit; records that differ from it need a line in the log of accepted changes.

    Returns:
        One line for each difference, empty if all agree, and a line on what was compared.

    Raises:
        DataError: there are no records here.
        UsageError: ``since`` is no commit.
    """
    checked = check_records(BOARDS)
    problems = list(checked.problems)
    if checked.recomputed + len(problems) < checked.valid:
        missing = checked.valid - checked.recomputed - len(problems)
        problems.append(f"{BOARDS}: {missing} records have no predictions beside them")
    # tables of broken records would only say the same again
    if not problems:
        problems += [
            f"{path}: differs from what the records give" for path in api.report(check=True)
        ]
        problems += list(_unlike_log(api.DEFAULT_RECORDS))
        problems += list(_inconsistent(BOARDS))
    if since is not None:
        problems += unaccepted(api.DEFAULT_RECORDS, since)
    said = f"{checked.valid} records recomputed, tables and pages rebuilt"
    return problems, said


def _inconsistent(root: Path) -> Iterator[str]:
    """Records whose shot groups are not those of their counts, and seeds that trained alike."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for runs in read_runs(folder).values():
            yield from alike(runs)
            yield from (line for record in runs.records for line in _unlike_groups(record))


def _unlike_groups(record: Record) -> Iterator[str]:
    """Conventions that would give the classes of a record other shot groups today."""
    counts = record.dataset.counts_real
    known = {each.name: each for each in (LT20, LE20, GE100, *scaled(max(counts)))}
    # groups follow from the counts before validation rows were carved out
    data = record.experiment.config.get("dataset")
    carved = isinstance(data, dict) and data.get("val", "none") != "none"
    for name, groups in record.dataset.conventions.items():
        if name in known and not carved and assign(counts, known[name]) != groups:
            where = f"{record.experiment.label} ({record.experiment.hash}), seed {record.seed}"
            yield f"{where}: its shot groups are not what {name} says of its counts"


def _unlike_log(records_dir: Path) -> Iterator[str]:
    """Experiments whose means are not those that were accepted last."""
    log = accepted.read_log(accepted.log_path(records_dir))
    if not log:
        return
    known, last = read_runs(records_dir), {each.hash: each for each in log}
    for name, change in last.items():
        found = known.get(name)
        if found is None or accepted.means(found) != change.new:
            yield f"{change.label} ({name}): not what was accepted last; run: {_command(name)}"


def _command(name: str) -> str:
    return f"python -m benchmark check regression accept --reason TEXT {name}"


def unaccepted(records_dir: Path, since: str) -> list[str]:
    """Experiments whose records were changed or removed since a commit without ``accept``.

    New experiments, new seeds and records whose metrics stay as they are need none.

    Raises:
        UsageError: this is no checkout, or there is no such commit.
    """
    log = accepted.log_path(records_dir)
    moved = sorted(set(_moved(records_dir, since)))
    before = _shown(since, log) or ""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    if not text.startswith(before):
        return [f"{log}: lines were changed or removed since {since}; it only grows"]
    added = {json.loads(line)["hash"] for line in text[len(before) :].splitlines()}
    return [
        f"{name}: its numbers changed since {since} without a reason; run: {_command(name)}"
        for name in moved
        if name not in added
    ]


def _moved(records_dir: Path, since: str) -> Iterator[str]:
    wanted = ["--", str(records_dir)]
    listed = _git(
        "diff", "--name-only", "--relative", "--no-renames", "--diff-filter=MDT", since, *wanted
    )
    for name in listed.splitlines():
        path = Path(name)
        if path.name == "record.json":
            old = json.loads(_shown(since, path) or "{}")
            if _metrics(path) != old.get("metrics"):
                yield str(old.get("experiment", {}).get("hash", path))


def _metrics(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")).get("metrics") if path.exists() else None


def _shown(commit: str, path: Path) -> str | None:
    try:
        return _git("show", f"{commit}:./{path.as_posix()}")
    except UsageError:
        return None


def _git(*words: str) -> str:
    command = ("git", *words)
    try:
        done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        raise UsageError(
            f"Expected a commit of this repository, but git says: {said[0] if said else error}",
            where=" ".join(words[:1]),
            todo="name a commit that is fetched: --since origin/main",
        ) from error
    return done.stdout
