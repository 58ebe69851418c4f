"""Metric values of records by experiment and seed, before and now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.boards.leaderboard import distinct
from benchmark.errors import BenchError, DataError, IntegrityError, UsageError, unknown
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import key_of
from benchmark.regression.policy import METRICS, Metric
from benchmark.regression.verdicts import Arm, Pool
from benchmark.statistics.stats import Values


@dataclass(frozen=True)
class Runs:
    """All runs of one experiment in one folder.

    Attributes:
        records: at least one, by seed.
        folder: that of the experiment; each seed has a folder below it.
    """

    records: tuple[Record, ...]
    folder: Path

    @property
    def first(self) -> Record:
        """The record with the lowest seed."""
        return self.records[0]

    @property
    def hash(self) -> str:
        """The experiment's hash."""
        return self.first.experiment.hash

    @property
    def label(self) -> str:
        """The method as printed."""
        return self.first.experiment.label

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.first.dataset.name

    @property
    def seeds(self) -> list[int]:
        """In ascending order."""
        return [record.seed for record in self.records]

    @property
    def commits(self) -> list[str]:
        """The commits that made the runs, oldest run first; "unknown" for an installed package."""
        ordered = sorted(self.records, key=lambda record: record.created)
        return list(dict.fromkeys(each.environment.git_sha or "unknown" for each in ordered))

    def values(self, metric: Metric) -> Values:
        """A metric by seed; seeds without such classes are left out."""
        found = {record.seed: metric_of(record, metric) for record in self.records}
        return {seed: value for seed, value in found.items() if value is not None}

    @property
    def table(self) -> str:
        """What names the leaderboard the runs belong to."""
        key = key_of(self.first)
        return f"{key.dataset}/{key.short_hash}"


def metric_of(record: Record, metric: Metric) -> float | None:
    """One metric of a record, a share; "few" under the data set's first convention."""
    if metric == "few":
        return record.metrics.groups[next(iter(record.dataset.conventions))].few
    return float(getattr(record.metrics, metric))


def read_runs(folder: Path) -> dict[str, Runs]:
    """The experiments of a folder by hash, in the order of label and hash.

    Raises:
        DataError: there is no such folder.
        BenchError: a record is broken or contradicts another.
    """
    if not folder.is_dir():
        todo = "make runs there, or name another folder; see: check regression --help"
        raise DataError("Expected a folder of records, but found none", where=folder, todo=todo)
    found: dict[str, list[tuple[Path, Record]]] = {}
    for path, record in records.find(folder):
        if isinstance(record, BenchError):
            raise record
        found.setdefault(record.experiment.hash, []).append((path, record))
    made = [_runs(parts) for parts in found.values()]
    return {each.hash: each for each in sorted(made, key=lambda each: (each.label, each.hash))}


def _runs(parts: Sequence[tuple[Path, Record]]) -> Runs:
    kept = sorted(distinct(record for _, record in parts), key=lambda record: record.seed)
    return Runs(tuple(kept), parts[0][0].parent.parent)


def fresh(new: Mapping[str, Runs], old: Mapping[str, Runs]) -> dict[str, Runs]:
    """The new experiments without runs that are the reference's own records."""
    known = {_identity(record) for runs in old.values() for record in runs.records}
    found = {}
    for name, runs in new.items():
        kept = tuple(record for record in runs.records if _identity(record) not in known)
        if kept:
            found[name] = Runs(kept, runs.folder)
    return found


def _identity(record: Record) -> tuple[str, int, str, str]:
    return record.experiment.hash, record.seed, record.created, record.final_weights_sha256


def pick(runs: Mapping[str, Runs], names: Iterable[str]) -> dict[str, Runs]:
    """The experiments with these labels or hashes; all of them if none is named.

    Raises:
        UsageError: no such experiment, or a label that several have.
    """
    wanted = list(names)
    if not wanted:
        return dict(runs)
    return {found.hash: found for found in (_one(runs, name) for name in wanted)}


def _one(runs: Mapping[str, Runs], name: str) -> Runs:
    if name in runs:
        return runs[name]
    found = [each for each in runs.values() if each.label == name]
    if not found:
        labels = {each.label for each in runs.values()} | set(runs)
        raise unknown("experiment", name, labels or {"(there are none)"})
    if len(found) > 1:
        hashes = ", ".join(f"{x.hash} ({x.dataset}, {x.first.recipe.name})" for x in found)
        raise UsageError(
            f"Expected one experiment labelled '{name}', but got {len(found)}",
            todo=f"name it by its hash: {hashes}",
        )
    return found[0]


def check_new(runs: Iterable[Runs]) -> None:
    """Refuse new runs of an experiment that several commits made, or whose seeds trained alike.

    Raises:
        UsageError: names the experiment and the commits.
        IntegrityError: names the experiment and the seeds.
    """
    for each in runs:
        if len(each.commits) > 1:
            commits = ", ".join(commit[:10] for commit in each.commits)
            raise UsageError(
                f"Expected new runs of one commit, but got {commits}",
                where=each.folder,
                todo="delete the older ones, or let --run replace them",
            )
        for line in alike(each):
            raise IntegrityError(line, where=each.folder, todo="the seed does not reach training")


def alike(runs: Runs) -> list[str]:
    """One line for each run that ended with the weights of another seed."""
    first: dict[str, int] = {}
    lines = []
    for record in runs.records:
        seed = first.setdefault(record.final_weights_sha256, record.seed)
        if seed != record.seed:
            lines.append(
                f"Expected other weights at every seed, but {runs.label} ends with the same ones "
                f"at seeds {seed} and {record.seed}"
            )
    return lines


def arms(old: Mapping[str, Runs], new: Mapping[str, Runs]) -> list[Arm]:
    """One arm for each metric of each experiment that both have."""
    return [
        Arm(
            hash=name,
            label=runs.label,
            dataset=runs.dataset,
            table=runs.table,
            metric=metric,
            design=runs.first.dataset.design,
            old=old[name].values(metric),
            new=runs.values(metric),
        )
        for name, runs in new.items()
        if name in old
        for metric in METRICS
        if old[name].values(metric)
    ]


def lenders(old: Mapping[str, Runs], new: Mapping[str, Runs]) -> dict[Pool, list[Values]]:
    """Values of the reference's other experiments, which lend their variance."""
    found: dict[Pool, list[Values]] = {}
    for name, runs in old.items():
        for metric in METRICS if name not in new else ():
            found.setdefault((runs.table, metric), []).append(runs.values(metric))
    return found
