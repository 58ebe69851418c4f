"""The suite's speed as one table of ratios, compared with the ratios that are committed.

python -m tests.perf.ratios [--quick] [--compile] [--save]

Every ratio is measured here, both sides in turn within a round, in CPU seconds of the process. Only
ratios are kept: seconds of other machines say little.
"""

import argparse
import datetime
import importlib
import importlib.util
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from benchmark.boards.text import escape, markdown_table, number
from benchmark.system.files import write_text
from benchmark.system.hardware import cpu_name
from benchmark.training.half_precision import half_ratio
from tests.perf import drawing_overhead, evaluation_speed, training_speed
from tests.perf.input_share import measure
from tests.perf.ratio import Ratio, of_rounds, table

SAVED = Path(__file__).parent / "baselines"
# its rows are start-up, grids and tables
LIGHT = "tests.perf.light"
BACKBONE = "cifar_resnet32"


@dataclass(frozen=True)
class Baseline:
    """Ratios that were measured before.

    Attributes:
        date: ISO date.
        hardware: name of the processor and what it computes with.
        torch: version of torch.
        rows: the ratios.
    """

    date: str
    hardware: str
    torch: str
    rows: tuple[Ratio, ...]


def against_bare(backbone: str, rounds: int) -> list[Ratio]:
    """Our loop against the network alone on one batch, and what making batches takes."""
    found, note = measure(backbone, rounds, steps=1), f"{rounds} rounds of a step, {backbone}"
    speed, share = (
        [100 * each for each in way] for way in (found.speed_rounds, found.share_rounds)
    )
    return [
        of_rounds("training loop, of the speed of the bare network", speed, 99.0, "%", note),
        of_rounds("making batches, of a training step", share, 1.0, "%", note, at_most=True),
    ]


def drawing(rounds: int, images: int) -> Ratio:
    """Filling a pool against a bare diffusers loop, both saving PNG files."""
    _, taken = drawing_overhead.overhead(rounds, images, images // 10)
    note = f"{rounds} rounds of {images} images of the embedded generator"
    return of_rounds("drawing, against a bare diffusers loop", [1 / each for each in taken], 0.95,
                     note=note)  # fmt: skip


def light() -> list[Ratio]:
    """The rows of the light verbs, where that module is there."""
    if importlib.util.find_spec(LIGHT) is None:
        return []
    rows: Iterable[Ratio] = importlib.import_module(LIGHT).rows()
    return list(rows)


def parts(quick: bool, compiled: bool) -> dict[str, Callable[[], list[Ratio]]]:
    """What can be measured, by name; ``quick`` takes a third of the rounds."""
    rounds, few, images = (3, 2, 300) if quick else (9, 5, 500)
    return {
        "training": lambda: training_speed.ratios(BACKBONE, rounds, 1, compiled),
        "bare": lambda: against_bare(BACKBONE, rounds),
        "evaluation": lambda: evaluation_speed.ratios(BACKBONE, few, images),
        "drawing": lambda: [drawing(few, 160 if quick else 640)],
        "light": light,
    }


def load(path: Path) -> Baseline:
    """The ratios of a file that ``save`` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Baseline(**found | {"rows": tuple(Ratio(**row) for row in found["rows"])})


def save(path: Path, baseline: Baseline) -> None:
    """Write ratios with where and when they were measured."""
    rows = [
        {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        for row in map(asdict, baseline.rows)
    ]
    text = json.dumps(asdict(baseline) | {"rows": rows}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text + "\n")


def comparison(now: Iterable[Ratio], before: Baseline) -> str:
    """Old ratios beside new ones; "worse" where the difference is more than rounds differ."""
    old = {row.name: row for row in before.rows}
    lines = [
        [escape(row.name), number(old[row.name].value, 2), number(row.value, 2),
         "worse" if row.worse_than(old[row.name]) else ""]
        for row in now
        if row.name in old
    ]  # fmt: skip
    return markdown_table(["what", f"{before.date}, {before.hardware}", "now", ""], lines)


def merged(now: Baseline, before: Baseline) -> Baseline:
    """What was measured now, and of the same machine and torch what was not measured again."""
    if (now.hardware, now.torch) != (before.hardware, before.torch):
        return now
    names = {row.name for row in now.rows}
    kept = tuple(row for row in before.rows if row.name not in names)
    return replace(now, rows=now.rows + kept)


def processor() -> str:
    """This processor: clouds give one name to several, whose instructions differ."""
    known = str(torch.backends.cpu.get_cpu_capability())
    half = ["bf16"] if half_ratio(torch.device("cpu")) < 1 else []
    return ", ".join([cpu_name(), known, *half])


def saved_at(hardware: str) -> Path:
    """The file with the ratios of a processor."""
    return SAVED / f"speed-{re.sub(r'[^a-z0-9]+', '-', hardware.lower()).strip('-')}.json"


def here(rows: Iterable[Ratio]) -> Baseline:
    """Ratios with this machine and today's date."""
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return Baseline(today, processor(), torch.__version__, tuple(rows))


def main() -> None:
    """Measure, print, and compare or save."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--compile", action="store_true", help="measure compiled code, too")
    parser.add_argument("--save", action="store_true", help="write them to a file")
    parser.add_argument("--parts", default="training,bare,evaluation,drawing,light")
    given = parser.parse_args()
    torch.set_num_threads(1)
    works = parts(given.quick, given.compile)
    found = here(row for name in given.parts.split(",") for row in works[name]())
    print(f"{found.date}, {found.hardware}, torch {found.torch}, one thread\n")
    print(table(found.rows))
    path = saved_at(found.hardware)
    before = load(path) if path.exists() else None
    print(comparison(found.rows, before) if before else "No ratios of this processor are saved.")
    if given.save:
        save(path, merged(found, before) if before else found)


if __name__ == "__main__":
    main()
