"""Which process draws what: locks on small blocks of a plan, released by the system on death.

Several processes work on one plan without a coordinator. A block is a run of neighbouring slots
that share a mode; whoever locks its file draws it. A lock dies with its process, so a killed
worker's block is free at once and no clock is needed to find out.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import BaseFileLock

from benchmark.generation.plan import PlanRow
from benchmark.system.locks import attempt

BLOCK = 64


@dataclass(frozen=True)
class BlockKey:
    """What names a block.

    Attributes:
        mode: number of the strength and adapter that its rows share.
        index: position of the block among the pool's slots.
    """

    mode: int
    index: int


@dataclass
class Block:
    """Rows that one process draws.

    Attributes:
        key: the block's name, the same in every process.
        rows: those still to be drawn.
        lock: held while they are.
        open: rows not yet recorded.
    """

    key: BlockKey
    rows: list[PlanRow]
    lock: BaseFileLock | None = None
    open: int = 0

    def done(self, rows: int = 1) -> None:
        """Count rows as recorded; the last one frees the block."""
        self.open -= rows
        if self.open <= 0:
            self.free()

    def free(self) -> None:
        """Give the block back."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None


@dataclass
class Claims:
    """The blocks of what one process found missing.

    Attributes:
        folder: of the lock files.
        waiting: blocks not claimed yet, in plan order.
        held: blocks claimed by this process.
    """

    folder: Path
    waiting: deque[Block]
    held: list[Block] = field(default_factory=list)

    def claim(self, mode: int | None = None) -> Block | None:
        """Lock the first block that is free, of ``mode`` if given; None if others hold them all.

        Raises:
            StorageError: the lock files cannot be written.
        """
        for block in self.waiting:
            if mode is not None and block.key.mode != mode:
                continue
            lock = attempt(self.folder / f"{block.key.mode}-{block.key.index}.lock")
            if lock is not None:
                self.waiting.remove(block)
                block.lock, block.open = lock, len(block.rows)
                self.held.append(block)
                return block
        return None

    def free(self) -> None:
        """Give every block back."""
        for block in self.held:
            block.free()
        self.held.clear()


@dataclass
class Given:
    """Blocks that nobody else was given; no lock is needed.

    Attributes:
        waiting: blocks not taken yet.
    """

    waiting: deque[Block]

    def claim(self, mode: int | None = None) -> Block | None:
        """The next block, of ``mode`` if given; None if there is none."""
        for block in self.waiting:
            if mode is None or block.key.mode == mode:
                self.waiting.remove(block)
                block.open = len(block.rows)
                return block
        return None

    def free(self) -> None:
        """Nothing is held."""


def blocks(rows: Sequence[PlanRow], modes: Iterable[int], n_classes: int) -> list[Block]:
    """Rows in blocks, ordered by mode, then by place.

    Args:
        rows: what is missing.
        modes: for each row, the number of its mode.
        n_classes: of the pool; a row's place is slot x classes + label.
    """
    found: dict[BlockKey, Block] = {}
    for row, mode in zip(rows, modes, strict=True):
        key = BlockKey(mode, (row.slot * n_classes + row.label) // BLOCK)
        found.setdefault(key, Block(key, [])).rows.append(row)
    return sorted(found.values(), key=lambda block: (block.key.mode, block.key.index))
