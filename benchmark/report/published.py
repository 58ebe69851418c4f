"""Published figures as pages: with their tags, and our own number in a column of its own.

Nothing here is ranked. The figures of the paper are data (``leaderboards/paper.json``); those of
other papers come from the sources of the components.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Table
from benchmark.boards.length import length
from benchmark.boards.published import (
    Beside,
    Figure,
    Published,
    PublishedRow,
    PublishedTable,
    beside,
    factors,
    load,
)
from benchmark.report import csv_table
from benchmark.report.cited import NOT_STATED, citation_of, cite, elsewhere
from benchmark.report.json_table import share
from benchmark.report.markdown import REPORT_COMMAND
from benchmark.report.tables import file_stem
from benchmark.statistics import stats
from benchmark.statistics.metrics import GROUPS
from benchmark.system.files import layout_json

DATA, STEM = "paper.json", "published"
SCHEMA = "published-figures/1"
HEADER = (
    "data_set", "table", "method", "source", "track", "backbone", "epochs", "augmentation",
    "knowledge", "groups", "imbalance", "all", "many", "medium", "few", "note", "ours_method",
    "ours_all", "ours_half_width", "ours_seeds", "ours_many", "ours_medium", "ours_few",
    "ours_recipe", "ours_backbone", "ours_experiment",
)  # fmt: skip
_N_OURS = sum(name.startswith("ours_") for name in HEADER)
_INTRODUCTION = f"""\
# Published figures

What papers state, top-1 accuracy in percent, with tags that say how it was made. **Nothing here is
ranked, and no figure stands in a table of ours**: networks, lengths and augmentations differ.
*Groups* is the convention that the shot groups follow, found from their sum where that is possible.
*Ours* is our own row of the same data set, imbalance factor and method: mean ± half-width of the
95 % interval, seeds, recipe, network; grey (in italics) below {stats.MIN_SEEDS} seeds. It answers
how near our runs come, and is a comparison of methods only where recipe and network agree.

Made from [paper.json](paper.json), the sources of the components and the leaderboards by
{text.code(REPORT_COMMAND)}; also as [CSV](published.csv) and [JSON](published.json). Figures that
are stated in other forms are in [the page of methods](../docs/methods.md).
"""


@dataclass(frozen=True)
class Line:
    """A published row; ``ours`` holds our rows beside each of its figures."""

    table: PublishedTable
    row: PublishedRow
    ours: tuple[tuple[Beside, ...], ...]


def pages(folder: Path, boards: Sequence[Table]) -> dict[Path, str]:
    """The text of every file by its path; nothing where no published figures are kept.

    Args:
        folder: where they are kept, and where the pages stand beside the folder of tables.
        boards: our leaderboards.

    Raises:
        IntegrityError: the published figures are broken.
        UsageError: one names a component that does not exist.
    """
    if not (folder / DATA).is_file():
        return {}
    found = load(folder / DATA)
    lines = [line for table in _tables(found) for line in _lines(table, found, boards)]
    return {
        folder / f"{STEM}.md": markdown(found, lines),
        folder / f"{STEM}.csv": csv_table.write([HEADER, *_csv(lines)]),
        folder / f"{STEM}.json": layout_json(_payload(found, lines)) + "\n",
    }


def _tables(found: Published) -> list[PublishedTable]:
    """The paper's and the other papers', by data set."""
    order = list(found.data_sets)
    tables = [*found.tables, *elsewhere(found.paper)]
    order += [table.data_set for table in tables if table.data_set not in order]
    return sorted(tables, key=lambda table: order.index(table.data_set))


def _lines(table: PublishedTable, found: Published, boards: Sequence[Table]) -> list[Line]:
    name = found.data_sets.get(table.data_set, "")
    return [
        Line(table, row, tuple(_beside(row, figure, name, boards) for figure in row.numbers))
        for row in table.rows
    ]


def _beside(
    row: PublishedRow, figure: Figure, data_set: str, boards: Sequence[Table]
) -> tuple[Beside, ...]:
    return tuple(beside(boards, data_set, row.ours, figure.imbalance, row.steps))


def markdown(found: Published, lines: Sequence[Line]) -> str:
    """The page: a section a data set, a table of each source, and what was found about it."""
    parts = [_INTRODUCTION]
    for data_set, own in groupby(lines, lambda line: line.table.data_set):
        parts.append(f"## {text.escape(data_set)}\n")
        for _, rows in groupby(own, lambda line: line.table.name):
            parts.append(_section(list(rows)))
    return "\n".join([*parts, _readings(found)])


def _section(lines: Sequence[Line]) -> str:
    table = lines[0].table
    columns = factors(table.rows)
    with_groups = [c for c in columns if any(_has_groups(line.row, c) for line in lines)]
    grouped = [(factor, group) for factor in with_groups for group in GROUPS]
    header = [
        "Method", "Source", "Track", "Backbone", "Epochs", "Augmentation", "Knowledge", "Note",
        "Groups",
        *(f"{group.capitalize()}{_at(factor)}" for factor, group in grouped),
        *(f"All{_at(factor)}" for factor in columns),
        "Ours",
    ]  # fmt: skip
    cells = [[
        *_tags(line.row),
        *(_number(getattr(_figure(line.row, factor), group, None)) for factor, group in grouped),
        *(_number(getattr(_figure(line.row, factor), "all", None)) for factor in columns),
        _ours(line),
    ] for line in lines]  # fmt: skip
    notes = "".join(f"{n}. {text.escape(note)}\n" for n, note in enumerate(table.notes, 1))
    title = f"### {text.escape(table.name)}: {text.escape(table.what)}\n"
    return "\n".join([title, text.markdown_table(header, cells, 9), *([notes] if notes else [])])


def _at(factor: int | None) -> str:
    return "" if factor is None else f", IF {factor}"


def _figure(row: PublishedRow, factor: int | None) -> Figure | None:
    return next((each for each in row.numbers if each.imbalance == factor), None)


def _has_groups(row: PublishedRow, factor: int | None) -> bool:
    figure = _figure(row, factor)
    return figure is not None and figure.few is not None


def _number(value: float | None) -> str:
    return text.NONE if value is None else text.number(value, 2)


def _tags(row: PublishedRow) -> list[str]:
    return [
        text.escape(row.method),
        cite(row.source),
        row.track,
        text.escape(row.backbone),
        text.escape(row.epochs or NOT_STATED),
        text.escape(row.augmentation or NOT_STATED),
        text.escape(", ".join(row.knowledge) or "none"),
        text.escape(row.note),
        row.groups.convention if row.groups else text.NONE,
    ]


def _ours(line: Line) -> str:
    pairs = zip(line.row.numbers, line.ours, strict=True)
    found = [_cell(figure, each) for figure, rows in pairs for each in rows]
    return "; ".join(found) or text.NONE


def _cell(figure: Figure, each: Beside) -> str:
    n = each.row.accuracy.n
    grey = "*" if each.row.ranks is None else ""
    factor = _at(figure.imbalance).removeprefix(", ")
    number = f"{grey}{text.estimate(each.row.accuracy)}{grey}"
    recipe = text.escape(f"{each.table.key.recipe}{length(each.table)}")
    link = f"[{recipe}](tables/{file_stem(each.table)}.md)"
    seeds = f"{n} seed{'' if n == 1 else 's'}"
    said = f"{number} ({seeds}; {link}; {text.escape(each.table.key.backbone)})"
    return f"{factor}: {said}" if factor else said


def _readings(found: Published) -> str:
    lines = "".join(
        f"- {text.escape(each.name)} ({text.escape(each.data_set)}): {text.escape(each.what)}."
        f"{f' It is said to show: {text.escape(each.says)}.' if each.says else ''}\n"
        for each in found.readings
    )
    return f"## Figures without numbers\n\n{lines}"


def _csv(lines: Sequence[Line]) -> Iterator[list[Any]]:
    """A line for each figure and each row of ours beside it."""
    for line in lines:
        for figure, rows in zip(line.row.numbers, line.ours, strict=True):
            for each in rows or (None,):
                yield [*_csv_figure(line, figure), *_csv_ours(line.row, each)]


def _csv_figure(line: Line, figure: Figure) -> list[Any]:
    row = line.row
    return [
        line.table.data_set, line.table.name, row.method, row.source, row.track, row.backbone,
        row.epochs, row.augmentation, " ".join(row.knowledge), _convention(row), figure.imbalance,
        *_shares(figure).values(), row.note,
    ]  # fmt: skip


def _shares(figure: Figure) -> dict[str, float | None]:
    """Percent as published, as shares."""
    found = {name: getattr(figure, name) for name in ("all", *GROUPS)}
    return {name: share(value and value / 100) for name, value in found.items()}


def _convention(row: PublishedRow) -> str | None:
    return row.groups.convention if row.groups else None


def _csv_ours(row: PublishedRow, each: Beside | None) -> list[Any]:
    return [""] * _N_OURS if each is None else list(_ours_payload(row, each).values())


def _ours_payload(row: PublishedRow, each: Beside) -> dict[str, Any]:
    accuracy, key = each.row.accuracy, each.table.key
    return {
        "method": each.row.label,
        "all": share(accuracy.mean),
        "half_width": share(accuracy.half_width),
        "seeds": accuracy.n,
        **{group: share(each.group(group, _convention(row))) for group in GROUPS},
        "recipe": f"{key.recipe}{length(each.table)}",
        "backbone": key.backbone,
        "experiment": each.row.hash,
    }


def _payload(found: Published, lines: Sequence[Line]) -> dict[str, Any]:
    """All figures as shares in [0, 1], and full citations."""
    sources = sorted({found.paper, *(line.row.source for line in lines)})
    return {
        "schema": SCHEMA,
        "rebuilt_by": REPORT_COMMAND,
        "unit": "share",
        "citations": {name: citation_of(name) for name in sources},
        "tables": [_table_payload(list(own)) for _, own in groupby(lines, lambda line: line.table)],
        "readings": [each.model_dump() for each in found.readings],
    }


def _table_payload(lines: Sequence[Line]) -> dict[str, Any]:
    table = lines[0].table
    return {
        "name": table.name, "what": table.what, "data_set": table.data_set,
        "notes": list(table.notes), "rows": [_row_payload(line) for line in lines],
    }  # fmt: skip


def _row_payload(line: Line) -> dict[str, Any]:
    figures = zip(line.row.numbers, line.ours, strict=True)
    return {
        **line.row.model_dump(mode="json", exclude={"numbers"}),
        "numbers": [
            {
                "imbalance": figure.imbalance,
                **_shares(figure),
                "ours": [_ours_payload(line.row, each) for each in rows],
            }
            for figure, rows in figures
        ],
    }
