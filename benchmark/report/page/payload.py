"""Leaderboards and grids as plain values: what the page's script reads.

Two parts: what is needed at once, and the details, which are parsed when first asked for.
"""

from collections.abc import Sequence
from typing import Any

from benchmark.boards.leaderboard import Row, Table
from benchmark.report.page import boards, rows
from benchmark.report.page.details import Details
from benchmark.report.page.encoding import Shared, Strings, centi
from benchmark.report.page.views import CellView, CurveView, GridView
from benchmark.system.progress import Tracker

VERSION = 1


def payload(tables: Sequence[Table], grids: Sequence[GridView]) -> tuple[Any, Any]:
    """The main part and the details.

    Args:
        tables: of ``leaderboard.build``.
        grids: in the order in which they are shown.
    """
    strings, details = Strings(), Details()
    encoded = []
    with Tracker("page", len(tables), "tables") as bar:
        for table in tables:
            encoded.append(boards.encode(table, strings, details))
            bar.advance()
    shown = [_grid(grid, strings, details) for grid in grids]
    main = {
        "version": VERSION,
        "fields": list(rows.FIELDS),
        "strings": strings.all,
        "first": max(encoded, key=lambda table: int(table["records"]))["id"] if encoded else "",
        "tables": encoded,
        "grids": shown,
    }
    return main, details.payload()


def _grid(grid: GridView, strings: Strings, details: Details) -> dict[str, Any]:
    entries = Shared()

    def entry(row: Row) -> int:
        return entries.add(rows.encode(row, strings, details))

    cells = [_cell(cell, grid, entry(cell.entry)) for cell in grid.cells]
    curves = [
        _curve(curve, [entry(point.entry) for point in curve.points]) for curve in grid.curves
    ]
    return {
        "name": grid.name,
        "title": grid.title,
        "command": grid.command,
        "dataset": grid.dataset,
        "rows": list(grid.rows),
        "columns": list(grid.columns),
        "plain": grid.plain,
        "notes": list(grid.notes),
        "cells": cells,
        "missing": [[each.name, each.seeds, each.command] for each in grid.missing],
        "curves": curves,
        "entries": entries.all,
    }


def _cell(cell: CellView, grid: GridView, number: int) -> list[Any]:
    """Row, column, entry, gain, its half-width, and whether it is significant."""
    gap = cell.gain
    return [
        grid.rows.index(cell.row), grid.columns.index(cell.column), number,
        centi(gap.mean) if gap else None, centi(gap.half_width) if gap else None,
        int(cell.differs),
    ]  # fmt: skip


def _curve(curve: CurveView, numbers: Sequence[int]) -> dict[str, Any]:
    numbered = zip(curve.points, numbers, strict=True)
    points = [[point.x, number, point.name] for point, number in numbered]
    return {"name": curve.name, "xLabel": curve.x_label, "points": points}
