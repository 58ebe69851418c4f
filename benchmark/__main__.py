"""``python -m benchmark`` and ``synaug-bench``."""

import sys

from benchmark import cli
from benchmark.ranks import started


def main() -> int:
    """Run the command line of this process, one of perhaps several; its exit code."""
    return started(cli.main)


if __name__ == "__main__":
    sys.exit(main())
