"""Leaderboard files: written from records, and compared with them byte for byte."""

import re
from pathlib import Path

from benchmark.boards import text
from benchmark.boards.leaderboard import Table, build
from benchmark.boards.length import budget_rule, imbalance_factor
from benchmark.errors import IntegrityError
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.report import cost_table, csv_table, json_table, latex, markdown
from benchmark.report.verified import recomputed
from benchmark.system.files import has_text, write_text
from benchmark.system.progress import Tracker

INDEX = "README.md"
_OURS = re.compile(r"^[a-z0-9.-]+-[0-9a-f]{8}(\.(md|csv|json|tex)|\.cost\.(md|csv))$")


def read_all(records_dir: Path) -> list[Record]:
    """Every record below a folder.

    Raises:
        IntegrityError: a file is no valid record; names the first one and how many there are.
    """
    return [record for _, record in _read(records_dir)]


def _read(records_dir: Path) -> list[tuple[Path, Record]]:
    found = list(records.find(records_dir))
    broken = [item for _, item in found if not isinstance(item, Record)]
    if broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise IntegrityError(
            f"{broken[0].problem}{more}", where=broken[0].where, todo=broken[0].todo
        )
    return [(path, item) for path, item in found if isinstance(item, Record)]


def boards(records_dir: Path, reference: str | None = None) -> list[Table]:
    """The leaderboards of a folder, whose metrics are recomputed where predictions are at hand.

    Raises:
        IntegrityError: a record is broken, or contradicts another or its predictions.
    """
    found = _read(records_dir)
    return build([record for _, record in found], reference, recomputed(found))


def records_of(tables: list[Table]) -> list[Record]:
    """All records behind some leaderboards."""
    return [record for table in tables for row in table.rows for record in row.records]


def file_stem(table: Table) -> str:
    """The name of a table's files without ending: readable, and unique by its key's hash."""
    key = table.key
    name = (
        f"{key.dataset} p{key.protocol} {key.recipe} {key.steps_rule} {key.backbone} "
        f"{key.budget_rule}"
    )
    return f"{text.slug(name)}-{key.short_hash}"


def render_all(found: list[Record], reference: str | None = None) -> dict[str, str]:
    """The text of every file of the tables' folder, by file name; nothing is verified."""
    return render(build(found, reference))


def render(tables: list[Table]) -> dict[str, str]:
    """The text of every file of the tables' folder, by file name."""
    files = {INDEX: _index(tables)}
    with Tracker("writing", len(tables), "tables") as bar:
        for table in tables:
            files |= _files(table)
            bar.advance()
    return files


def _files(table: Table) -> dict[str, str]:
    stem = file_stem(table)
    return {
        f"{stem}.md": markdown.render(table),
        f"{stem}.csv": csv_table.render(table),
        f"{stem}.json": json_table.render(table),
        f"{stem}.tex": latex.render(table, stem),
        **_cost_files(stem, table),
    }


def _cost_files(stem: str, table: Table) -> dict[str, str]:
    """Costs beside the table; nothing where no row added images that took anything."""
    if not any(row.spent.anything for row in table.rows):
        return {}
    return {
        f"{stem}.cost.md": cost_table.render(table, f"{stem}.md"),
        f"{stem}.cost.csv": cost_table.render_csv(table),
    }


def _index(tables: list[Table]) -> str:
    header = ["Data", "Recipe", "Steps fixed by", "Backbone", "Weights", "Also as", "Rows", "Runs"]
    body = text.markdown_table(header, [_index_line(table) for table in tables], 6)
    made = f"Rebuilt from the records by {text.code(markdown.REPORT_COMMAND)}."
    return f"# Leaderboards\n\n{body}\n{made}\n"


def _index_line(table: Table) -> list[str]:
    key, stem = table.key, file_stem(table)
    return [
        f"[{text.escape(key.dataset + imbalance_factor(table))}]({stem}.md)",
        text.escape(key.recipe + budget_rule(table)),
        key.steps_rule,
        text.escape(key.backbone),
        key.selection,
        " ".join(f"[{name}]({stem}.{name})" for name in ("csv", "json", "tex")),
        str(len(table.rows)),
        str(sum(row.accuracy.n for row in table.rows)),
    ]


def write(records_dir: Path, tables_dir: Path, reference: str | None = None) -> list[Path]:
    """Write every table in all formats with an index; drop tables without records.

    Only files named as this function names them are ever removed.

    Returns:
        The files written, in order of name.

    Raises:
        IntegrityError: a record is broken, or contradicts another or its predictions.
        StorageError: the disk is full or the folder cannot be written.
    """
    return save(render(boards(records_dir, reference)), tables_dir)


def save(files: dict[str, str], tables_dir: Path) -> list[Path]:
    """Write the files of the tables' folder and drop those of other tables; see ``write``."""
    for name, content in files.items():
        write_text(tables_dir / name, content)
    for name in _extra(tables_dir, files):
        (tables_dir / name).unlink(missing_ok=True)
    return [tables_dir / name for name in sorted(files)]


def check(records_dir: Path, tables_dir: Path, reference: str | None = None) -> list[Path]:
    """Compare the tables' folder with what the records give, byte for byte.

    Returns:
        Files that differ, are missing, or belong to no record; empty if all agree.

    Raises:
        IntegrityError: a record is broken, or contradicts another or its predictions.
    """
    return differing(render(boards(records_dir, reference)), tables_dir)


def differing(files: dict[str, str], tables_dir: Path) -> list[Path]:
    """Files of the tables' folder that are not as they should be; see ``check``."""
    found = [name for name, content in files.items() if not has_text(tables_dir / name, content)]
    return [tables_dir / name for name in sorted(found + _extra(tables_dir, files))]


def _extra(folder: Path, files: dict[str, str]) -> list[str]:
    names = (path.name for path in folder.glob("*")) if folder.is_dir() else ()
    return [name for name in names if _OURS.match(name) and name not in files]
