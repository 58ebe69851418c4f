"""A leaderboard as Markdown: the table, and notes that say how to read and remake it."""

from collections.abc import Iterable, Sequence

from benchmark.boards import text
from benchmark.boards.leaderboard import Row, Table
from benchmark.boards.length import title
from benchmark.recording.record_models import Design
from benchmark.statistics import stats

REPORT_COMMAND = "python -m benchmark report"
ODD_CALLS = "†"
RANK_TESTS: dict[Design, str] = {
    "blocked": "paired t tests on common seeds",
    "independent": "t tests with pooled variance",
}
REFERENCE_TESTS: dict[Design, str] = {
    "blocked": "paired t tests with Holm's correction",
    "independent": "Dunnett's test",
}
PROTOCOL_NOTES = {
    "iso_nfe": "every method spends the same network calls on its images, guidance counted as two "
    "and fitting included; the counts follow from that",
    "iso_seconds": "every method spends the same device-seconds on its images, fitting included; "
    "the counts follow from that",
    "iso_training": "every method takes the optimiser steps that the recipe gives on the plain "
    "long-tailed set",
}
SEEDS_NOTE = f"Fewer than {stats.MIN_SEEDS} seeds: grey and unranked (-)"
_LEFT = 4


def render(table: Table) -> str:
    """The whole file of one table."""
    head = f"# {heading(table)}\n"
    lines = "".join(f"- {note}\n" for note in notes(table))
    return f"{head}\n{body(table)}\n{lines}\n## Commands\n\n{commands(table)}"


def heading(table: Table) -> str:
    """The title of a table: data, recipe and its length, and what is equal if not the images."""
    return text.escape(title(table))


def body(table: Table) -> str:
    """The table alone, without title and notes."""
    base = text.escape(table.reference.label) if table.reference else "reference"
    header = [
        "Rank", "Method", "Track", "Budget", "Seeds", "All", "Many", "Medium", "Few",
        f"vs {base}", "ECE", "Images added", "Network calls", "Train s", "Experiment",
    ]  # fmt: skip
    return text.markdown_table(header, [_cells(row, table) for row in table.rows], _LEFT)


def _cells(row: Row, table: Table) -> list[str]:
    strong = emphasis(row)
    many, medium, few = (text.percent(value) for value in row.groups)
    is_base = table.reference is not None and row.hash == table.reference.hash
    gap = "reference" if is_base else text.difference(row.difference) + "*" * row.differs
    return [
        _rank(row),
        strong + text.escape(row.label) + strong,
        row.track,
        text.escape(row.first.budget.label),
        str(row.accuracy.n),
        strong + text.estimate(row.accuracy) + strong,
        many,
        medium,
        few,
        gap.replace("*", "\\*"),
        text.percent(row.ece),
        str(row.added),
        calls_cell(row),
        text.number(row.train_seconds, 1),
        text.code_cell(row.hash),
    ]


def emphasis(row: Row) -> str:
    """Bold where the range of ranks holds 1, italics for grey where the row has no rank."""
    return "**" if row.may_be_first else "*" if row.ranks is None else ""


def _rank(row: Row) -> str:
    if row.ranks is None:
        return text.NONE
    letters = f" {row.letters}" if row.letters else ""
    return f"{emphasis(row)}{text.ranks(row.ranks)}{letters}{emphasis(row)}"


def calls_cell(row: Row) -> str:
    """Mean network calls, marked where they are not those predicted, "n/a" where not stated."""
    if not row.spent.known:
        return text.NOT_AVAILABLE
    mark = "" if row.spent.predicted is None else f" {ODD_CALLS}"
    return text.number(row.spent.calls, 0) + mark


def notes(table: Table) -> list[str]:
    """What a reader has to know, one Markdown line each."""
    return [
        *_setting_notes(table),
        *protocol_notes(table),
        *_reading_notes(table),
        *_letter_notes(table),
        *_row_notes(table.rows),
        f"Rebuilt from the records by {text.code(REPORT_COMMAND)}.",
    ]


def _setting_notes(table: Table) -> list[str]:
    key, records = table.key, [record for row in table.rows for record in row.records]
    steps = _span([record.recipe.steps_total for record in records])
    parameters = _span([record.backbone.parameters for record in records])
    split = records[0].dataset.split
    devices = {record.cost.training.device for record in records}
    return [
        f"Data: {text.escape(key.dataset)}, protocol {key.protocol} (of the harness "
        f"{key.harness}), split rule "
        f"{text.escape(split.rule)} ({text.code(key.split_rule)}).",
        f"Recipe: {text.escape(key.recipe)} ({text.code(key.recipe_hash)}); steps fixed by "
        f"{key.steps_rule}, {steps} in all; weights: {key.selection}.",
        f"Backbone: {text.escape(key.backbone)}, {parameters} parameters.",
        f"Seeds: {_seeds(record.seed for record in records)}. "
        f"Hardware: {', '.join(map(text.escape, sorted(devices)))}.",
    ]


def protocol_notes(table: Table) -> list[str]:
    """What is equal across methods; nothing where it is the images."""
    protocol = table.rows[0].first.budget.protocol
    said = PROTOCOL_NOTES.get(protocol)
    if said is None:
        return []
    note = f"Protocol {text.code(table.key.budget_rule)}: {said}."
    return [note, *(_seconds_note(table.rows) if protocol == "iso_seconds" else [])]


def _seconds_note(rows: Sequence[Row]) -> list[str]:
    """Counts follow from a rate measured before: what was measured since stands beside it."""
    found = [f"{text.escape(row.label)} {row.spent.seconds:,.1f}" for row in rows]
    return [f"Device-seconds measured: {'; '.join(found)}."]


def _reading_notes(table: Table) -> list[str]:
    return [
        "All: mean over seeds ± half-width of the 95 % Student interval, percent. Many, Medium, "
        f"Few: by real training counts, convention {text.escape(table.convention)}.",
        f"Ranks hold within a track: a range runs from 1 + rows significantly better to k - rows "
        f"significantly worse; rows that share a letter are not told apart ({table.design} "
        f"design: {RANK_TESTS[table.design]}, Holm's correction, 5 %). Bold: the range holds 1. "
        f"{SEEDS_NOTE}; Markdown shows grey as italics.",
        *(
            [
                "vs: the mean difference at the seeds that both rows have, so not always that of "
                "the means above; its interval is for this one row."
            ]
            if table.design == "blocked"
            else []
        ),
        f"\\*: differs from the reference ({REFERENCE_TESTS[table.design]}, 5 %).",
        verified_note(table.rows),
    ]


def _letter_notes(table: Table) -> list[str]:
    """Tracks of so many rows that the letters of the alphabet are too few."""
    without = {row.track for row in table.rows if row.ranks is not None and not row.letters}
    return [f"Too many rows for letters in: {', '.join(sorted(without))}."] if without else []


def verified_note(rows: Sequence[Row]) -> str:
    """Which rows were recomputed from predictions, and which are only as their records say."""
    stated = [text.escape(row.label) for row in rows if row.verified == "stated"]
    if len(stated) == len(rows):
        return (
            "Verified: none; no predictions lie beside the records, which are taken at their word."
        )
    rest = f", except {', '.join(_unique(stated))} (as the records say)" if stated else ""
    return f"Verified: every metric was recomputed from the predictions beside the records{rest}."


def _row_notes(rows: Sequence[Row]) -> list[str]:
    one_pool = [text.escape(row.label) for row in rows if row.one_pool]
    found = [f"Conditional on one pool: {', '.join(_unique(one_pool))}."] if one_pool else []
    known = [
        f"{text.escape(row.label)} ({', '.join(map(text.escape, row.first.method.knowledge))})"
        for row in rows
        if row.first.method.knowledge
    ]
    knowledge = [f"Outside knowledge: {'; '.join(_unique(known))}."] if known else []
    return [*found, *knowledge, *search_notes(rows), *cost_notes(rows)]


def search_notes(rows: Sequence[Row]) -> list[str]:
    """How settings were searched before the scored runs, and what that took beside them."""
    found = [
        f"{text.escape(row.label)}: {_span([len(each.tried) for each in searches])} of "
        f"{searches[0].allowed} allowed, {stats.mean([each.seconds for each in searches]):,.1f} s"
        for row in rows
        if (searches := [record.search for record in row.records if record.search])
    ]
    told = "Settings tried before the scored run, and the time that took for each seed"
    return [f"{told}: {'; '.join(_unique(found))}."] if found else []


def cost_notes(rows: Sequence[Row]) -> list[str]:
    """Rows whose network calls are not those predicted, and rows that do not say what they took."""
    odd = [
        f"{text.escape(row.label)} ({row.spent.predicted:,.0f} predicted, "
        f"{row.spent.calls:,.0f} measured)"
        for row in rows
        if row.spent.predicted is not None
    ]
    silent = [text.escape(row.label) for row in rows if not row.spent.known]
    return [
        *(
            [f"{ODD_CALLS}: network calls differ from those predicted: {'; '.join(odd)}."]
            * bool(odd)
        ),
        *([f"Cost not stated by the supply: {', '.join(_unique(silent))}."] * bool(silent)),
    ]


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _seeds(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values))))


def commands(table: Table) -> str:
    """The command behind the first seed of every row."""
    return "".join(
        f"- {text.code(row.hash)} seed {row.first.seed}: {text.code(row.first.command)}\n"
        for row in table.rows
    )
