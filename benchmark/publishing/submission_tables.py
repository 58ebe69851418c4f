"""Submissions as a page of their own: scored here, not trained here; no torch."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from benchmark.boards import text
from benchmark.publishing.submission import SUBMISSIONS, Submission, read_all
from benchmark.recording.record_models import TRACKS
from benchmark.statistics import stats
from benchmark.statistics.metrics import GROUPS

NOT_STATED = "not stated"
HEADER = [
    "Method", "Track", "Seeds", "All", "Many", "Medium", "Few", "ECE", "Backbone", "Parameters",
    "Epochs", "Images added", "Outside knowledge", "Cost",
]  # fmt: skip
INTRO = """# Submitted results

Methods that were not trained here. Their predictions were scored by this suite and lie beside each
submission, so every accuracy below is recomputed; training, data, knowledge and cost are as the
authors state them. These rows are not ranked with those of the leaderboards, whose methods share a
recipe. `python -m benchmark submit --help` says how to add one.
"""
# sorting must not hang on the last bits of a mean
_DECIMALS = 10


def pages(folder: Path) -> dict[Path, str]:
    """The page below a folder of leaderboards, by its path.

    Raises:
        IntegrityError: a submission is broken.
    """
    return {folder / "submissions.md": render(read_all(folder / SUBMISSIONS.name))}


def render(submissions: Iterable[Submission]) -> str:
    """The whole page, in an order that depends on the submissions alone."""
    ordered = sorted(submissions, key=_place)
    if not ordered:
        return f"{INTRO}\nThere are none yet.\n"
    return INTRO + "".join(_section(list(rows)) for _, rows in groupby(ordered, _group))


def _group(each: Submission) -> tuple[str, int, str]:
    return each.group


def _accuracies(each: Submission) -> list[float]:
    return [run.evaluation.scores.accuracy for run in each.runs]


def _place(each: Submission) -> tuple[object, ...]:
    mean = round(stats.mean(_accuracies(each)), _DECIMALS)
    return (*each.group, TRACKS.index(each.details.track), -mean, each.details.method)


def _section(rows: Sequence[Submission]) -> str:
    target = rows[0].target
    convention = next(iter(target.conventions))
    title = f"\n## {text.escape(target.name)}\n\n"
    body = text.markdown_table(HEADER, [_cells(row, convention) for row in rows])
    notes = (
        f"- Protocol {target.protocol}, split rule {text.escape(target.split.rule)} "
        f"({text.code(target.split.rule_hash)}). All: mean over seeds ± half-width of the 95 % "
        f"Student interval, percent; Many, Medium, Few by convention {text.escape(convention)}. "
        f"Fewer than {stats.MIN_SEEDS} seeds: no interval.\n"
    )
    return title + body + "\n" + notes + "".join(map(_about, rows))


def _cells(row: Submission, convention: str) -> list[str]:
    said, values = row.details, _accuracies(row)
    enough = len(values) >= stats.MIN_SEEDS
    shown = text.estimate(stats.estimate(values)) if enough else text.percent(stats.mean(values))
    numbers = (said.parameters, said.epochs, said.images_added)
    parameters, epochs, added = (NOT_STATED if n is None else f"{n:,g}" if isinstance(n, float)
                                 else f"{n:,}" for n in numbers)  # fmt: skip
    return [
        text.escape(said.method),
        said.track,
        str(len(values)),
        shown,
        *(_mean([getattr(run.evaluation.scores.groups[convention], group) for run in row.runs])
          for group in GROUPS),
        _mean([_ece(row, at) for at in range(len(row.runs))]),
        text.escape(said.backbone),
        parameters,
        epochs,
        added,
        text.escape(", ".join(said.knowledge) or "none"),
        text.escape(said.cost or NOT_STATED),
    ]  # fmt: skip


def _ece(row: Submission, at: int) -> float | None:
    known = row.runs[at].evaluation.scores.calibration
    return known.ece if known else None


def _mean(values: Sequence[float | None]) -> str:
    """The mean in percent over the seeds that have a value, "n/a" where none has."""
    present = [value for value in values if value is not None]
    return text.percent(stats.mean(present)) if present else text.NOT_AVAILABLE


def _about(row: Submission) -> str:
    said = row.details
    seeds = ", ".join(str(run.evaluation.target.seed) for run in row.runs)
    links = [f"<{url}>" for url in (said.url, said.code) if url]
    parts = [
        f"- {text.escape(said.method)}, by {text.escape(said.authors)}"
        f"{': ' + text.escape(said.paper) if said.paper else ''}. {text.escape(said.description)}",
        f"Trained on: {text.escape(said.training_data)}. Recipe: {text.escape(said.recipe)}.",
        f"Seeds: {seeds}.",
        *([f"See {' and '.join(links)}."] if links else []),
    ]
    return " ".join(parts) + "\n"
