"""Numbers and labels as text: percent with two decimals, "n/a" for an empty group."""

import re
from typing import TYPE_CHECKING

from benchmark.harmless import harmless

# Not imported when run: the console needs this module at once, and scipy loads slowly.
if TYPE_CHECKING:
    from benchmark.statistics.stats import Difference, Estimate

NOT_AVAILABLE = "n/a"
NONE = "-"
_LONGEST = 150
_SPECIAL = re.compile(r"([\\`*\[\]|~$])")
# Inside a word GitHub leaves underscores alone; escaping them there only hurts the raw text.
_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f\u0085\u2028\u2029]+")


def escape(text: str) -> str:
    """A label as inert Markdown on one line: no markup, HTML or table separator survives."""
    line = harmless(_SPACE.sub(" ", text).strip())
    safe = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _EDGE_UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", safe))


def code(text: str) -> str:
    """A command as a Markdown code span on one line, whatever backticks it holds."""
    line = harmless(_SPACE.sub(" ", text).strip())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence, pad = "`" * (longest + 1), " " if "`" in line else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def code_cell(text: str) -> str:
    """A code span inside a table, where GitHub reads an escaped bar as a plain one."""
    return code(text).replace("|", "\\|")


def number(value: float, decimals: int) -> str:
    """A number with fixed decimals and no negative zero."""
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def percent(value: float | None, decimals: int = 2) -> str:
    """A share in [0, 1] as percent without the sign; "n/a" for None."""
    return NOT_AVAILABLE if value is None else number(100 * value, decimals)


def estimate(value: "Estimate") -> str:
    """Mean and half-width in percent, e.g. "81.03 ± 0.52"."""
    return _with_width(percent(value.mean), value.half_width)


def difference(value: "Difference | None") -> str:
    """A signed difference in points with its half-width; "-" for None."""
    if value is None:
        return NONE
    text = percent(value.mean)
    signed = text if text.startswith("-") or not text.strip("0.") else f"+{text}"
    return _with_width(signed, value.half_width)


def _with_width(text: str, half_width: float | None) -> str:
    return text if half_width is None else f"{text} ± {percent(half_width)}"


def ranks(value: tuple[int, int] | None) -> str:
    """A rank or a range of ranks, e.g. "1" or "2-4"; "-" for an unranked row."""
    if value is None:
        return NONE
    low, high = value
    return str(low) if low == high else f"{low}-{high}"


def markdown_table(header: list[str], rows: list[list[str]], left: int = 1) -> str:
    """A Markdown table of cells that are escaped already; the first ``left`` align left."""
    rule = [":--" if index < left else "--:" for index in range(len(header))]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [header, rule, *rows])


def slug(text: str) -> str:
    """A name for a file: lower case, digits, dots and dashes; at most ``_LONGEST`` of them."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:_LONGEST].strip("-.") or "table"
