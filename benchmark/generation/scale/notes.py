"""Who began a block: so that whoever gets it next finds what is recorded of it.

Reading the rows of all workers before each block would be a million rows for each of many workers.
A note is a small file that is opened by its name, which also an old listing of a network folder
does not hide.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import DataError
from benchmark.generation.claims import Block
from benchmark.generation.frames import part_path
from benchmark.generation.results import PoolRow, rows_in
from benchmark.system.files import write_text

TRIES = 5


@dataclass(frozen=True)
class Note:
    """The note about one block.

    Attributes:
        folder: of the notes of a run.
        results: of the pool.
        number: of the block.
    """

    folder: Path
    results: Path
    number: int

    @property
    def path(self) -> Path:
        """Its file: a line for each time that the block was begun."""
        return self.folder / f"{self.number}.txt"

    def lines(self) -> list[list[str]]:
        """Worker and rows recorded before it, for each time that the block was begun."""
        if not self.path.exists():
            return []
        return [line.split() for line in self.path.read_text(encoding="utf-8").splitlines()]

    def begin(self, worker: str, block: Block) -> Mapping[tuple[int, int], PoolRow]:
        """Note that ``worker`` begins the block.

        Returns:
            the last row recorded of each of the block's slots, by label and slot.

        Raises:
            DataError: ``TRIES`` workers died at the block without recording a row.
        """
        lines = self.lines()
        rows = self._recorded([line[0] for line in lines], block)
        fruitless = sum(1 for _, before, *_ in lines if int(before) == len(rows))
        if fruitless >= TRIES:
            raise _poisonous(block, fruitless, self._reason())
        self._write([*lines, [worker, str(len(rows))]])
        return {(row.label, row.slot): row for row in rows}

    def _write(self, lines: Sequence[Sequence[str]]) -> None:
        write_text(self.path, "".join(" ".join(line) + "\n" for line in lines))

    def _recorded(self, workers: Sequence[str], block: Block) -> list[PoolRow]:
        slots = {(row.label, row.slot) for row in block.rows}
        paths = [part_path(self.results, worker) for worker in dict.fromkeys(workers)]
        rows = [row for path in paths if path.exists() for row in rows_in(path)]
        mine = [row for row in rows if (row.label, row.slot) in slots]
        return sorted(mine, key=lambda row: row.attempt)

    @property
    def _failure(self) -> Path:
        return self.folder / f"{self.number}.error"

    def fail(self, reason: str) -> None:
        """Keep why a worker gave up, for the message if the others do too."""
        write_text(self._failure, reason)

    def _reason(self) -> str:
        return self._failure.read_text(encoding="utf-8") if self._failure.exists() else ""


def _poisonous(block: Block, times: int, reason: str) -> DataError:
    first = block.rows[0]
    said = f": {reason}" if reason else ", without a word"
    return DataError(
        f"Expected the images from '{first.class_name}' (slot {first.slot}) on, but {times} "
        f"workers died while they drew them{said}",
        where=f"block of {len(block.rows)} images",
        todo="look for a lack of memory in the workers' logs (Ray's, or the jobs'); "
        "what was drawn is kept",
    )
