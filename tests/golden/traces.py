"""Golden loss traces: one tiny run a component, one thread, keyed by torch and platform.

command: python -m tests.golden.traces
"""

import json
import platform
import tempfile
from pathlib import Path

import torch

from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece, Watch, tiny_job
from benchmark.train import train

FILE = Path(__file__).parent / "traces.json"


def key() -> str:
    """What rounding depends on: torch, its instruction set, machine."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__} {capability} {platform.system()} {platform.machine()}"


def trace(name: str) -> list[float]:
    """Losses of all steps of the component's run, in one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            part = Piece(COMPONENTS.load(name), shipped_settings(name), name).build()
            watch = Watch((part,))
            train(tiny_job(watch, Path(folder)))
    finally:
        torch.set_num_threads(threads)
    return watch.trace


def main() -> None:
    """Write the traces of all components."""
    found = {"key": key(), "traces": {name: trace(name) for name in COMPONENTS.names()}}
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
