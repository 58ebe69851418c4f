"""A page of made-up records, and how long it takes until a reader can sort it.

python -m tests.page.many                              10,000 records, five seeds a row
python -m tests.page.many --records 10000 --seeds 1    10,000 rows in one table
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.boards.leaderboard import Row, Table, rows_of
from benchmark.recording.record_models import TRACKS, Record
from benchmark.recording.table_key import key_of
from benchmark.report.page.build import render
from benchmark.statistics import metrics
from benchmark.statistics.metrics import PerClass
from tests.fixtures.records import make_record
from tests.page import sample
from tests.page.browser import launched, until, watch

CLASSES, TEST_ROWS = 10, 100
PARTS = tuple(f"part{number}" for number in range(30))
# Once the first picture is there, sort by a click on a head and wait for the next picture.
PROBE = """
new PerformanceObserver((list) => {
  for (const { name } of list.getEntries()) {
    if (name !== "interactive") continue;
    const next = (work) => requestAnimationFrame(() => setTimeout(work, 0));
    next(() => {
      document.querySelector("#board th[data-key=few] button").click();
      next(() => { window.sortedAt = performance.now(); });
    });
  }
}).observe({ entryTypes: ["mark"] });
"""


def base(track: str) -> Record:
    """A valid record of ten classes; the others are copies of it with other numbers."""
    names = tuple(f"class {label}" for label in range(CLASSES))
    counts = tuple(round(100 * 0.6**label) or 1 for label in range(CLASSES))
    added = sample.ADDED if track in ("synthetic", "web") else {}
    paid = {"cost__generation": added["cost__generation"]} if added else {}
    groups = ("many",) * 3 + ("medium",) * 3 + ("few",) * 4
    add = tuple(max(counts) - count if added else 0 for count in counts)
    train = tuple(sum(pair) for pair in zip(counts, add, strict=True))
    found = metrics.compute(
        _right((90,) * CLASSES),
        CLASSES,
        {"lt20": groups},  # type: ignore[dict-item]
    )
    return make_record(
        metrics=found, method__track=track, dataset__classes=names, dataset__counts_real=counts,
        dataset__counts_train=train, dataset__n_train=sum(train), dataset__test_n=1000,
        dataset__conventions={"lt20": groups}, budget__keep=counts, budget__add=add,
        budget__label="uniform(max)" if added else "none", **paid,
    )  # fmt: skip


def _right(correct: tuple[int, ...]) -> Any:
    from tests.fixtures.records import make_predictions

    return make_predictions(correct, TEST_ROWS)


def records(rows: int, seeds: int) -> Iterator[list[Record]]:
    """The runs of each row."""
    rng = random.Random(7)
    bases = [base(track) for track in TRACKS]
    for row in range(rows):
        first = bases[row % len(bases)]
        names = rng.sample(PARTS, rng.randint(1, 3))
        stack = tuple(first.method.stack[0].model_copy(update={"name": name}) for name in names)
        method = first.method.model_copy(update={"stack": stack})
        level = rng.uniform(30, 95)
        label = f"{' + '.join(names)} (x={row})"
        own = first.experiment.model_copy(update={"hash": f"{row:012x}", "label": label})
        yield [_run(first, own, method, seed, level, rng) for seed in range(seeds)]


def _run(
    first: Record, own: Any, method: Any, seed: int, level: float, rng: random.Random
) -> Record:
    correct = tuple(
        max(0, min(TEST_ROWS, round(level - 2 * label + rng.gauss(0, 3))))
        for label in range(CLASSES)
    )
    counts = PerClass(first.metrics.per_class.n, correct)
    groups = {
        name: metrics.group_accuracy(counts, found)
        for name, found in first.dataset.conventions.items()
    }
    changed = replace(
        first.metrics, accuracy=metrics.accuracy(counts), groups=groups, per_class=counts,
        ece=rng.random() / 5,
    )  # fmt: skip
    training = first.cost.training.model_copy(update={"seconds": round(rng.uniform(5, 500), 1)})
    cost = first.cost.model_copy(update={"training": training})
    predictions = first.predictions.model_copy(update={"sha256": f"{rng.getrandbits(256):064x}"})
    words = " ".join(f"method.{part.name}.x={own.hash}" for part in method.stack)
    return first.model_copy(update={
        "experiment": own, "method": method, "seed": seed, "metrics": changed, "cost": cost,
        "predictions": predictions, "command": f"python -m benchmark run {words} seed={seed}",
    })  # fmt: skip


def table(rows: int, seeds: int) -> Table:
    """One leaderboard; ranks are made up, since comparing all pairs would take hours."""
    found = [row for runs in records(rows, seeds) for row in rows_of(runs)]
    found.sort(key=lambda row: (TRACKS.index(row.track), -row.accuracy.mean, row.hash))
    if seeds >= 3:
        found = [_ranked(row, place) for place, row in enumerate(found)]
    first = found[0].first
    return Table(key_of(first), "lt20", "independent", found[-1], tuple(found))


def _ranked(row: Row, place: int) -> Row:
    return replace(row, ranks=(place + 1, place + 5), letters="abcdefghij"[place % 10])


def page(count: int, seeds: int) -> str:
    """A page of that many records."""
    return render([table(count // seeds, seeds)])


def interactive(address: str, repeats: int) -> list[float]:
    """Milliseconds from the start of navigation to the first sort, each in a fresh tab."""
    found = []
    with launched() as browser:
        for _ in range(repeats + 1):
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            tab = context.new_page()
            faults = watch(tab)
            tab.add_init_script(PROBE)
            tab.goto(address, wait_until="commit")
            until(tab, "window.sortedAt !== undefined")
            found.append(float(tab.evaluate("window.sortedAt")))
            assert not faults, faults
            context.close()
    # the first one starts the browser, too
    return found[1:]


def main() -> None:
    """Make the page, print its size and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    began = time.perf_counter()
    content = page(given.records, given.seeds)
    made = time.perf_counter() - began
    with tempfile.TemporaryDirectory() as folder:
        times = interactive(sample.save(Path(folder), content), given.repeats)
    rows = given.records // given.seeds
    print(f"{given.records:,} records in {rows:,} rows: {len(content) / 2**20:.2f} MiB")
    print(f"made in {made:.1f} s")
    print(f"first sort after {', '.join(f'{each:,.0f}' for each in times)} ms")
    print(f"median {statistics.median(times):,.0f} ms, least {min(times):,.0f} ms")


if __name__ == "__main__":
    main()
