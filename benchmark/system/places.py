"""Where processes side by side run: each on its share of the cores, or on a GPU that some share.

Networks of this size gain more from several seeds at once than from several threads for one.
"""

import os
from collections.abc import Mapping

from benchmark.system.hardware import ask, cores

THREADS, DEVICES = "OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"


def places(workers: int) -> list[Mapping[str, str]]:
    """What to add to the environment of each of ``workers`` processes.

    Cores are divided among them unless ``OMP_NUM_THREADS`` is set; the GPUs that are visible take
    turns, so that with more workers than GPUs several runs share one. torch is not imported.
    """
    given, gpus = os.environ.get(THREADS), visible_gpus()
    share = {} if given else {THREADS: str(max(1, cores() // workers))}
    return [
        {**share, **({DEVICES: gpus[number % len(gpus)]} if gpus else {})}
        for number in range(workers)
    ]


def visible_gpus() -> list[str]:
    """Names of the GPUs that processes may use, as ``CUDA_VISIBLE_DEVICES`` takes them."""
    given = os.environ.get(DEVICES)
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    answer = ask("nvidia-smi", "--query-gpu=index", "--format=csv,noheader")
    return [line.strip() for line in (answer or "").splitlines() if line.strip()]
