"""docs/faults.md: each fault, what it costs, what is said, and the test that causes it.

python -m tests.faults.table        write the page
"""

from pathlib import Path

from benchmark.boards.text import code, markdown_table
from benchmark.system.files import write_text
from tests.faults.rows import ROWS
from tests.fixtures.damage import FILES

TARGET = Path(__file__).resolve().parents[2] / "docs" / "faults.md"
HEAD = """# Faults

What may go wrong around a run, and what it costs. A result is *lost* if a finished run, a drawn
image or a trained stage has to be made again without being damaged itself; it is *wrong* if a
number differs from that of an undisturbed run and nothing is said. The table is written by
`python -m tests.faults.table` from the tests that cause each fault: signals, small disks that are
mounted, damaged bytes, servers that misbehave. Mounting takes root; elsewhere those tests are
skipped.

"""
TAIL = f"""
## Checking what is on the disk

    python -m benchmark check --all
    python -m benchmark check --all --fast

checks every file of the suite below `runs`, `leaderboards` and the cache, or below folders that are
named: one line a kind, then each broken file with what to do, and exit code 4. `--fast` leaves
images, predictions, weights and checkpoints unread; `--json` prints one object. Damage in each of
{len(FILES)} kinds of file is planted by the tests.

A finished run has a file `SHA256SUMS` with the hashes of its record, predictions, weights and loss
curve; `sha256sum --check SHA256SUMS` reads it too. A finished run or a record to be collected is
held against it. Runs of earlier versions have none and are taken as they are.

Not protected by a hash, because only what was measured or said rests on it: seconds, devices and
FLOPs in the results of a pool and in the facts of a fit; names, licences and dates in the facts of
a collection and a data set; the words of an error; padding in a checkpoint. A list of jobs that
lost whole lines cannot be told from a shorter one. Leftover files and locks of dead processes are
named; they are read by nothing.

## Locks

One process at a time trains a run, writes a plan, draws a block of a pool, converts a data set,
fits a generator. The system frees a lock when its holder dies. Where the file system knows no
locks, a marker `.lock.held` with process and machine takes their place. One of a dead process of
the same machine is taken over; one of another machine is named with its file, to be deleted when
that process is gone. All machines that share a folder must mount it alike: who has locks sees the
markers of those that have none, but not the other way round. Another folder is chosen with
`SYNAUG_BENCH_CACHE` and `out=`.
"""


def page() -> str:
    """The text of the page."""
    header = ["Fault", "To", "Lost", "Wrong", "Message", "Test"]
    cells = [
        [row.fault, code(row.to) if "." in row.to and " " not in row.to else row.to, "0", "0",
         row.said, code(row.test)]
        for row in ROWS
    ]  # fmt: skip
    count = f'{len(ROWS)} rows: 0 lost, 0 wrong. "goes on" is no message: nothing is lost.\n\n'
    return HEAD + count + markdown_table(header, cells) + TAIL


def main() -> None:
    """Write the page."""
    write_text(TARGET, page())
    print(f"{len(ROWS)} rows in {TARGET.name}")


if __name__ == "__main__":
    main()
