"""``report export``: a finished run packed for publishing."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.vocabulary.words import Parser

USAGE = "RUN_FOLDER [--to DIR] [--licence ID]"
SUMMARY = "pack a finished run for publishing: weights, model card, record; uploads nothing"


def main(args: Sequence[str]) -> int:
    """Run ``report export`` with the words after it and return the exit code."""
    parser = Parser("report export", USAGE, SUMMARY)
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("--to", type=Path, help="a new folder (default: one below exports)")
    licence = "of the weights, as the hub names it, e.g. mit or cc-by-4.0 (default: other)"
    parser.add_argument("--licence", help=licence)
    given = parser.strict(args)
    from benchmark.experiments.compose import quiet_libraries
    from benchmark.publishing.exporting import export

    quiet_libraries()
    report = export(given.run, given.to, given.licence)
    print("\n".join(map(str, report.files)))
    print(f"verified: {report.verified}")
    print("Read README.md, then to publish it (nothing was uploaded):")
    print(f"  hf upload OWNER/NAME {report.folder}")
    return 0
