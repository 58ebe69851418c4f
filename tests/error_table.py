"""docs/errors.md: what is said about each kind of bad input, from real commands.

python -m tests.error_table        run every kind and write the table, about a minute
"""

import os
import re
import shlex
import tempfile
from pathlib import Path

import tests.conftest  # noqa: F401 (no network, quiet libraries)
from benchmark.system.files import write_text
from tests.fixtures.mistakes import KINDS, SHORT, Kind, bench

TARGET = Path(__file__).resolve().parent.parent / "docs" / "errors.md"
HEAD = """# Errors

What the suite says about bad input, and with which exit code. Each message is one line on standard
error: what is wrong, in brackets where, and after a semicolon what to do. Whatever can be refused
is refused before an image is drawn or a step is taken; nothing already finished is lost.

The table is real output, written by `python -m tests.error_table`; folders are shortened to PATH
and hashes to HASH. `tests/faults/test_messages.py` runs the same commands.

| code | meaning |
|---|---|
| 0 | done |
| 1 | another error |
| 2 | wrong usage |
| 3 | data or weights are absent |
| 4 | a file is broken |
| 5 | the disk is full or cannot be written |
| 6 | a regression check that needs more seeds |
| 70 | a bug in the suite, with a traceback |
| 130 | interrupted; the same command goes on |
| 141 | the reader of a pipe went away |

| kind | command (after `python -m benchmark`) | message | code |
|---|---|---|---|
"""


def row(kind: Kind) -> str:
    """The line of the table for one kind."""
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as work:
        kind.around(work)
        found = work.call(*kind.args)
        text = found.err.strip().splitlines()[-1].removeprefix("error: ")
        text = text.replace(os.path.realpath(folder), "PATH").replace(folder, "PATH")
        text = text.replace(" " + " ".join(SHORT), "")
    words = [word for word in kind.args if word not in SHORT]
    cells = (kind.name, f"`{shlex.join(words)}`", _plain(text), str(found.code))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """A message without what differs from one machine or version to the next."""
    text = re.sub(r"part-[\w-]+", "part-WORKER", text)
    return re.sub(r"\b(?=[0-9a-f]*\d)[0-9a-f]{12,40}\b", "HASH", text)


def main() -> None:
    """Write the table."""
    write_text(TARGET, HEAD + "\n".join(map(row, KINDS)) + "\n")
    print(f"{len(KINDS)} kinds in {TARGET.name}")


if __name__ == "__main__":
    main()
