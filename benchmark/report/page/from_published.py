"""Published figures in the plain form of the page: as printed, with what sets them apart."""

from collections.abc import Sequence

from benchmark.boards import text
from benchmark.boards.published import Figure, PublishedRow, PublishedTable, Reading, factors
from benchmark.report.page.views import PublishedView

TAGS = ("Method", "Track", "Network", "Epochs", "Augmentation", "Knowledge", "Groups")
NOT_STATED = "not stated"


def views(
    tables: Sequence[PublishedTable], readings: Sequence[Reading] = ()
) -> list[PublishedView]:
    """A view of each table, and one of the figures that were published without numbers."""
    found = [_table(table) for table in tables]
    if not readings:
        return found
    lines = tuple((each.name, each.data_set, each.what, each.says) for each in readings)
    header = ("Figure", "Data set", "What it shows", "What it is said to show")
    return [*found, PublishedView("Figures without numbers", header, lines)]


def _table(table: PublishedTable) -> PublishedView:
    steps = any(row.steps for row in table.rows)
    columns = [column for factor in factors(table.rows) for column in _columns(table.rows, factor)]
    header = [*TAGS, *(["Steps"] * steps), *(name for name, _, _ in columns), "Note"]
    rows = tuple(
        (
            *_tags(row),
            *([_word(row.steps)] * steps),
            *(_number(row, factor, field) for _, factor, field in columns),
            row.note,
        )
        for row in table.rows
    )
    title = f"{table.name}: {table.what} ({table.data_set})"
    numeric = frozenset(range(len(TAGS), len(header) - 1))
    return PublishedView(title, tuple(header), rows, numeric, table.notes)


def _columns(rows: Sequence[PublishedRow], factor: int | None) -> list[tuple[str, int | None, str]]:
    """Name, imbalance factor and field of the columns that hold anything."""
    named = f" IF {factor}" if factor else ""
    return [
        (f"{field.capitalize()}{named}", factor, field)
        for field in ("all", "many", "medium", "few")
        if any(getattr(each, field) is not None for each in _figures(rows, factor))
    ]


def _figures(rows: Sequence[PublishedRow], factor: int | None) -> list[Figure]:
    return [each for row in rows for each in row.numbers if each.imbalance == factor]


def _number(row: PublishedRow, factor: int | None, field: str) -> str:
    found = _figures([row], factor)
    value = getattr(found[0], field) if found else None
    return text.NONE if value is None else text.number(value, 2)


def _tags(row: PublishedRow) -> tuple[str, ...]:
    return (
        row.method,
        row.track,
        row.backbone,
        row.epochs or NOT_STATED,
        row.augmentation or NOT_STATED,
        ", ".join(row.knowledge) or "none",
        row.groups.convention if row.groups else text.NONE,
    )


def _word(value: int | None) -> str:
    return text.NONE if value is None else str(value)
