"""A quality report as a table of at most 80 columns."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.generation.quality.compare import SetScores
    from benchmark.generation.quality.report import ByClass, QualityReport

WIDTH = 80
_LABEL, _CELL = 27, 13
_NONE = "-"


def table(report: "QualityReport") -> str:
    """The scores by shot group, and what was found more than once, as lines of plain text."""
    lines = [_clip(f"{report.images} images, measured by {report.extractor}")]
    lines += [f"extractor {report.extractor_hash}, seed {report.seed}", ""]
    lines += [*_score_lines(report), "", *_copy_lines(report)]
    return "\n".join(lines) + "\n"


def _clip(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."


def _score_lines(report: "QualityReport") -> list[str]:
    names = list(report.sets)
    rows = [_line("", names)]
    if report.agreement is not None:
        rows.append(_line("label agreement, %", _by_class(report.agreement, names, 100, 1)))
    rows.append(_line("diversity, pool", _by_class(report.diversity, names, 1, 3)))
    rows.append(_line("diversity, real", _by_class(report.real_diversity, names, 1, 3)))
    for label, read, decimals in _SET_ROWS:
        cells = [_number(read(report.sets[name]), decimals) for name in names]
        rows.append(_line(label, cells))
    return [*rows, f"({_NONE}: fewer than {report.minimum} images of matching classes on a side)"]


Read = Callable[["SetScores"], float | None]
_SET_ROWS: list[tuple[str, Read, int]] = [
    ("images a side", lambda s: s.images, 0),
    ("KID", lambda s: s.kid.value if s.kid else None, 4),
    ("  2.5 % (bootstrap)", lambda s: s.kid.low if s.kid else None, 4),
    ("  97.5 %", lambda s: s.kid.high if s.kid else None, 4),
    ("precision", lambda s: s.prdc.precision if s.prdc else None, 3),
    ("recall", lambda s: s.prdc.recall if s.prdc else None, 3),
    ("density", lambda s: s.prdc.density if s.prdc else None, 3),
    ("coverage", lambda s: s.prdc.coverage if s.prdc else None, 3),
    ("probe AUC (0.5: alike)", lambda s: s.probe_auc, 3),
]


def _by_class(score: "ByClass", names: list[str], scale: float, decimals: int) -> list[str]:
    groups = {str(name): value for name, value in score.groups.items()}
    values = [score.all if name == "all" else groups.get(name) for name in names]
    return [_number(None if v is None else scale * v, decimals) for v in values]


def _number(value: float | None, decimals: int) -> str:
    return _NONE if value is None else f"{value:.{decimals}f}"


def _line(label: str, cells: list[str]) -> str:
    return f"{label:<{_LABEL}}" + "".join(f"{cell:>{_CELL}}" for cell in cells)


def _copy_lines(report: "QualityReport") -> list[str]:
    limit, twice = report.threshold, report.duplicates
    return [
        f"copies of test images      {len(report.test_copies):>6}",
        f"copies of training images  {len(report.train_copies):>6}",
        f"repeated inside the pool   {twice.surplus:>6}  (pixel for pixel: {twice.identical})",
        f"(a copy scores {limit.value:.3f} or more, as do {100 * limit.rate:g} % of other images;",
        f"calibrated on {limit.rows} training rows, of which {limit.flagged} reach it)",
    ]
