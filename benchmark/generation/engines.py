"""How the missing images of a pool get drawn: here, or by many workers (``generation.scale``)."""

from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmark.generation.access import CLAIMS, shared
from benchmark.generation.claims import Claims, blocks
from benchmark.generation.drawing import Drawer, Others
from benchmark.generation.frames import Frames, Setup
from benchmark.generation.limits import Meter
from benchmark.generation.plan import PlanRow
from benchmark.generation.results import Tail
from benchmark.system.interrupts import stop_flag
from benchmark.system.progress import Tracker


@dataclass(frozen=True)
class Order:
    """What is to be drawn.

    Attributes:
        setup: what it is drawn with.
        missing: the rows, at least one, in plan order.
        tail: reads the rows of all workers; at the point where the missing rows were found.
        meter: what may be spent; None for any amount.
        progress: whether to show a bar.
    """

    setup: Setup
    missing: Sequence[PlanRow]
    tail: Tail
    meter: Meter | None = None
    progress: bool = True

    def bar(self) -> Tracker:
        """A bar over the missing images."""
        return Tracker("drawing", len(self.missing), "images", enabled=self.progress)


class Engine(Protocol):
    """A way of drawing."""

    def check(self) -> None:
        """Refuse what cannot work here, before any work.

        Raises:
            UsageError: a library or a cluster is not there.
        """

    def access(self, pool: Path) -> AbstractContextManager[None]:
        """The right to draw at the pool in a folder; waits for it."""

    def draw(self, order: Order) -> None:
        """Draw all of it.

        Raises:
            BenchError: what stopped it; what was drawn until then is recorded.
        """


@dataclass(frozen=True)
class Here:
    """Drawing in this process, beside any number of others on this machine."""

    def check(self) -> None:
        """See ``Engine.check``; nothing is needed."""

    def access(self, pool: Path) -> AbstractContextManager[None]:
        """See ``Engine.access``."""
        return shared(pool)

    def draw(self, order: Order) -> None:
        """See ``Engine.draw``; blocks are shared with other processes by lock files."""
        setup = order.setup
        frames = Frames(setup, order.meter)
        frames.open_session(order.missing[0])
        waiting = blocks(order.missing, map(setup.mode_number, order.missing), setup.spec.n_classes)
        claims = Claims(setup.folder / CLAIMS, deque(waiting))
        wanted = frozenset((row.label, row.slot) for row in order.missing)
        with stop_flag() as stop, order.bar() as bar:
            Drawer(frames, claims, Others(frames, order.tail, wanted), stop, bar).run()


HERE = Here()
