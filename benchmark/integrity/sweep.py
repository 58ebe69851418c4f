"""Everything below some folders: files told by their names, each kind counted and checked."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from benchmark.integrity import boards, runs, stored, tensors
from benchmark.integrity.kinds import Kind, Problem
from benchmark.recording import sums
from benchmark.system.locks import holder_of, is_held

AGAIN = "delete the run's folder and run again"
ANEW = "delete the file; it is made again"
KINDS = (
    Kind("records", "record.json", runs.check_run, AGAIN),
    Kind("checksums", sums.SUMS, sums.check_sums,
         "restore it, or run again with on_existing=rerun"),
    Kind("predictions", "preds.npz", runs.check_predictions, AGAIN),
    Kind("weights", "weights.safetensors", tensors.check_weights,
         "delete the file; run again with on_existing=rerun"),
    Kind("exports", "model.safetensors", tensors.check_weights, "export the run again"),
    Kind("checkpoints", "checkpoint.pt", tensors.check_state,
         "delete the file; the run then starts from the beginning"),
    Kind("histories", "history.csv", runs.check_history,
         "restore the file; no number of the record rests on it"),
    Kind("errors", "error.json", runs.check_error, "delete the file and run again"),
    Kind("searches", "search.json", runs.check_search,
         "delete the run's folder; trials that finished are not run again"),
    Kind("job lists", "jobs*.jsonl", runs.check_jobs, "write the list again"),
    Kind("stages", "?" * 32 + ".pt", tensors.check_state, ANEW),
    Kind("pools", "pool.json", stored.check_pool,
         "draw again: missing and altered images are replaced", beside="results"),
    Kind("pools", "plan.jsonl", stored.check_headless, "restore it, or delete the folder",
         counted=False),
    Kind("collections", "collection.json", stored.check_collection,
         "delete the folder and collect again"),
    Kind("collections", "rows.jsonl", stored.check_headless, "delete the folder and collect again",
         counted=False),
    Kind("data stores", "store.json", stored.check_store,
         "delete the folder and prepare the data set again"),
    Kind("fits", "fit.json", stored.check_fit, "delete the folder; the fit is made again"),
    Kind("remembered facts", "expansions.json", stored.check_sealed, ANEW),
    Kind("remembered facts", "file-hashes.json", stored.check_sealed, ANEW),
    Kind("tables", "tables", boards.check_tables, "run: python -m benchmark report",
         beside="records", folder=True),
    Kind("evaluations", "evaluation.json", boards.check_evaluation, "evaluate again"),
    Kind("submissions", "submission.json", boards.check_submitted, "restore it, or submit again"),
)  # fmt: skip
_BY_FOLDER = {
    "screens": Kind("screens", "*.json", stored.check_screen, ANEW),
    "sources": Kind("sources", "*.json", stored.check_source, ANEW),
}
_MANY = ("pool.json", "collection.json")


@dataclass
class Swept:
    """What was found.

    Attributes:
        counts: files of each kind, in the order of ``KINDS``.
        problems: files that are broken, one each, in path order.
        leftovers: files that nobody needs: half-written ones and locks of dead processes.
        unfinished: folders of work that was stopped; it goes on when its command is given again.
    """

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)

    def broken(self, kind: str) -> int:
        """How many files of a kind are."""
        return sum(problem.kind == kind for problem in self.problems)


def sweep(places: Iterable[Path], *, fast: bool = False) -> Swept:
    """Check every file of the suite's below some folders; a folder that is not there is empty.

    Args:
        places: the folders.
        fast: leave large files unread: images, predictions, weights, checkpoints.
    """
    found = Swept()
    for path in _walk(places):
        _look_at(path, found, fast)
    order = list(dict.fromkeys([*(kind.name for kind in KINDS), *found.counts]))
    found.counts = {name: found.counts[name] for name in order if name in found.counts}
    found.problems.sort(key=lambda problem: (str(problem.path), problem.said))
    return found


def _walk(places: Iterable[Path]) -> Iterator[Path]:
    """Files and folders, each once, in path order; images are left to what describes them."""
    seen: set[str] = set()
    for place in places:
        for folder, folders, files in os.walk(place):
            real = os.path.realpath(folder)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            if any(name in files for name in _MANY):
                folders[:] = [name for name in folders if name != "images"]
            folders.sort()
            yield from (Path(folder, name) for name in sorted([*folders, *files]))


def _look_at(path: Path, found: Swept, fast: bool) -> None:
    name = path.name
    if name.startswith(".") and name.endswith(".tmp"):
        found.leftovers.append(path)
    elif name.endswith(".held"):
        _marker(path, found)
    elif name.endswith(".building"):
        found.unfinished.append(path)
    kind = kind_of(path)
    if kind is not None:
        found.counts[kind.name] = found.counts.get(kind.name, 0) + kind.counted
        problem = kind.problem(path, fast)
        found.problems += [problem] if problem else []
    if name == "checkpoint.pt":
        done = any((path.parent / mark).exists() for mark in ("record.json", "fit.json"))
        (found.leftovers if done else found.unfinished).append(path)


def _marker(path: Path, found: Swept) -> None:
    lock = path.with_name(path.name.removesuffix(".held"))
    if holder_of(lock) and not is_held(lock):
        found.leftovers.append(path)


def kind_of(path: Path) -> Kind | None:
    """The kind of a file or of a folder in its place; None for any other."""
    if path.parent.name in _BY_FOLDER and path.suffix == ".json":
        return _BY_FOLDER[path.parent.name]
    for kind in KINDS:
        if fnmatchcase(path.name, kind.pattern) and (
            not kind.beside or (path.parent / kind.beside).exists()
        ):
            return kind
    return None
