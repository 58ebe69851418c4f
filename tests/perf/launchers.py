"""A grid of the digits under each launcher: equal records, wall time, and a second launch.

python -m tests.perf.launchers [--grid table1] [--seeds 1] [--launchers basic,joblib,...]

Every launcher starts from an empty cache and an empty folder of runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark.recording import records

WORDS = {
    "workers": ["workers=2"],
    "basic": ["hydra/launcher=basic"],
    "joblib": ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"],
    "submitit_local": ["hydra/launcher=submitit_local"],
    "ray": ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"],
}
Found = dict[tuple[str, int], tuple[object, ...]]


def launch(name: str, grid: list[str], folder: Path, python: str) -> tuple[float, int]:
    """Seconds and exit code of one launch."""
    env = os.environ | {"SYNAUG_BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    begin = time.monotonic()
    done = subprocess.run(
        [python, "-m", "benchmark", "run", *grid, f"out={folder / 'runs'}", *WORDS[name],
         "progress=false"],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
    return time.monotonic() - begin, done.returncode


def found(folder: Path) -> Found:
    """What must not depend on the launcher, by experiment and seed."""
    return {
        (each.experiment.hash, each.seed): (
            each.final_weights_sha256, each.metrics, each.budget, each.pool, each.dataset
        )
        for path in (folder / "runs").rglob("record.json")
        for each in [records.load(path)]
    }  # fmt: skip


def main() -> None:
    """Print a line a launcher."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--grid", default="table1")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--launchers", default="basic,joblib,submitit_local")
    parser.add_argument("--ray-python", default=sys.executable, help="where its launcher is")
    given = parser.parse_args()
    grid = [f"grid={given.grid}", f"seeds={given.seeds}"]
    first: Found = {}
    print(f"{'launcher':<16}{'seconds':>9}{'again':>9}{'records':>9}  equal to the first")
    for name in given.launchers.split(","):
        with tempfile.TemporaryDirectory() as text:
            folder, python = Path(text), given.ray_python if name == "ray" else sys.executable
            seconds, code = launch(name, grid, folder, python)
            again, _ = launch(name, grid, folder, python)
            own = found(folder)
        first = first or own
        equal = sum(first.get(key) == value for key, value in own.items())
        print(
            f"{name:<16}{seconds:>9.1f}{again:>9.1f}{len(own):>9}  {equal} of {len(own)}, "
            f"exit code {code}",
            flush=True,
        )


if __name__ == "__main__":
    main()
