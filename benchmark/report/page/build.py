"""The page as text: payload, style and script in one file that asks nothing of the network."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from benchmark.boards.leaderboard import Table
from benchmark.report.page import boards
from benchmark.report.page.encoding import script_json
from benchmark.report.page.payload import payload
from benchmark.report.page.static import board_lines, grid_lines
from benchmark.report.page.views import GridView, PublishedView, Sheet

ASSETS = Path(__file__).parent / "assets"
TEMPLATE, STYLE = "page.html.j2", "style.css"


def render(
    tables: Sequence[Table],
    grids: Sequence[GridView] = (),
    published: Sequence[PublishedView] = (),
    sheets: Sequence[Sheet] = (),
) -> str:
    """The whole page.

    Args:
        tables: of ``leaderboard.build``; the first is shown first.
        grids: in the order in which they are shown.
        published: figures of others, in a section of their own.
        sheets: pictures, in the order in which they are shown.

    Returns:
        HTML, the same for the same arguments on every machine.
    """
    main, details = payload(tables, grids)
    style, script = _read(STYLE), _script()
    return _template().render(
        policy=_policy(style, script),
        style=style,
        script=script,
        data=script_json(main),
        details=script_json(details),
        tables=main["tables"],
        about=_about(main["tables"]),
        glance=boards.GLANCE,
        boards=[board_lines(table) for table in tables],
        grids=[(grid, grid_lines(grid)) for grid in grids],
        published=published,
        sheets=[(sheet, _embedded(sheet.png)) for sheet in sheets],
    )


def _about(tables: Sequence[dict[str, Any]]) -> dict[str, list[str] | int]:
    """What the head of the page counts."""
    facts = [dict(table["facts"]) for table in tables]
    return {
        "records": sum(table["records"] for table in tables),
        "experiments": sum(len(table["rows"]) for table in tables),
        "datasets": sorted({each["Data set"] for each in facts}),
        "protocols": sorted({each["Protocol"] for each in facts}),
    }


def _template() -> Template:
    loader = FileSystemLoader(ASSETS)
    return Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    ).get_template(TEMPLATE)  # fmt: skip


def _read(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    """All parts of the script in order of name, in one scope of their own."""
    parts = sorted(path.name for path in (ASSETS / "js").glob("*.js"))
    body = "\n".join(_read(f"js/{name}") for name in parts)
    return f'(() => {{\n"use strict";\n{body}}})();\n'


def _policy(style: str, script: str) -> str:
    """Nothing is loaded from anywhere; only this style and this script take effect."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _embedded(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
