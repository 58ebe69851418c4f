"""``check RECORD.json``: whether a record or a submission can be what it says."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import IntegrityError
from benchmark.publishing.findings import Finding, failed, lines
from benchmark.vocabulary.words import Parser

USAGE = "FILE.json [FILE.json ...] [--deep]"
SUMMARY = "check records and submissions: schema, parts against one another, predictions, card"


def main(args: Sequence[str]) -> int:
    """Run ``check`` on files and return the exit code; 4 where something is wrong."""
    parser = Parser("check", USAGE, SUMMARY)
    parser.add_argument("files", nargs="+", type=Path, help="record.json or submission.json")
    deep = "also compose a record's words again, plan its stages, build its network"
    parser.add_argument("--deep", action="store_true", help=deep)
    given = parser.strict(args)
    found = {path: _check(path, given.deep) for path in given.files}
    wrong = {path: failed(each) for path, each in found.items()}
    _print(found)
    bad = [path for path, each in wrong.items() if each]
    if bad:
        n = sum(map(len, wrong.values()))
        raise IntegrityError(
            f"{n} {'check' if n == 1 else 'checks'} failed",
            where=bad[0] if len(bad) == 1 else f"{len(bad)} of {len(found)} files",
            todo="do not trust these numbers before that is explained",
        )
    return 0


def _check(path: Path, deep: bool) -> list[Finding]:
    from benchmark.publishing.submission import is_submission

    if is_submission(path):
        from benchmark.publishing.submission_checks import check_submission

        return check_submission(path)
    from benchmark.publishing.record_checks import check_record

    found = check_record(path)
    if deep and not failed(found[:1]):
        from benchmark.publishing.deep_checks import check_deep

        found += check_deep(path)
    return found


def _print(found: dict[Path, list[Finding]]) -> None:
    """A table of one file; of several, what did not pass."""
    from benchmark.vocabulary.listing import terminal_width

    if len(found) == 1:
        print("\n".join(lines(next(iter(found.values())), terminal_width())))
        return
    for path, each in found.items():
        odd = [finding for finding in each if finding.verdict != "pass"]
        if odd:
            print(path, *lines(odd, terminal_width()), sep="\n  ")
    passed = sum(not failed(each) for each in found.values())
    print(f"{passed} of {len(found)} files pass")
