"""``python -m benchmark``."""

import sys

from benchmark.ranks import main

if __name__ == "__main__":
    sys.exit(main())
