"""Where the time of the three hottest paths goes: the top operations of torch's profiler.

python -m tests.perf.profiles [--paths training,evaluation,drawing]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.boards.text import markdown_table, number
from benchmark.generation.frames import Materials
from benchmark.generation.pool import Pool
from tests.perf import drawing_overhead, evaluation_speed
from tests.perf.input_share import SuiteLoop, cifar_rows

BACKBONE = "cifar_resnet32"


def training() -> Callable[[], object]:
    """A step of 128 images."""
    loop = SuiteLoop(BACKBONE, cifar_rows())
    return lambda: loop.take(1)


def evaluation() -> Callable[[], object]:
    """Two hundred images in fp32."""
    return evaluation_speed.ways(BACKBONE, 200)["fp32"]


def drawing() -> Callable[[], object]:
    """Twenty images of the embedded generator, written as PNG."""
    generator, spec = drawing_overhead._generator(20)

    def draw() -> None:
        with tempfile.TemporaryDirectory() as folder:
            counts = [2] * spec.n_classes
            Pool.open(spec, Path(folder)).ensure(counts, generator, Materials(), progress=False)

    return draw


PATHS = {"training": training, "evaluation": evaluation, "drawing": drawing}


def top(work: Callable[[], object], rows: int = 8) -> str:
    """The operations that take the most CPU time of their own, after a call that warms up."""
    work()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        work()
    events = sorted(found.key_averages(), key=lambda each: -each.self_cpu_time_total)
    total = sum(each.self_cpu_time_total for each in events)
    lines = [
        [each.key, number(100 * each.self_cpu_time_total / total, 1), str(each.count)]
        for each in events[:rows]
    ]
    return markdown_table(["operation", "% of time", "calls"], lines)


def main() -> None:
    """Print a table for each path."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--paths", default=",".join(PATHS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.paths.split(","):
        print(f"{name}\n\n{top(PATHS[name]())}", flush=True)


if __name__ == "__main__":
    main()
