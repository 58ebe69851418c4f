"""The verb ``check``: records, components, regression of leaderboard numbers."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import BenchError, IntegrityError, UsageError, nearest
from benchmark.registry import COMPONENTS
from benchmark.vocabulary.words import Parser

USAGE = "--all | records [DIR] | RECORD.json | component NAME [KEY=VALUE ...] | regression [...]"
KINDS = ("records", "component", "regression")
NOTES = """\
what is checked:
  --all [DIR ...]        every file the suite has written, below runs, leaderboards and the cache
      --fast             leave images, predictions, weights and checkpoints unread
      --json             print one JSON object
  RECORD.json ...        one record or submission against itself, its predictions and its card
      --deep             also compose its words again, plan its stages, build its network
  records [DIR]          all records of a folder
  component NAME         the promises of a component, by name or as package:Class
  regression             leaderboard numbers against new ones; see check regression --help
"""


def main(args: Sequence[str]) -> int:
    """Run ``check`` with the words after the verb and return the exit code."""
    if args and args[0] == "regression":
        from benchmark.regression.cli import main as regression

        return regression(args[1:])
    if args and args[0].endswith(".json"):
        from benchmark.publishing.check_record_cli import main as check_record

        return check_record(args)
    if "--all" in args:
        from benchmark.integrity.cli import main as check_all

        return check_all(args)
    parser = Parser(
        "check", USAGE, "check files, records, a component, or a new version's numbers", NOTES
    )
    parser.add_argument("what", help=f"{', '.join(KINDS)}, or a RECORD.json")
    named = "a folder of records (default: leaderboards/records); a component, or package:Class"
    parser.add_argument("target", nargs="?", help=named)
    given, words = parser.overrides(args)
    if given.what not in KINDS:
        raise _no_kind(given.what, parser.prog)
    if given.what == "records":
        if words:
            parser.error(f"expected no settings for records, but got '{words[0]}'")
        return _check_records(Path(given.target) if given.target else None)
    if given.target is None:
        parser.error("expected a component, but got none")
    return _check_component(given.target, words)


def _no_kind(what: str, where: str) -> UsageError:
    """The error for what is no kind of check; a component or a folder may have been meant."""
    if what in COMPONENTS.entries:
        meant = f"component {what}"
    elif Path(what).is_dir():
        meant = f"records {what}, or check --all {what}"
    elif close := nearest(what, KINDS):
        meant = " or ".join(close)
    else:
        meant = ""
    kinds = f"allowed: {', '.join(KINDS)}, --all, or a RECORD.json"
    todo = f"did you mean check {meant}? {kinds}" if meant else kinds
    return UsageError(f"Unknown check '{what}'", where=where, todo=todo)


def _check_records(given: Path | None) -> int:
    from benchmark.recording.checking import RECORDS, check_records

    folder = given or RECORDS
    found = check_records(folder)
    print(f"{found.valid} valid records, {found.recomputed} of them recomputed, in {folder}")
    if found.migrated:
        print(f"{found.migrated} of an older form, read as the newest (docs/protocol.md)")
    for what, n in found.outdated.items():
        print(f"{n} with {what}: kept apart from newer ones")
    for line in found.problems:
        print(line, file=sys.stderr)
    if found.problems:
        raise IntegrityError(f"{len(found.problems)} problems were found", where=folder)
    return 0


def _check_component(target: str, words: Sequence[str]) -> int:
    from benchmark.verbs.component_check import check_component
    from benchmark.vocabulary.listing import table, terminal_width

    results = check_component(target, words)
    cells = [
        ("ok" if each.passed else "failed", each.name, " ".join(each.detail.split()))
        for each in results
    ]
    print("\n".join(table(cells, terminal_width(), wrap=True)))
    failed = sum(not each.passed for each in results)
    if failed:
        raise BenchError(f"{failed} of {len(results)} checks failed", where=target)
    return 0
