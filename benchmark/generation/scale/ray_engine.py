"""Drawing on Ray Data: the missing rows of a plan as a data set, mapped by actors that draw.

Ray gives each block to one actor and repeats it elsewhere if that one dies; ``worker`` makes the
repetition safe. Images never pass through Ray: actors write them into the pool's folder.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt
from benchmark.errors import BenchError, UsageError, one_line
from benchmark.generation.access import alone
from benchmark.generation.claims import Block
from benchmark.generation.engines import Order
from benchmark.generation.fence import Fence
from benchmark.generation.frames import Setup
from benchmark.generation.limits import Meter
from benchmark.generation.scale.extras import need
from benchmark.generation.scale.following import follow
from benchmark.generation.scale.worker import Outcome, Worker

LOCAL = "local"
_IN_FLIGHT = 2
_STORE_BYTES = 10**9
# no report to Ray's makers, and no warnings about what Ray Data itself does
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
_PASSED_ON = ("SYNAUG_BENCH_CACHE", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE")


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Drawing by actors of a Ray cluster, or of one started on this machine.

    Attributes:
        least: actors to start with and to keep.
        most: actors to have at most, as resources allow.
        cpus: cores an actor.
        gpus: GPUs an actor, a fraction for several on one; None for one where there are any.
        address: of a cluster, "auto" for the one this machine belongs to, "local" for a new one
            here; None follows RAY_ADDRESS, and without it is "local".
        block: rows handed out at a time; None for about 256.
    """

    least: PositiveInt = 1
    most: PositiveInt = 1
    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat | None = None
    address: str | None = None
    block: PositiveInt | None = None

    def check(self) -> None:
        """See ``Engine.check``."""
        need("ray", "data")

    def access(self, pool: Path) -> AbstractContextManager[None]:
        """See ``Engine.access``; other processes wait, and workers of an earlier run stop."""
        return alone(pool)

    def draw(self, order: Order) -> None:
        """See ``Engine.draw``."""
        from benchmark.generation.scale.blocks import block_size, cut

        setup, fence = order.setup, Fence.of(order.setup.folder)
        # weights that were loaded here would be sent to every worker
        setup.generator.close()
        batch = setup.generator.batch_size
        size = self.block or block_size(len(order.missing), self.most, batch)
        blocks = cut(setup, order.missing, size)
        with self._cluster(), _failing_in_one_line():
            follow(self._outcomes(setup, blocks, fence, order.meter), order, fence.stop)

    @contextmanager
    def _cluster(self) -> Iterator[None]:
        ray = need("ray", "data")
        if ray.is_initialized():
            yield
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or LOCAL
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        _connect(ray, address, ceil(self.most * self.cpus))
        try:
            yield
        finally:
            ray.shutdown()

    def _outcomes(
        self, setup: Setup, blocks: Sequence[Block], fence: Fence, meter: Meter | None
    ) -> Iterator[Outcome]:
        ray = need("ray", "data")
        from ray.data import ActorPoolStrategy

        from benchmark.generation.scale.blocks import outcomes, tables

        _quiet(ray)
        found = ray.data.from_arrow(list(tables(blocks))).map_batches(
            Actor,
            fn_constructor_args=(ray.put(setup), fence, _keeper(ray, meter)),
            batch_size=None,
            batch_format="pyarrow",
            compute=ActorPoolStrategy(
                min_size=min(self.least, len(blocks)),
                max_size=min(self.most, len(blocks)),
                max_tasks_in_flight_per_actor=_IN_FLIGHT,
            ),
            num_cpus=self.cpus,
            num_gpus=self._gpus(ray),
        )
        for table in found.iter_batches(batch_size=None, batch_format="pyarrow"):
            yield from outcomes(table)

    def _gpus(self, ray: Any) -> float:
        if self.gpus is not None:
            return self.gpus
        return 1.0 if ray.cluster_resources().get("GPU") else 0.0


def _connect(ray: Any, address: str, cpus: int) -> None:
    try:
        ray.init(**_init_values(address, cpus))
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(
            f"Expected a Ray cluster, but got {one_line(error)}",
            where=f"address={address}",
            todo="start one (ray start --head), or use address=local",
        ) from error


def _init_values(address: str, cpus: int) -> dict[str, Any]:
    common = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == LOCAL:
        # more workers than cores are the user's choice
        return common | {
            "address": LOCAL,
            "num_cpus": max(cpus, os.cpu_count() or 1),
            "object_store_memory": _STORE_BYTES,
        }
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return common | {"address": address, "runtime_env": {"env_vars": passed}}


def _quiet(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@contextmanager
def _failing_in_one_line() -> Iterator[None]:
    """Errors of Ray itself, such as a lost head node, as ours."""
    from ray.exceptions import RayError

    try:
        yield
    except RayError as error:
        raise BenchError(
            f"Ray stopped: {one_line(error)}",
            where="engine=ray",
            todo="what was drawn is kept; run again to go on",
        ) from error


class Actor:
    """Holds a pipeline and draws blocks; what Ray maps over the data set.

    Args:
        setup: a reference to what it draws with.
        fence: of the run.
        keeper: the actor that holds the meter; None without limits.
    """

    def __init__(self, setup: Any, fence: Fence, keeper: Any) -> None:
        import ray

        meter = KeptMeter(keeper) if keeper is not None else None
        self.worker = Worker(ray.get(setup), fence, meter)

    def __call__(self, table: Any) -> Any:
        """Draw a block; returns one row about it."""
        from benchmark.generation.scale.blocks import from_table, outcome_table

        try:
            return outcome_table(self.worker.draw(*from_table(table)))
        except Exception:
            # a device that failed once may stay so: a fresh process gets the block
            os._exit(1)


class Keeper:
    """Holds the meter of a run for all its actors."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def spend(self, **amounts: Any) -> UsageError | None:
        """See ``Meter.spend``; the refusal is returned, since Ray wraps what is raised."""
        try:
            self.meter.spend(**amounts)
        except UsageError as error:
            return error
        return None


def _keeper(ray: Any, meter: Meter | None) -> Any:
    """The keeper, on the driver's machine, so that it is lost only with it; None without meter."""
    if meter is None:
        return None
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(Keeper).options(num_cpus=0, scheduling_strategy=here).remote(meter)


@dataclass(frozen=True)
class KeptMeter:
    """The meter of a run, as one actor sees it.

    Attributes:
        keeper: handle of the actor that holds it.
    """

    keeper: Any

    def spend(
        self, images: int = 0, calls: int = 0, seconds: float = 0.0, flops: float = 0.0
    ) -> None:
        """See ``Meter.spend``."""
        import ray

        asked = self.keeper.spend.remote(images=images, calls=calls, seconds=seconds, flops=flops)
        refused: UsageError | None = ray.get(asked)
        if refused is not None:
            raise refused
