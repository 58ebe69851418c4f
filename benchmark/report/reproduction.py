"""The page that says which of our results are where the published ones say they should be."""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Table
from benchmark.boards.length import length
from benchmark.report import csv_table
from benchmark.report.json_table import share
from benchmark.report.markdown import REPORT_COMMAND
from benchmark.report.reproduction_bands import (
    Band,
    Bands,
    BandTable,
    Own,
    Verdict,
    judge,
    load,
    ours,
)
from benchmark.report.tables import file_stem
from benchmark.statistics import stats
from benchmark.system.files import layout_json

DATA, STEM = "bands.json", "reproduction"
SCHEMA = "reproduction/1"
NOT_RUN = "not run"
RUN = "python -m benchmark run"
HEADER = (
    "data_set", "method", "ours_method", "all", "half_width", "seeds", "recipe", "precision",
    "backbone", "as_published", "published", "band_low", "band_high", "band", "verdict",
    "interval_reaches", "command", "experiment",
)  # fmt: skip
_MARK = {"judged": "", "rule": " (rule)", "none": ""}


@dataclass(frozen=True)
class Line:
    """A method of a data set with its band, and one row of ours; None where it was not run."""

    table: BandTable
    band: Band
    range: tuple[float, float] | None
    own: Own | None

    @property
    def verdict(self) -> Verdict | None:
        """None without a row of ours, and for one that was not made as published."""
        if self.own is None or not self.own.as_published:
            return None
        return judge(self.own.row, self.range)


def pages(folder: Path, boards: Sequence[Table]) -> dict[Path, str]:
    """The text of every file by its path; nothing where no bands are kept.

    Args:
        folder: where the bands are kept, and where the pages stand beside the folder of tables.
        boards: our leaderboards.

    Raises:
        IntegrityError: the bands are broken.
    """
    if not (folder / DATA).is_file():
        return {}
    bands = load(folder / DATA)
    lines = list(_lines(bands, boards))
    return {
        folder / f"{STEM}.md": markdown(bands, lines),
        folder / f"{STEM}.csv": csv_table.write([HEADER, *(_csv(bands, line) for line in lines)]),
        folder / f"{STEM}.json": layout_json(_payload(bands, lines)) + "\n",
    }


def link(folder: Path, tables_dir: Path) -> str:
    """A line for the index of tables; "" where that stands elsewhere or there are no bands."""
    if tables_dir.parent != folder or not (folder / DATA).is_file():
        return ""
    return f"\nBeside the ranges of published figures: [{STEM}.md](../{STEM}.md).\n"


def _lines(bands: Bands, boards: Sequence[Table]) -> Iterator[Line]:
    """Of each method its runs as published, or that there are none, and then its other runs."""
    for table in bands.tables:
        for band in table.rows:
            found = ours(bands, table, band, boards)
            full: list[Own | None] = [own for own in found if own.as_published]
            others = [own for own in found if not own.as_published]
            for own in [*(full or [None]), *others]:
                yield Line(table, band, bands.range_of(band), own)


def markdown(bands: Bands, lines: Sequence[Line]) -> str:
    """The page: a table of verdicts a data set, then the runs that have none."""
    parts = [_introduction(bands), _summary(bands, lines)]
    for table in bands.tables:
        own = [each for each in lines if each.table is table]
        parts.append(_judged(bands, table, [each for each in own if not _is_other(each)]))
    parts.append(_others(bands, [each for each in lines if _is_other(each)]))
    return "\n".join(parts)


def _is_other(line: Line) -> bool:
    return line.own is not None and not line.own.as_published


def _introduction(bands: Bands) -> str:
    shift = text.number(abs(bands.shift), 1)
    return f"""\
# Reproduction

Do our runs come out where published ones say they should? Only runs **with the recipe that the
figures were published with** are judged; arithmetic may be {" or ".join(bands.precisions)}.

- *Band*: the range in which an honest re-implementation should fall. Published figures are mostly
  those of the best epoch on the test set. Ours are of the last epoch, which is chosen on nothing,
  so **each end of a band is {shift} points below** the range for the best epoch.
- Bands at imbalance 100 of CIFAR-100-LT are a judgement from the spread of published and repeated
  figures. *(rule)*: {text.number(bands.margin, 1)} points around the verified published figures,
  shifted alike, where there are too few to judge. No paper states either kind.
- *Verdict*: of the mean, ends included. Where the mean is outside and its 95 % interval is not, it
  says so. Fewer than {stats.MIN_SEEDS} seeds are marked, and in italics: a single seed moves by a
  point, so its verdict may change. A method outside its band is taken for a bug until explained.
- ?: a published figure that was not seen at its source; no rule uses it.
- Commands go behind {text.code(RUN)}; add `seed=0` and so on.

Made from [{DATA}]({DATA}) and the leaderboards by {text.code(REPORT_COMMAND)}; also as
[CSV]({STEM}.csv) and [JSON]({STEM}.json). Published figures in full, with groups:
[published.md](published.md).
"""


def _summary(bands: Bands, lines: Sequence[Line]) -> str:
    header = ["Data", "Methods", "Run as published", "Our rows inside", "Below", "Above", "No band"]
    cells = [_counts(table, lines) for table in bands.tables]
    run = sum(_run_rows(table, lines) for table in bands.tables)
    of = sum(len(table.rows) for table in bands.tables)
    said = f"**{run} of {of} rows have been run as published so far.**"
    return f"{said}\n\n{text.markdown_table(header, cells)}"


def _counts(table: BandTable, lines: Sequence[Line]) -> list[str]:
    verdicts = [line.verdict for line in lines if line.table is table and line.verdict]
    places = ("inside", "below", "above", "no band")
    found = [sum(verdict.place == place for verdict in verdicts) for place in places]
    run = _run_rows(table, lines)
    return [text.escape(table.data_set), *map(str, [len(table.rows), run, *found])]


def _run_rows(table: BandTable, lines: Sequence[Line]) -> int:
    """Methods of a table that were run as published, whatever the precision or recipe of it."""
    return len({id(line.band) for line in lines if line.table is table and line.verdict})


def _judged(bands: Bands, table: BandTable, lines: Sequence[Line]) -> str:
    header = [
        "Method", "All", "Seeds", "Band", "Verdict", "Published", "Recipe", "Note", "Command",
        "Experiment",
    ]  # fmt: skip
    cells = [_judged_cells(bands, line) for line in lines]
    title = f"## {text.escape(table.data_set)}\n"
    return f"{title}\n{text.markdown_table(header, cells, len(header))}"


def _judged_cells(bands: Bands, line: Line) -> list[str]:
    wanted = " or ".join(bands.recipes[key].what for key in line.band.recipes)
    own = line.own
    return [
        text.escape(line.band.method),
        _accuracy(own) if own else text.NONE,
        str(own.row.accuracy.n) if own else "0",
        _range(line),
        said(line),
        _published(line.band),
        text.escape(f"{wanted}; {_precision(own)}" if own else wanted),
        text.escape(line.band.note) or text.NONE,
        _command_cell(bands, line),
        text.code_cell(own.row.hash) if own else text.NONE,
    ]


def said(line: Line) -> str:
    """The verdict in words: "inside", "below; its interval reaches the band (2 seeds)"."""
    verdict, own = line.verdict, line.own
    if verdict is None or own is None:
        return NOT_RUN
    n = own.row.accuracy.n
    reaches = "; its interval reaches the band" if verdict.reaches else ""
    few = "" if n >= stats.MIN_SEEDS else f" ({'one seed' if n == 1 else f'{n} seeds'})"
    return f"{verdict.place}{reaches}{few}"


def _precision(own: Own) -> str:
    return str(own.row.first.recipe.config.get("precision", ""))


def _accuracy(own: Own) -> str:
    grey = "*" if own.row.accuracy.n < stats.MIN_SEEDS else ""
    return f"{grey}{text.estimate(own.row.accuracy)}{grey}"


def _range(line: Line) -> str:
    if line.range is None:
        return text.NONE
    low, high = (text.number(end, 1) for end in line.range)
    return f"{low} to {high}{_MARK[line.band.band]}"


def _published(band: Band) -> str:
    return "; ".join(
        f"{text.number(each.value, 2)}{'' if each.verified else '?'} ({text.escape(each.source)})"
        for each in band.published
    )


def _command_cell(bands: Bands, line: Line) -> str:
    """What to run; for what was run with a link to the table that has each seed's command."""
    said = text.code_cell(_command(bands, line))
    return f"{said}{f' ({_link(line.own)})' if line.own else ''}"


def _command(bands: Bands, line: Line) -> str:
    """The words of the run without its seed, or those that would make one."""
    if line.own is not None:
        given = line.own.row.first.experiment.overrides
        return shlex.join(word for word in given if not word.startswith("seed="))
    chosen = bands.recipes[line.band.recipes[0]].words
    return shlex.join([*line.band.words, *line.table.words, *chosen])


def _link(own: Own) -> str:
    return f"[table](tables/{file_stem(own.table)}.md)"


def _others(bands: Bands, lines: Sequence[Line]) -> str:
    head = """\
## The same methods on other recipes

Shorter runs, other networks or other settings. **No verdict**: a band holds for the recipe above
it only. They show the order of methods, not whether a figure is reproduced.
"""
    if not lines:
        return f"{head}\nNone yet.\n"
    header = [
        "Data", "Method", "All", "Seeds", "Recipe", "Backbone", "Command", "Experiment",
    ]  # fmt: skip
    cells = [_other_cells(bands, line, line.own) for line in lines if line.own]
    return f"{head}\n{text.markdown_table(header, cells, len(header))}"


def _other_cells(bands: Bands, line: Line, own: Own) -> list[str]:
    recipe = f"{own.table.key.recipe}{length(own.table)}; {_precision(own)}"
    return [
        text.escape(line.table.data_set),
        text.escape(line.band.method),
        _accuracy(own),
        str(own.row.accuracy.n),
        text.escape(recipe),
        text.escape(own.table.key.backbone),
        _command_cell(bands, line),
        text.code_cell(own.row.hash),
    ]


def _csv(bands: Bands, line: Line) -> list[Any]:
    return ["" if value is None else value for value in _row(bands, line).values()]


def _row(bands: Bands, line: Line) -> dict[str, Any]:
    """One line as plain values, shares in [0, 1]; None where there is nothing."""
    own, verdict = line.own, line.verdict
    low, high = line.range or (None, None)
    estimate = own.row.accuracy if own else None
    return {
        "data_set": line.table.data_set,
        "method": line.band.method,
        "ours_method": own.row.label if own else None,
        "all": share(estimate.mean if estimate else None),
        "half_width": share(estimate.half_width if estimate else None),
        "seeds": estimate.n if estimate else 0,
        "recipe": f"{own.table.key.recipe}{length(own.table)}" if own else None,
        "precision": _precision(own) if own else None,
        "backbone": own.table.key.backbone if own else None,
        "as_published": int(own.as_published) if own else None,
        "published": " ".join(text.number(each.value, 2) for each in line.band.published),
        "band_low": _percent_share(low),
        "band_high": _percent_share(high),
        "band": line.band.band,
        "verdict": verdict.place if verdict else (NOT_RUN if own is None else None),
        "interval_reaches": int(verdict.reaches) if verdict else None,
        "command": f"{RUN} {_command(bands, line)}",
        "experiment": own.row.hash if own else None,
    }


def _percent_share(value: float | None) -> float | None:
    return share(None if value is None else value / 100)


def _payload(bands: Bands, lines: Iterable[Line]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "rebuilt_by": REPORT_COMMAND,
        "unit": "share",
        "shift": share(bands.shift / 100),
        "margin": share(bands.margin / 100),
        "rows": [_row(bands, line) for line in lines],
    }
