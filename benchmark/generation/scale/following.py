"""The driver's side of a run: outcomes counted as they come, workers stopped together."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator

from benchmark.errors import BenchError
from benchmark.generation.drawing import stopped
from benchmark.generation.engines import Order
from benchmark.generation.scale.worker import Outcome
from benchmark.system.console import say
from benchmark.system.interrupts import stop_flag

_POLL_SECONDS = 0.3
_END = None
_News = Outcome | BaseException | None


def follow(found: Iterable[Outcome], order: Order, stop_workers: Callable[[], None]) -> None:
    """Wait for all blocks; on a signal or an error the workers finish their batches and stop.

    Args:
        found: outcomes as they come; blocking.
        order: what was handed out.
        stop_workers: asks them to; called once.

    Raises:
        BenchError: what stopped a worker first.
        Interrupted: a signal asked to stop.
    """
    error: BenchError | None = None
    asked, deaths = False, 0
    with stop_flag() as stop, order.bar() as bar:
        for outcome in _polled(found):
            if outcome is not None:
                bar.advance(outcome.images)
                error = error or outcome.error
                deaths += outcome.deaths
            if not asked and (stop.raised or error):
                asked = True
                stop_workers()
    if deaths:
        say("workers", f"{deaths} died while they drew; what they had not recorded was drawn again")
    if error is not None:
        raise error
    if bar.done < bar.total:
        raise stopped(bar.total - bar.done, bar.total, order.setup.folder)


def _polled(found: Iterable[Outcome]) -> Iterator[Outcome | None]:
    """Outcomes as they come, and None now and then, so that a signal is seen meanwhile."""
    news: queue.Queue[tuple[bool, _News]] = queue.Queue()

    def read() -> None:
        try:
            for outcome in found:
                news.put((True, outcome))
            news.put((False, _END))
        except BaseException as error:
            news.put((False, error))

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            more, item = news.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        if isinstance(item, BaseException):
            raise item
        if not more:
            return
        yield item
