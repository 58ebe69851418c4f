"""What a worker does with a block it was given, wherever it runs; no lock, and safe to repeat."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmark.errors import BenchError, Interrupted, one_line
from benchmark.generation.claims import Block, Given
from benchmark.generation.drawing import Drawer, Slot
from benchmark.generation.fence import Fence
from benchmark.generation.frames import Frames, Setup, Spending
from benchmark.generation.results import PoolRow
from benchmark.generation.scale.notes import Note
from benchmark.system.progress import Tracker


@dataclass(frozen=True)
class Outcome:
    """What became of a block.

    Attributes:
        number: of the block.
        images: how many of its images are done.
        error: what stopped it; None if nothing did, or the run was stopped.
        deaths: workers that died while they drew it.
    """

    number: int
    images: int
    error: BenchError | None = None
    deaths: int = 0


@dataclass
class Worker:
    """Draws one block after another, with one generator.

    Attributes:
        setup: what it draws with.
        fence: of the run.
        meter: what may be spent by all workers together; None for any amount.
    """

    setup: Setup
    fence: Fence
    meter: Spending | None = None
    _frames: Frames = field(init=False)
    _opened: bool = False

    def __post_init__(self) -> None:
        self._frames = Frames(self.setup, self.meter)

    def draw(self, number: int, block: Block) -> Outcome:
        """Draw what is not recorded yet of a block.

        Args:
            number: of the block within the run.
            block: whose rows share a mode.

        Raises:
            Exception: what no rule covers, such as a lack of memory; its first line is noted for
                whoever gets the block next.
        """
        bar = Tracker("drawing", len(block.rows), "images", enabled=False)
        note = Note(self.fence.begun, self.setup.results, number)
        if self.fence.raised:
            return Outcome(number, 0)
        try:
            known = note.begin(self._frames.worker, block)
            self._open(block)
            self._draw(block, known, bar)
        except Interrupted:
            return Outcome(number, bar.done)
        except BenchError as error:
            return Outcome(number, bar.done, error)
        except Exception as error:
            note.fail(f"{type(error).__name__}: {one_line(error)}")
            raise
        return Outcome(number, bar.done, deaths=len(note.lines()) - 1)

    def _open(self, block: Block) -> None:
        if not self._opened:
            self._frames.open_session(block.rows[0])
            self._opened = True

    def _draw(self, block: Block, known: Mapping[Slot, PoolRow], bar: Tracker) -> None:
        Drawer(
            self._frames,
            Given(deque([block])),
            lambda _: known,
            self.fence,
            bar,
            lambda: not self.fence.lost,
        ).run()
