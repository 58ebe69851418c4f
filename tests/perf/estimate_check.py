"""How far off the estimate of ``--dry-run --on MACHINE`` is, where the truth is known.

    python -m tests.perf.estimate_check

The same formula, with a profile of the CPU that the committed records were made on, predicts their
training seconds. The profile's numbers come from the records of one method only; all other records
are predicted. So are seconds of drawing. Nothing is trained; counting takes about a minute.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from benchmark.estimation.machines import Machine, Speed, Speeds
from benchmark.estimation.workload import Work
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.verbs.on_machine import works
from benchmark.vocabulary.listing import table

RECORDS = Path(__file__).parents[2] / "leaderboards" / "records"
METHOD, DRAWER = "ce", "t2i"


@dataclass(frozen=True)
class Sample:
    """A finished run, what it computed, and how long it trained."""

    record: Record
    work: Work

    @property
    def seconds(self) -> float:
        """Of training, as recorded."""
        return self.record.cost.training.seconds

    @property
    def group(self) -> tuple[str, str]:
        """Data set and precision."""
        return self.record.dataset.name, self.work.precision

    @property
    def ops(self) -> float:
        """Operations of all steps."""
        return sum(stage.steps * stage.ops for stage in self.work.stages)


def read(folder: Path = RECORDS) -> list[Sample]:
    """All finished runs of a folder with what they compute."""
    found = [item for _, item in records.find(folder) if isinstance(item, Record)]
    counted = works(record.experiment.overrides for record in found)
    return [Sample(record, counted[record.experiment.overrides]) for record in found]


def profile(samples: Iterable[Sample]) -> Machine:
    """The machine on which runs took the time they did, by the median of each group.

    Two networks in fp32 give the time of a FLOP and of an operation, runs in bf16 their own rate.
    """
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    rows = [_median(precision, own) for (_, precision), own in groups.items()]
    flop, op = _solved([row for row in rows if row[0] == "fp32"])
    (half,) = [(seconds - ops * op) / flops for kind, flops, ops, seconds in rows if kind == "bf16"]
    speed = Speed(fp32=1e-12 / flop, bf16=1e-12 / half)
    return Machine(
        what="the CPU of the records", memory_gb=0.0, reserved_gb=0.0, overlap=False,
        op_microseconds=1e6 * op, rates=Speeds(small=speed, large=speed, diffusion=speed.fp32),
        sources={},
    )  # fmt: skip


def _median(precision: str, own: Sequence[Sample]) -> tuple[str, float, float, float]:
    """FLOPs, operations and seconds."""
    flops = median(each.work.flops for each in own)
    return precision, flops, median(each.ops for each in own), median(e.seconds for e in own)


def _solved(rows: Sequence[tuple[str, float, float, float]]) -> tuple[float, float]:
    """Seconds of a FLOP and of an operation; of a FLOP alone where one would be negative."""
    sides = np.array([[flops, ops] for _, flops, ops, _ in rows])
    seconds = np.array([row[3] for row in rows])
    flop, op = np.linalg.lstsq(sides / seconds[:, None], np.ones(len(rows)), rcond=None)[0]
    if flop > 0 and op >= 0:
        return float(flop), float(op)
    return float(np.median(seconds / sides[:, 0])), 0.0


def ratio(sample: Sample, machine: Machine) -> float:
    """Predicted over measured seconds of training."""
    return sample.work.seconds(machine) / sample.seconds


def worst(ratios: Sequence[float]) -> float:
    """The ratio farthest from 1, as a factor either way."""
    return max(ratios, key=lambda value: max(value, 1 / value))


def _line(name: str, ratios: Sequence[float]) -> tuple[str, ...]:
    near = sum(1 / 1.5 <= value <= 1.5 for value in ratios)
    return (name, str(len(ratios)), f"{median(ratios):.2f}", f"{worst(ratios):.2f}",
            f"{100 * near / len(ratios):.0f} %")  # fmt: skip


def others_of(samples: Sequence[Sample]) -> list[Sample]:
    """Runs of other methods, without those that took over a stage that the profile came from."""
    own = [sample.record for sample in samples if sample.record.experiment.label == METHOD]
    known = {stage.seconds for record in own for stage in record.stages}
    return [
        sample
        for sample in samples
        if sample.record.experiment.label != METHOD
        and not any(s.shared and s.seconds in known for s in sample.record.stages)
    ]


def training_lines(samples: Sequence[Sample], machine: Machine) -> list[tuple[str, ...]]:
    """Predicted over measured by data set and by method, of all methods but the profile's."""
    others = others_of(samples)
    groups: dict[str, list[float]] = {"all but the profile's method": []}
    for sample in others:
        data, precision = sample.group
        value = ratio(sample, machine)
        for name in ("all but the profile's method", f"{data}, {precision}"):
            groups.setdefault(name, []).append(value)
    methods: dict[str, list[float]] = {}
    for sample in others:
        name = f"{sample.record.dataset.name}: {sample.record.experiment.label}"
        methods.setdefault(name, []).append(ratio(sample, machine))
    head = ("predicted / measured seconds", "runs", "median", "worst", "within 1.5")
    return [head, *(_line(*each) for each in [*groups.items(), *sorted(methods.items())])]


@dataclass(frozen=True)
class _Drawn:
    label: str
    flops: float
    seconds: float


def _drawn(samples: Iterable[Sample]) -> list[_Drawn]:
    """Each pool's images once."""
    found: dict[tuple[str, int], _Drawn] = {}
    # a pool that several methods share stands for the one whose rate is taken
    for sample in sorted(samples, key=lambda each: each.record.experiment.label != DRAWER):
        cost = sample.record.cost.generation
        if cost and cost.device_seconds and cost.flops:
            key = cost.pool_key, cost.candidates
            label = sample.record.experiment.label
            found.setdefault(key, _Drawn(label, cost.flops, cost.device_seconds))
    return list(found.values())


def drawing_lines(samples: Sequence[Sample], machine: Machine) -> list[tuple[str, ...]]:
    """The same for drawing: by the rate of training, and by that of one method's drawing."""
    pools = _drawn(samples)
    rate = median(each.flops / each.seconds for each in pools if each.label == DRAWER)
    by_training = [each.flops / machine.flops_a_second(32, "fp32") / each.seconds for each in pools]
    by_one = [each.flops / rate / each.seconds for each in pools if each.label != DRAWER]
    return [
        ("predicted / measured seconds of drawing", "pools", "median", "worst", "within 1.5"),
        _line(f"by the rate of training {METHOD}", by_training),
        _line(f"by the rate of drawing for {DRAWER} ({rate / 1e9:.1f} GFLOP/s)", by_one),
    ]


def across_networks(samples: Sequence[Sample]) -> list[tuple[str, ...]]:
    """One method, one number: what the rate of one network says about another's time."""
    own = [s for s in samples if s.record.experiment.label == METHOD]
    groups: dict[tuple[str, str], list[Sample]] = {}
    for sample in own:
        groups.setdefault(sample.group, []).append(sample)
    lines: list[tuple[str, ...]] = [
        ("one rate for all, no time of operations", "GFLOP/s", "against the first")
    ]
    rates = {
        key: median(sample.work.flops / sample.seconds for sample in found)
        for key, found in sorted(groups.items())
    }
    first = next(iter(rates.values()))
    lines += [
        (f"{METHOD}, {data}, {kind}", f"{rate / 1e9:.1f}", f"{rate / first:.2f}")
        for (data, kind), rate in rates.items()
    ]
    return lines


def main() -> int:
    """Print the profile and how well it predicts."""
    samples = read()
    machine = profile(s for s in samples if s.record.experiment.label == METHOD)
    small = machine.rates.small
    rates = f"{1000 * small.fp32:.1f} GFLOP/s in fp32, {1000 * small.bf16:.1f} in bf16"
    print(f"profile from {METHOD}: {rates}, {machine.op_microseconds:.1f} us an operation\n")
    for lines in (
        training_lines(samples, machine),
        drawing_lines(samples, machine),
        across_networks(samples),
    ):
        print("\n".join(table(lines, None)), "\n")
    quiet = replace(machine, op_microseconds=0.0)
    print(f"without time of operations: {_line('all', [ratio(s, quiet) for s in samples])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
