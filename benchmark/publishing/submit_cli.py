"""The verb ``submit``: evaluations become a submission fit for review."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import IntegrityError, UsageError, unknown
from benchmark.vocabulary.words import Parser

if TYPE_CHECKING:
    import argparse

    from benchmark.publishing.submission import Details, Submission

USAGE = "EVALUATION [EVALUATION ...] (--details FILE.yaml | --method NAME --track ... ) [--to DIR]"
SUMMARY = """Turn evaluations of one method, one a seed, into a submission.

EVALUATION is a folder that `evaluate --out` wrote. What only the authors know is asked for: by
flags, or in a YAML file with the same keys (--template prints one). "not stated" is an answer where
a value is optional. Nothing is uploaded: the folder that is written goes into a pull request.
"""
NOT_STATED, NONE = "not stated", "none"
ASKED = {
    "method": "its name",
    "description": "what it does, in a sentence or more",
    "track": "real, synthetic, web or oracle: where added images come from",
    "authors": "who made it",
    "paper": "title and venue, or 'not stated'",
    "url": "of the paper or a page, or 'not stated'",
    "code": "where its code is, or 'not stated'",
    "training_data": "which images it was trained on",
    "knowledge": "data and models beyond the training images, with commas between, or 'none'",
    "backbone": "the network",
    "parameters": "of the network that was evaluated, or 'not stated'",
    "recipe": "optimiser, schedule and augmentation, by name or in a few words",
    "epochs": "passes over the training images, or 'not stated'",
    "images_added": "beyond the real training images, or 'not stated'",
    "cost": "what training and image generation took, or 'not stated'",
}


def main(args: Sequence[str]) -> int:
    """Run ``submit`` with the words after the verb and return the exit code."""
    given = _parser().strict(args)
    if given.template:
        print("\n".join(f"{key}:  # {asked}" for key, asked in ASKED.items()))
        return 0
    if not given.evaluations:
        raise UsageError(
            "Expected the folder of an evaluation, but got none",
            where="submit",
            todo="python -m benchmark evaluate ... --out DIR writes one",
        )
    from benchmark.publishing.submission import SUBMISSIONS

    details = _details(given)
    root = given.to or SUBMISSIONS
    return _submit([Path(each) for each in given.evaluations], details, root, given.replace)


def _parser() -> Parser:
    parser = Parser("submit", USAGE, SUMMARY)
    parser.add_argument("evaluations", nargs="*", help="folders with evaluation.json")
    for key, asked in ASKED.items():
        parser.add_argument(f"--{key.replace('_', '-')}", help=asked)
    parser.add_argument("--details", type=Path, help="a YAML file with these keys")
    parser.add_argument("--template", action="store_true", help="print such a file and stop")
    parser.add_argument("--to", type=Path, help="default: leaderboards/submissions")
    parser.add_argument("--replace", action="store_true", help="replace one of the same name")
    return parser


def _details(given: "argparse.Namespace") -> "Details":
    """What was said by file and flags, flags first.

    Raises:
        UsageError: something is missing, or cannot be meant.
    """
    from pydantic import ValidationError

    from benchmark.publishing.submission import Details

    said = _read(given.details) if given.details else {}
    said |= {key: getattr(given, key) for key in ASKED if getattr(given, key) is not None}
    missing = [key for key in ASKED if said.get(key) in (None, "")]
    if missing:
        flags = ", ".join(f"--{key.replace('_', '-')}" for key in missing)
        raise UsageError(
            f"Expected {len(missing)} more answers: {flags}",
            where="submit",
            todo=f"'{NOT_STATED}' is one where a value is optional; --template prints them all",
        )
    try:
        return Details.model_validate({key: _answer(key, value) for key, value in said.items()})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = str(first["loc"][0])
        raise UsageError(
            f"{first['msg']}, but got {str(first.get('input'))[:60]!r}",
            where=key,
            todo=f"{key}: {ASKED[key]}",
        ) from None


def _read(path: Path) -> dict[str, Any]:
    from benchmark.system.yaml_text import read_yaml

    value = read_yaml(path, UsageError)
    if not isinstance(value, dict):
        raise UsageError(
            f"Expected keys and values, but got {type(value).__name__}",
            where=path,
            todo="submit --template prints such a file",
        )
    for key in value:
        if key not in ASKED:
            raise unknown("key", str(key), ASKED, where=path)
    return value


def _answer(key: str, value: Any) -> Any:
    """An answer as the schema holds it."""
    text = str(value).strip()
    if key == "knowledge":
        parts = value if isinstance(value, list) else text.split(",")
        named = [str(part).strip() for part in parts]
        return [] if named == [NONE] else named
    if text.lower() == NOT_STATED:
        return None
    return value if isinstance(value, int | float) else text


def _submit(folders: Sequence[Path], details: "Details", root: Path, replace: bool) -> int:
    from benchmark.publishing.findings import failed, lines
    from benchmark.publishing.submission_checks import check_submission
    from benchmark.publishing.submitting import build, install, place
    from benchmark.vocabulary.listing import terminal_width

    submission, files = build(folders, details)
    target = place(root, submission)
    if target.exists() and not replace:
        raise UsageError(
            f"Expected a new method, but '{details.method}' is there",
            where=target,
            todo="--replace replaces it",
        )
    with tempfile.TemporaryDirectory() as draft:
        path = install(Path(draft), submission, files)
        findings = check_submission(path, root, itself=target / path.name)
        print("\n".join(lines(findings, terminal_width())))
        wrong = failed(findings)
        if wrong:
            raise IntegrityError(
                f"{len(wrong)} checks failed, and nothing was written",
                where=details.method,
                todo="see the lines that begin with fail",
            )
    saved = install(target, submission, files)
    _say_next(saved, submission)
    return 0


def _say_next(saved: Path, submission: "Submission") -> None:
    n = len(submission.runs)
    print(f"\n{saved}: {submission.details.method}, {n} seed{'' if n == 1 else 's'}")
    print(f"To have it reviewed, add {saved.parent} to a pull request; to check it again:")
    print(f"  python -m benchmark check {saved}")
