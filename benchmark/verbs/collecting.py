"""Images of others brought in: imported from folders and archives, fetched from lists of URLs."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.data.cards import Card
from benchmark.errors import BenchError
from benchmark.experiments.compose import settings
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.fetching import fetch_urls
from benchmark.generation.collections.importing import import_folder
from benchmark.generation.collections.location import stored_keys
from benchmark.generation.collections.store import collection_dir
from benchmark.generation.collections.web import Manners
from benchmark.vocabulary.listing import bold, table


def _card(words: Sequence[str]) -> Card:
    found: Card = settings(list(words)).dataset.card(0)
    return found


def bring_in(
    source: Path,
    words: Sequence[str],
    *,
    knowledge: Sequence[str] = (),
    licence: str = "",
    network_calls: int | None = None,
) -> Collection:
    """Store the images of a folder or archive; see ``import_folder``.

    Args:
        source: class folders, an archive, WebDataset shards, or a pool's folder.
        words: overrides that name the data set whose classes these are.
        knowledge: outside knowledge tags.
        licence: of images that do not state their own.
        network_calls: what one image took; None if nobody knows.
    """
    card = _card(words)
    return import_folder(
        source,
        card.classes,
        class_ids=card.class_ids,
        knowledge=knowledge,
        licence=licence,
        network_calls_per_image=network_calls,
    )


def fetch(
    listing: Path, words: Sequence[str], manners: Manners, *, again: bool = False
) -> Collection:
    """Download a list of URLs; see ``fetch_urls``."""
    card = _card(words)
    return fetch_urls(listing, card.classes, manners, class_ids=card.class_ids, again=again)


def listing(width: int | None) -> str:
    """One line a stored collection; empty where there are none."""
    rows: list[tuple[str, ...]] = [("collection", "source", "classes", "images", "failed")]
    for key in stored_keys():
        try:
            rows.append(_line(Collection.read(collection_dir() / key)))
        except BenchError as error:
            rows.append((key, "cannot be read", error.problem, "", ""))
    return "\n".join(table(rows, width)) if len(rows) > 1 else ""


def _line(found: Collection) -> tuple[str, ...]:
    facts = found.facts
    source = f"{facts['source']['kind']} {facts['source']['name']}"
    return (
        found.key,
        source,
        str(len(found.classes)),
        f"{sum(found.counts):,}",
        str(facts["failed"]),
    )


def show(key: str, width: int | None) -> str:
    """One stored collection in full."""
    found = Collection.read(collection_dir() / key)
    lines = [f"{bold('collection')} {found.key}  {found.folder}", ""]
    lines += table(list(_facts(found)), width, wrap=True)
    counts = zip(found.classes, found.counts, strict=True)
    classes = [("class", "images"), *((name, f"{count:,}") for name, count in counts)]
    lines += ["", bold("classes"), *table(classes, width)]
    reasons = Counter((row.status, row.reason) for row in found.rows if row.status != "ok")
    for (status, reason), count in reasons.most_common(10):
        lines.append(f"{status}: {count:,} x {reason}")
    return "\n".join(lines)


def _facts(found: Collection) -> Iterator[tuple[str, str]]:
    facts = found.facts
    yield "source", f"{facts['source']['kind']} {facts['source']['name']}"
    yield "stored", str(facts["finished"])
    for topic in ("licences", "knowledge", "dates", "network_calls_per_image"):
        value = facts[topic]
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")
        yield topic.replace("_", " "), text or "not stated"
