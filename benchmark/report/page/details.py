"""What opens behind a row: every seed, its command, the stack, costs, machines."""

import json
from collections.abc import Sequence
from typing import Any

from benchmark.boards import text
from benchmark.boards.leaderboard import Row
from benchmark.generation.protocols import NEUTRAL
from benchmark.recording.record_models import Environment, Record
from benchmark.report.page import classes
from benchmark.report.page.encoding import Shared, Strings, centi, tenths
from benchmark.statistics import stats
from benchmark.statistics.metrics import GROUPS

RUN_FIELDS = (
    "seed", "all", "many", "medium", "few", "ece", "train", "created", "code", "machine",
    "predictions", "resumed",
)  # fmt: skip
HASH_DIGITS = 12
VERIFIED = {
    "recomputed": "recomputed from the predictions",
    "stated": "as the records say; no predictions at hand",
}


class Details:
    """Collects the details of rows; equal ones, and equal parts of them, are stored once."""

    def __init__(self) -> None:
        self._strings, self._machines = Strings(), Shared()
        self._images, self._details = Shared(), Shared()

    def add(self, row: Row) -> int:
        """The number of a row's details."""
        means, widths = classes.curve(row.records)
        return self._details.add({
            "command": self._command(row.records),
            "runs": [self._run(record) for record in row.records],
            "curve": means,
            "widths": widths,
            "images": self._images.add(classes.images(row.first)),
            "stack": [self._strings.add_all(_part(each)) for each in row.first.method.stack],
            "facts": [self._strings.add_all(section) for section in facts(row)],
        })  # fmt: skip

    def payload(self) -> dict[str, Any]:
        """Everything collected."""
        return {
            "runFields": list(RUN_FIELDS),
            "strings": self._strings.all,
            "machines": self._machines.all,
            "images": self._images.all,
            "details": self._details.all,
        }

    def _command(self, records: Sequence[Record]) -> int | list[int]:
        """The part of the command before the seed if all share it, else every command."""
        whole = [record.command for record in records]
        begun = {
            command.removesuffix(f"seed={record.seed}")
            for command, record in zip(whole, records, strict=True)
        }
        shared = begun.pop()
        if not begun and whole[0] == f"{shared}seed={records[0].seed}":
            return self._strings.add(shared)
        return self._strings.add_all(whole)

    def _run(self, record: Record) -> list[Any]:
        convention = next(iter(record.dataset.conventions))
        groups = record.metrics.groups[convention]
        machine = self._machines.add(self._strings.add_all(_machine(record.environment)))
        return [
            record.seed, centi(record.metrics.accuracy),
            *(centi(getattr(groups, group)) for group in GROUPS), centi(record.metrics.ece),
            tenths(record.cost.training.seconds), self._strings.add(record.created),
            self._strings.add(_code(record.environment)), machine,
            record.predictions.sha256[:HASH_DIGITS], record.resumed,
        ]  # fmt: skip


def _part(part: Any) -> list[str]:
    settings = json.dumps(part.settings, ensure_ascii=False) if part.settings else "none"
    return [part.name, str(part.version), part.origin, settings]


def _code(found: Environment) -> str:
    changed = " with changes" if found.dirty else ""
    return (found.git_sha or "not known") + changed


def _machine(found: Environment) -> list[str]:
    """Names and values by turns; what is not known is left out."""
    values = found.model_dump(exclude={"git_sha", "dirty"}, exclude_none=True)
    return [word for key, value in values.items() for word in (key, str(value))]


def facts(row: Row) -> list[list[str]]:
    """Sections of a row's details: a title, then names and values by turns."""
    sections = [("Method", _method(row)), ("Training", _training(row)), ("Images", _images(row))]
    return [[title, *(word for pair in pairs for word in pair)] for title, pairs in sections]


def _method(row: Row) -> list[tuple[str, str]]:
    first = row.first
    words = " ".join(first.experiment.overrides)
    found = [
        ("Experiment", row.hash),
        ("Track", row.track),
        ("Outside knowledge", ", ".join(first.method.knowledge) or "none"),
        ("Words", words or "none"),
        ("Metrics", VERIFIED[row.verified]),
    ]
    searched = [record.search for record in row.records if record.search]
    if searched:
        tried = max(len(each.tried) for each in searched)
        seconds = stats.mean([each.seconds for each in searched])
        found.append(("Search", f"{tried} settings tried, {seconds:,.1f} s for each seed"))
    return found


def _training(row: Row) -> list[tuple[str, str]]:
    first, costs = row.first, [record.cost.training for record in row.records]
    stages = "; ".join(
        f"{each.name}: {each.steps:,} steps, {each.epochs:,} epochs, {each.rows:,} rows"
        + (" (shared with another run)" if each.shared else "")
        for each in first.stages
    )
    return [
        ("Recipe", f"{first.recipe.name}, {first.recipe.steps_total:,} steps in all"),
        ("Stages", stages or "none"),
        ("Backbone", f"{first.backbone.name}, {first.backbone.parameters:,} parameters"),
        ("Weights", first.selection),
        ("Training rows", f"{first.dataset.n_train:,}"),
        ("Train s", text.number(row.train_seconds, 1)),
        ("Images a second", f"{stats.mean([each.images_per_second for each in costs]):,.0f}"),
        ("Peak memory", f"{max(each.peak_memory_bytes for each in costs) / 2**20:,.0f} MiB"),
        ("Device", ", ".join(sorted({each.device for each in costs}))),
    ]


def _images(row: Row) -> list[tuple[str, str]]:
    budget, spent = row.first.budget, row.spent
    found = [("Budget", budget.label), ("Added", f"{row.added:,}")]
    if budget.protocol != NEUTRAL:
        found.append(("Equal across methods", budget.protocol))
    if not spent.known:
        return [*found, ("Cost", "not stated by the supply")]
    if spent.anything:
        found += [
            ("Candidates", f"{spent.candidates:,.0f}"),
            ("Accepted", f"{spent.accepted:,.0f}"),
            ("Network calls", f"{spent.calls:,.0f}"),
            ("of them fitting", f"{spent.fit_calls:,.0f}"),
            ("Device s", f"{spent.seconds:,.1f}"),
            ("FLOP", f"{spent.flops:.3g}"),
            ("Web images", f"{spent.web_images:,.0f}"),
            ("Drawn on", ", ".join(spent.devices) or "not stated"),
        ]
    if spent.predicted is not None:
        found.append(("Network calls predicted", f"{spent.predicted:,.0f}"))
    return [*found, *_pool(row)]


def _pool(row: Row) -> list[tuple[str, str]]:
    pool = row.first.pool
    if pool is None:
        return []
    generator = json.dumps(pool.generator, ensure_ascii=False)
    shared = "one for each seed" if pool.replicated_with_seed else "one for all seeds"
    return [("Pool of the first seed", f"{pool.key}; {shared}"), ("Generator", generator)]
