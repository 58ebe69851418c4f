"""What the added images of a leaderboard cost, beside it as Markdown and CSV."""

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.spending import pool_totals
from benchmark.report import csv_table, markdown

HEADER = (
    "dataset", "protocol", "budget_rule", "track", "method", "budget", "seeds", "accuracy",
    "candidates", "accepted", "network_calls", "fit_network_calls", "network_calls_predicted",
    "device_seconds", "flops", "web_images", "known", "calls_as_predicted", "devices",
    "experiment",
)  # fmt: skip
_LEFT = 3


def render(table: Table, board: str) -> str:
    """The whole Markdown file.

    Args:
        table: the leaderboard.
        board: file name of its Markdown table.
    """
    lines = "".join(f"- {note}\n" for note in _notes(table, board))
    return f"# Cost of added images: {markdown.heading(table)}\n\n{_body(table)}\n{lines}"


def _body(table: Table) -> str:
    header = [
        "Method", "Track", "Budget", "Seeds", "All", "Candidates", "Accepted", "Network calls",
        "Fitting", "Device s", "FLOP", "Web images", "Experiment",
    ]  # fmt: skip
    return text.markdown_table(header, [_cells(row) for row in table.rows], _LEFT)


def _cells(row: Row) -> list[str]:
    paid = row.spent
    numbers = [
        text.number(paid.candidates, 0), text.number(paid.accepted, 0), markdown.calls_cell(row),
        text.number(paid.fit_calls, 0), text.number(paid.seconds, 1), f"{paid.flops:.3g}",
        text.number(paid.web_images, 0),
    ]  # fmt: skip
    return [
        text.escape(row.label),
        row.track,
        text.escape(row.first.budget.label),
        str(row.accuracy.n),
        text.percent(row.accuracy.mean),
        *(numbers if paid.known else [text.NOT_AVAILABLE] * len(numbers)),
        text.code_cell(row.hash),
    ]


def _notes(table: Table, board: str) -> list[str]:
    devices = sorted({name for row in table.rows for name in row.spent.devices})
    total = pool_totals([record for row in table.rows for record in row.records])
    return [
        f"Intervals, ranks and commands: [{text.escape(board)}]({board}).",
        *markdown.protocol_notes(table),
        "Means over seeds, as if each row's images had been drawn for it alone. Candidates: "
        "accepted and rejected. Network calls: forward passes of the denoiser for one image, two a "
        "step with guidance, measured, and those of fitting, three for each image seen, which "
        "stand once more by themselves. Device s and FLOP: drawing and fitting, without loading.",
        f"Pools as drawn, each counted once: {total.pools}, with {total.candidates:,} candidates, "
        f"{total.calls:,} network calls and {total.seconds:,.1f} device-seconds.",
        *([f"Drawn on: {', '.join(map(text.escape, devices))}."] if devices else []),
        *markdown.cost_notes(table.rows),
        f"Rebuilt from the records by {text.code(markdown.REPORT_COMMAND)}.",
    ]


def render_csv(table: Table) -> str:
    """The whole CSV file; numbers are empty where a supply did not state them."""
    return csv_table.write([HEADER, *(_csv_cells(row, table) for row in table.rows)])


def _csv_cells(row: Row, table: Table) -> list[object]:
    paid, key = row.spent, table.key
    predicted = paid.calls if paid.predicted is None else paid.predicted
    numbers = (
        paid.candidates, paid.accepted, paid.calls, paid.fit_calls, predicted, paid.seconds,
        paid.flops, paid.web_images,
    )  # fmt: skip
    return [
        key.dataset, key.protocol, key.budget_rule, row.track, row.label, row.first.budget.label,
        row.accuracy.n, text.number(row.accuracy.mean, 6),
        *(f"{number:.10g}" if paid.known else "" for number in numbers),
        int(paid.known), int(paid.predicted is None), " + ".join(paid.devices), row.hash,
    ]  # fmt: skip
