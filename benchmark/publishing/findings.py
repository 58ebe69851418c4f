"""What checks found, as one line each: passed, worth a look, or refused."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from benchmark.vocabulary.listing import table

Verdict = Literal["pass", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        item: what was looked at.
        verdict: "fail" refuses, "warn" is for a person to judge.
        detail: what was seen.
    """

    item: str
    verdict: Verdict
    detail: str = ""


def judged(item: str, problems: Iterable[str], seen: str = "") -> Finding:
    """A finding that fails with the first of ``problems``, or passes with what was ``seen``."""
    found = list(problems)
    if not found:
        return Finding(item, "pass", seen)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Finding(item, "fail", f"{found[0]}{more}")


def warned(item: str, problem: str | None, seen: str = "") -> Finding:
    """A finding that warns where there is a ``problem``."""
    return Finding(item, "warn", problem) if problem else Finding(item, "pass", seen)


def lines(findings: Iterable[Finding], width: int | None) -> list[str]:
    """The findings as a table: verdict, item, detail."""
    cells = [(each.verdict, each.item, " ".join(each.detail.split())) for each in findings]
    return table(cells, width, wrap=True)


def failed(findings: Iterable[Finding]) -> list[Finding]:
    """Those that refuse."""
    return [each for each in findings if each.verdict == "fail"]
