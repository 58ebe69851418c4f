"""Golden end-to-end runs and cards: what they come to, keyed by torch and platform.

command: python -m tests.golden.runs
"""

import json

from benchmark.regression.golden import CARDS, all_cards
from benchmark.regression.golden_runs import RUNS, golden_run, read_words, run_key
from benchmark.system.files import write_text


def main() -> None:
    """Write the results of all golden runs, and the facts of all cards."""
    write_text(CARDS, json.dumps(all_cards()) + "\n")
    runs = {name: golden_run(run) for name, run in read_words().items()}
    found = {"key": run_key(), "runs": runs}
    write_text(RUNS, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
