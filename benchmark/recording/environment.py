"""Versions and hardware of a run. Nothing heavy is imported: torch is asked only if loaded."""

import platform
import sys

from benchmark import __version__
from benchmark.paths import PACKAGE
from benchmark.recording.record_models import Environment
from benchmark.system import hardware

LIBRARIES = ("numpy", "torch", "torchvision", "timm", "diffusers")


def gather() -> Environment:
    """The environment block of a record."""
    torch = sys.modules.get("torch")
    sha, dirty = hardware.code_state(PACKAGE)
    gpu = hardware.gpu_name(torch)
    return Environment(
        python=platform.python_version(),
        bench=__version__,
        **{name: hardware.version(name) for name in LIBRARIES},
        os=" ".join([platform.system(), platform.machine(), *platform.libc_ver()]).strip(),
        cpu=hardware.cpu_name(),
        cores=hardware.cores(),
        threads=torch.get_num_threads() if torch else hardware.cores(),
        instructions=str(torch.backends.cpu.get_cpu_capability()) if torch else None,
        memory_bytes=hardware.memory_bytes(),
        gpu=gpu,
        driver=hardware.driver() if gpu else None,
        git_sha=sha,
        dirty=dirty,
    )
