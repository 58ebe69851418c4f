"""Thousands of valid records, varied from the committed ones, and what a leaderboard of them takes.

python -m tests.perf.many_records [--records 10000] [--seeds 10] [--tables 4] [--profile FILE]

Records are those of made-up variants: labels, hashes, seeds and counts of correct rows differ, and
every number that follows from the counts is recomputed, so that all pass validation. No
predictions lie beside them.
"""

import argparse
import copy
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import key_of
from benchmark.statistics import metrics
from benchmark.statistics.metrics import PerClass
from benchmark.system.files import content_hash

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "leaderboards" / "records"
SEEDS = 10
TABLES = 4
# in points of accuracy: what a variant changes, and what a seed does
EFFECT, NOISE = 0.04, 0.01

Plain = dict[str, Any]
Template = list[Plain]


def templates(tables: int = TABLES) -> list[list[Template]]:
    """The committed experiments of the largest tables: for each table, runs by experiment."""
    found = [item for _, item in records.find(COMMITTED) if isinstance(item, Record)]
    found.sort(key=lambda record: (key_of(record), record.experiment.hash, record.seed))
    by_table = [list(part) for _, part in groupby(found, key_of)]
    largest = sorted(by_table, key=len, reverse=True)[:tables]
    return [[list(map(_plain, runs)) for runs in _by_experiment(table)] for table in largest]


def _by_experiment(table: Sequence[Record]) -> Iterator[list[Record]]:
    for _, runs in groupby(table, lambda record: record.experiment.hash):
        yield list(runs)


def _plain(record: Record) -> Plain:
    found: Plain = json.loads(records.dumps(record))
    return found


def variants(count: int, seeds: int = SEEDS, tables: int = TABLES) -> Iterator[Plain]:
    """Records as plain values, experiment by experiment.

    Args:
        count: records.
        seeds: runs of each experiment.
        tables: leaderboards that they are spread over by turns.
    """
    known = templates(tables)
    for index in range(count):
        number, seed = divmod(index, seeds)
        own = known[number % len(known)]
        runs = own[number // len(known) % len(own)]
        yield _variant(runs[seed % len(runs)], number, seed)


def _variant(template: Plain, number: int, seed: int) -> Plain:
    label = f"{template['experiment']['label']} variant={number}"
    digest = content_hash([label, seed], 64)
    made = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=97 * (number * SEEDS + seed))
    words = [*template["experiment"]["overrides"], f"variant={number}"]
    own = {"hash": content_hash(label), "label": label, "overrides": words}
    return {
        **copy.copy(template),
        "created": made.isoformat(),
        "command": " ".join(["python -m benchmark run", *words, f"seed={seed}"]),
        "experiment": template["experiment"] | own,
        "seed": seed,
        "metrics": _metrics(template, number, seed),
        "predictions": template["predictions"] | {"sha256": digest},
        "final_weights_sha256": digest[::-1],
    }


def _metrics(template: Plain, number: int, seed: int) -> Plain:
    """Other counts of correct rows, and the accuracies that follow from them."""
    shift = np.random.default_rng([number]).normal(0, EFFECT)
    noise = np.random.default_rng([number, seed]).normal(0, NOISE)
    old = template["metrics"]["per_class"]
    n, correct = np.array(old["n"]), np.array(old["correct"])
    moved = np.rint(correct + (shift + noise) * n).astype(int).clip(0, n)
    counts = PerClass(tuple(old["n"]), tuple(moved.tolist()))
    groups = {
        name: asdict(metrics.group_accuracy(counts, own))
        for name, own in template["dataset"]["conventions"].items()
    }
    scores = {
        name: getattr(metrics, name)(counts) for name in ("accuracy", "macro", "worst", "harmonic")
    }
    return template["metrics"] | scores | {"groups": groups, "per_class": asdict(counts)}


def write(folder: Path, count: int, seeds: int = SEEDS, tables: int = TABLES) -> None:
    """Write records as a folder of leaderboards keeps them."""
    for value in variants(count, seeds, tables):
        own = value["experiment"]
        run = folder / value["dataset"]["name"] / "variants" / own["hash"] / f"s{value['seed']}"
        run.mkdir(parents=True, exist_ok=True)
        (run / "record.json").write_text(json.dumps(value), encoding="utf-8")


def report(root: Path, *, profile: Path | None = None) -> float:
    """Make all tables and the page below ``root`` from its records; CPU seconds of the process."""
    python = [sys.executable, *(["-m", "cProfile", "-o", str(profile)] if profile else [])]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [*python, "-m", "benchmark", "report"],
        cwd=root, env=_environment(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _environment() -> dict[str, str]:
    import os

    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Print what a leaderboard of that many records takes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--tables", type=int, default=TABLES)
    parser.add_argument("--profile", type=Path, help="where cProfile's numbers go")
    parser.add_argument("--keep", type=Path, help="a folder for the records; a temporary one else")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.keep or Path(temporary)
        folder = root / "leaderboards" / "records"
        if not folder.is_dir():
            write(folder, given.records, given.seeds, given.tables)
        seconds = report(root, profile=given.profile)
        page = root / "leaderboards" / "index.html"
        print(
            f"{given.records:,} records: {seconds:.1f} CPU-seconds, "
            f"page {page.stat().st_size / 2**20:.1f} MiB"
        )


if __name__ == "__main__":
    main()
