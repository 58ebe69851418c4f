"""``check --all``: every file that the suite has written, each against its own hash or parts."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import DataError, IntegrityError
from benchmark.integrity.sweep import Swept, sweep
from benchmark.paths import cache_root
from benchmark.vocabulary.listing import table, terminal_width
from benchmark.vocabulary.words import Parser

USAGE = "--all [DIR ...] [--fast] [--json]"
SUMMARY = "check every file that the suite has written"
TODO = "see the lines above"


def main(args: Sequence[str]) -> int:
    """Run ``check --all`` and return the exit code.

    Raises:
        DataError: a folder that was named is not there.
        IntegrityError: a file is broken.
    """
    parser = Parser("check", USAGE, SUMMARY)
    parser.add_argument("--all", action="store_true", help="check files of every kind")
    places = "folders (default: runs, leaderboards and the cache)"
    parser.add_argument("places", nargs="*", type=Path, help=places)
    fast = "leave images, predictions, weights and checkpoints unread"
    parser.add_argument("--fast", action="store_true", help=fast)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.strict(args)
    absent = [place for place in given.places if not place.is_dir()]
    if absent:
        todo = "name a folder, or leave it out"
        raise DataError("Expected a folder, but found none", where=absent[0], todo=todo)
    chosen = given.places or [Path("runs"), Path("leaderboards"), cache_root()]
    found = sweep(chosen, fast=given.fast)
    _print(found, chosen, given.json)
    if found.problems:
        n = len(found.problems)
        said = f"{n} file{' is' if n == 1 else 's are'} broken"
        raise IntegrityError(said, where=", ".join(map(str, chosen)), todo=TODO)
    return 0


def _print(found: Swept, places: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print(json.dumps(_values(found), indent=1))
        return
    cells = [
        (name, f"{n:,}", f"{broken:,} broken" if (broken := found.broken(name)) else "sound")
        for name, n in found.counts.items()
    ]
    nothing = f"nothing of the suite's in {', '.join(map(str, places))}"
    print("\n".join(table(cells, terminal_width())) if cells else nothing)
    for name, paths, todo in _notes(found):
        if paths:
            print(f"{len(paths):,} {name}, such as {paths[0]}: {todo}")
    for problem in found.problems:
        print(problem, file=sys.stderr)


def _notes(found: Swept) -> tuple[tuple[str, list[Path], str], ...]:
    return (
        ("left over", found.leftovers, "may be deleted when nothing runs"),
        ("unfinished", found.unfinished, "the same command given again goes on"),
    )


def _values(found: Swept) -> dict[str, Any]:
    return {
        "counts": {
            name: {"files": n, "broken": found.broken(name)} for name, n in found.counts.items()
        },
        "problems": [
            {"kind": each.kind, "path": str(each.path), "problem": each.said, "todo": each.todo}
            for each in found.problems
        ],
        "leftovers": [str(path) for path in found.leftovers],
        "unfinished": [str(path) for path in found.unfinished],
    }
