"""What was drawn for a pool, by slot, and what a budget's share of it cost."""

from collections.abc import Iterable, Sequence

from benchmark.errors import IntegrityError
from benchmark.generation.cost import GenerationCost, joined
from benchmark.generation.plan import PlanRow, PoolSpec
from benchmark.generation.results import PoolRow, Session

Slot = tuple[int, int]


class Ledger:
    """Result rows by slot. Of several rows of one image, the last one counts.

    Args:
        spec: of the pool.
        rows: every result row, in the order written by each worker.
        sessions: what each worker drew with.
    """

    def __init__(
        self, spec: PoolSpec, rows: Sequence[PoolRow], sessions: dict[str, Session]
    ) -> None:
        self.spec = spec
        self.rows = rows
        self.sessions = sessions
        self._accepted: dict[Slot, PoolRow] = {}
        self._rejected: dict[Slot, dict[int, PoolRow]] = {}
        for row in rows:
            self._enter(row)

    def _enter(self, row: PoolRow) -> None:
        slot = (row.label, row.slot)
        if row.status == "ok":
            self._accepted[slot] = row
        else:
            self._rejected.setdefault(slot, {})[row.attempt] = row

    @property
    def by_slot(self) -> dict[Slot, PoolRow]:
        """Accepted rows by (label, slot)."""
        return self._accepted

    def accepted(self, row: PlanRow) -> PoolRow | None:
        """The accepted image of a slot, if there is one."""
        return self._accepted.get((row.label, row.slot))

    def rejected(self, row: PlanRow) -> list[PoolRow]:
        """The rejected frames of a slot, one an attempt."""
        return list(self._rejected.get((row.label, row.slot), {}).values())

    def cost(self, wanted: Iterable[PlanRow]) -> GenerationCost:
        """The cost of the slots of ``wanted`` as if drawn alone, with the pool's totals."""
        wanted = list(wanted)
        accepted = [row for row in map(self.accepted, wanted) if row is not None]
        rejected = [row for one in wanted for row in self.rejected(one)]
        candidates = accepted + rejected
        sessions = [self.sessions[name] for name in self._workers(candidates)]
        drawn_ok = sum(1 for row in self.rows if row.status == "ok")
        return GenerationCost(
            candidates=len(candidates),
            accepted=len(accepted),
            rejected=len(rejected),
            failed=drawn_ok - len(self._accepted),
            network_calls_predicted=sum(self._predicted(row) for row in candidates),
            network_calls_measured=sum(row.calls for row in candidates),
            guidance_factor=max((one.guidance_factor for one in sessions), default=0),
            flops=self._flops(candidates),
            device_seconds=round(sum(row.seconds for row in candidates), 6),
            load_seconds=max((one.load.seconds for one in sessions), default=0.0),
            device=joined(one.load.device for one in sessions),
            dtype=joined(one.dtype for one in sessions),
            knowledge=tuple(sorted({tag for one in sessions for tag in one.knowledge})),
            pool_key=self.spec.key,
            pool_candidates=len(self.rows),
            pool_network_calls=sum(row.calls for row in self.rows),
            pool_device_seconds=round(sum(row.seconds for row in self.rows), 6),
        )

    def _predicted(self, row: PoolRow) -> int:
        return self.spec.calls[row.slot % len(self.spec.calls)]

    def _workers(self, rows: Iterable[PoolRow]) -> list[str]:
        """The sessions that drew ``rows``.

        Raises:
            IntegrityError: one is gone: what its images cost is not known.
        """
        names = {row.worker for row in rows}
        for name in sorted(names - set(self.sessions)):
            raise IntegrityError(
                f"Expected session-{name}.json, but got none",
                where=f"results of pool {self.spec.key}",
                todo=f"restore it, or delete part-{name}.jsonl; its images are drawn again",
            )
        return sorted(names)

    def _flops(self, rows: Iterable[PoolRow]) -> float:
        total = 0.0
        for row in rows:
            if row.worker in self.sessions:
                load = self.sessions[row.worker].load
                total += row.calls * load.flops_call + load.flops_image
        return total
