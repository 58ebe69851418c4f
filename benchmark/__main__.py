"""``python -m benchmark`` and ``synaug-bench``."""

import sys

from benchmark.training.ranks import started
from benchmark.verbs import cli


def main() -> int:
    """Run the command line of this process, one of perhaps several; its exit code."""
    return started(cli.main)


if __name__ == "__main__":
    sys.exit(main())
