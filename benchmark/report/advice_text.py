"""Advice as sentences: what to take, how sure that is, what holds for the rarest classes."""

from collections.abc import Sequence

import numpy as np

from benchmark.boards import text
from benchmark.grid.advice import Advice
from benchmark.grid.candidates import Candidate
from benchmark.statistics import stats


def answer(advice: Advice) -> list[str]:
    """What to take, in a few lines."""
    if advice.verdict == "too few seeds":
        return [f"Nothing can be told apart with fewer than {stats.MIN_SEEDS} seeds a cell."]
    if advice.verdict == "stay":
        lines = [f"No cell is told apart from {advice.plain.name}: no reason yet to leave it."]
        if advice.gain:
            lines.append(f"The highest is {_scored(advice.best)}, {_gain(advice)} points over it.")
        return lines
    lines = [f"Take {_scored(advice.best)}, {_gain(advice)} points over {advice.plain.name}."]
    others = [each.name for each in advice.tied if each is not advice.best]
    if advice.verdict == "clear":
        return [*lines, "No other cell is as good."]
    lines.append(f"Not told apart from it: {_listed(others)}.")
    cheap = advice.cheapest
    if cheap is not advice.best:
        lines.append(f"The cheapest of those is {_scored(cheap)}: {_price(cheap)}.")
    return lines


def _scored(candidate: Candidate) -> str:
    return f"{candidate.name} ({text.estimate(candidate.estimate)} %)"


def _gain(advice: Advice) -> str:
    return text.difference(advice.gain)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def _price(candidate: Candidate) -> str:
    row = candidate.row
    if not row.added:
        return "no images added"
    if row.spent.web_images:
        return f"{row.added:,} images of the web added"
    calls = f"{row.spent.calls:,.0f} network calls" if row.spent.known else "cost not stated"
    return f"{row.added:,} images added, {calls}"


def how_sure(advice: Advice) -> list[str]:
    """Sentences about what the numbers can bear."""
    seeds = sorted({len(each.candidate.runs) for each in advice.rivals} | {len(advice.best.runs)})
    lines = [f"Seeds a cell: {' to '.join(map(str, seeds[:1] + seeds[1:][-1:]))}."]
    if advice.verdict == "too few seeds":
        return [*lines, f"Give seeds={stats.MIN_SEEDS} or more."]
    return [*lines, *_about_gain(advice), *_about_rivals(advice), _about_rows(advice)]


def _about_gain(advice: Advice) -> list[str]:
    gain, rows = advice.gain, advice.gain_of_rows
    if gain is None:
        return ["The plain cell has the highest score on the rows that cells are chosen by."]
    lines = [f"{advice.best.name} over {advice.plain.name}: {text.difference(gain)} points, the "
             f"95 % interval over seeds; {_p(advice.gain_p)} by Holm's correction over all "
             "cells."]  # fmt: skip
    if rows is not None:
        doubt = ", so other images might show no gain" if rows >= gain.mean else ""
        lines.append(f"Over other test images of the same kind: ± {text.percent(rows)} "
                     f"points{doubt}.")  # fmt: skip
    if advice.better:
        lines.append(f"In {text.percent(advice.better.share, 0)} % of {advice.better.n} pairs of "
                     "runs its run is the better one.")  # fmt: skip
    return [*lines, _about_fresh(advice)]


def _about_fresh(advice: Advice) -> str:
    if advice.fresh is None:
        return ("It was chosen among runs at these very seeds, and lucky ones flatter it: runs at "
                "other seeds (command below) show how much.")  # fmt: skip
    best, plain = advice.best, advice.plain
    own = best.fresh.keys()
    seeds = sorted(own & plain.fresh.keys() if best.design == "blocked" else own)
    few = stats.seeds_tested(best.fresh, plain.fresh, best.design) < stats.MIN_SEEDS
    return (f"At seeds that the choice has not seen ({', '.join(map(str, seeds))}): "
            f"{text.difference(advice.fresh)} points, "
            f"{'too few seeds to test' if few else _p(advice.fresh.p)}.")  # fmt: skip


def _about_rows(advice: Advice) -> str:
    """What a single test row weighs: more seeds do not make it less."""
    first = advice.plain.row.first
    counts = np.bincount(next(iter(advice.plain.runs.values())).labels)
    found = counts[counts > 0].tolist()
    worth = text.percent(1 / (len(found) * min(found)))
    line = (f"The rarest class has {_counted(min(found), 'reported row')}, one of which moves the "
            f"score by {worth} points.")  # fmt: skip
    without = len(first.dataset.classes) - len(found)
    return line + f" Classes without a reported row: {without}." * bool(without)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _p(value: float) -> str:
    return f"p = {value:.2g}" if value >= 1e-4 else "p < 0.0001"


def _about_rivals(advice: Advice) -> list[str]:
    unsettled, others = advice.unsettled, len(advice.tied) - 1
    if unsettled is None:
        return ["All other cells are told apart from it, by Holm's correction over all pairs."]
    gap, name = unsettled.difference.mean, unsettled.candidate.name
    lines = [f"Not told apart from {advice.best.name} by Holm's correction over all pairs: "
             f"{_counted(others, 'other cell')}."]  # fmt: skip
    if advice.seeds_needed:
        lines.append(f"To tell {advice.best.name} from {name} takes about {advice.seeds_needed} "
                     f"seeds of both, if they differ by the {text.percent(gap)} points that it "
                     "looks like and nothing else is compared.")  # fmt: skip
    elif gap <= 0:
        lines.append(f"{name} is as high or higher on the reported rows: more seeds need not "
                     "settle which is best.")  # fmt: skip
    if advice.smallest is not None:
        lines.append(f"These seeds show a difference of {text.percent(advice.smallest)} points "
                     "between two cells four times out of five.")  # fmt: skip
    return lines


def about_tail(advice: Advice) -> str:
    """What to know where only the rarest classes count."""
    tail = advice.tail
    if tail is None or tail.groups[2] is None:
        return ""
    rows = _counted(next(iter(tail.runs.values())).few_rows, "reported row")
    found = f"Highest in the few-shot classes alone, chosen in the same way: {tail.name} with Few "
    found += f"{text.percent(tail.groups[2])} on {rows}"
    if tail is advice.plain:
        return f"{found}."
    return f"{found}; {advice.plain.name} has {text.percent(advice.plain.groups[2])}."
