"""Published figures that the sources of components state in one set form, and their citations.

The form is ``DATA SET, NETWORK, IF 100/50/10: 38.32/43.85/55.70 (what is said of the recipe)``, a
line of the section "Published" of a component's docstring; the network may be missing. Lines of
any other form stay on the page of methods. Imports no component.
"""

import re
from typing import Any

from benchmark.boards import text
from benchmark.boards.published import Figure, PublishedRow, PublishedTable
from benchmark.errors import unknown
from benchmark.registry import BUILT_IN, COMPONENTS
from benchmark.vocabulary.source import read_class, sections

NAME = "Elsewhere"
NOT_STATED = "not stated"
AUGMENTATIONS = ("crop and flip", "AutoAugment and Cutout", "strong augmentation")
_LINE = re.compile(
    r"(?P<data>[\w-]+-LT), (?:(?P<backbone>[\w-]+), )?IF (?P<factors>\d+(?:/\d+)*): "
    r"(?P<values>\d+\.\d+(?:/\d+\.\d+)*)(?: \((?P<said>[^()]+)\))?"
)
_EPOCHS = re.compile(r"(\d+) epochs")


def elsewhere(paper: str) -> list[PublishedTable]:
    """One table for each data set of all figures in the set form, by component.

    Args:
        paper: a component whose paper's own figures are left out, since they are kept as data.
    """
    found: dict[str, list[PublishedRow]] = {}
    own = citation_of(paper)
    for name, entry in COMPONENTS.entries.items():
        source = read_class(entry.target) if entry.origin == BUILT_IN else None
        # what images a supply adds is not said in a line of this form
        if source is None or source.citation == own or "request_images" in source.methods:
            continue
        for line in sections(source.doc)[1].get("Published", "").splitlines():
            parsed = parse(name, line)
            if parsed:
                found.setdefault(parsed[0], []).append(parsed[1])
    what = "figures of other papers, as the sources of the components state them"
    return [
        PublishedTable(name=NAME, what=what, data_set=data_set, rows=tuple(rows), notes=())
        for data_set, rows in sorted(found.items())
    ]


def parse(component: str, line: str) -> tuple[str, PublishedRow] | None:
    """The data set and the figures of one line; None if it is not of the set form."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    factors, values = match["factors"].split("/"), match["values"].split("/")
    if len(factors) != len(values):
        return None
    pieces = re.split(r"[,;] ", match["said"]) if match["said"] else []
    epochs = [hit[1] for piece in pieces if (hit := _EPOCHS.fullmatch(piece))]
    augmentation = [piece for piece in pieces if piece in AUGMENTATIONS]
    rest = [p for p in pieces if not _EPOCHS.fullmatch(p) and p not in AUGMENTATIONS]
    return match["data"], PublishedRow(
        method=component,
        ours=component,
        source=component,
        backbone=match["backbone"] or NOT_STATED,
        epochs=epochs[0] if epochs else None,
        augmentation=augmentation[0] if augmentation else None,
        knowledge=(),
        track="real",
        groups=None,
        numbers=tuple(
            Figure(imbalance=int(factor), all=float(value))
            for factor, value in zip(factors, values, strict=True)
        ),
        note=", ".join(rest),
    )


def citation_of(component: str) -> dict[str, Any]:
    """Authors, title, venue, year and url of a component's paper.

    Raises:
        UsageError: there is no such component.
    """
    if component not in COMPONENTS.entries:
        raise unknown("component", component, COMPONENTS.entries, where="published figures")
    source = read_class(COMPONENTS.entries[component].target)
    return dict(source.citation) if source else {}


def cite(component: str) -> str:
    """A short citation as Markdown: first author, venue and year, linked to the paper."""
    known = citation_of(component)
    if not known:
        return text.NONE
    first, comma, _ = str(known.get("authors", component)).partition(",")
    words = (f"{first}{' et al.' if comma else ''}", known.get("venue", ""), known.get("year", ""))
    said = text.escape(" ".join(str(word) for word in words if word))
    return f"[{said}]({known['url']})" if known.get("url") else said
