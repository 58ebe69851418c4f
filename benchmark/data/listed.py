"""From list files and a class tree to a store, and from the store to rows: for several kinds."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmark.data import splits
from benchmark.data.archives import Archive
from benchmark.data.assemble import concatenated
from benchmark.data.cards import Card
from benchmark.data.dataset import LongTailedData
from benchmark.data.images import PROCESSING
from benchmark.data.keeping import PixelMode
from benchmark.data.prepare import Reader, by_class, describe, stamp
from benchmark.data.row_lists import ClassFiles, Lists, RowLists
from benchmark.data.rows import Images, ImageTable
from benchmark.data.splits import SplitInfo
from benchmark.data.store import Store, StorePlan
from benchmark.data.streaming import modes
from benchmark.errors import DataError

Validation = Literal["none", "carve", "extra"]
_TOPS = ("train", "val", "test")


@dataclass(frozen=True)
class Packing:
    """How rows are kept.

    Attributes:
        store: the store's name.
        size: height and width in pixels.
        pixels: where training crops are taken from.
        keep_heldout: also keep the training images that no list names.
    """

    store: str
    size: int
    pixels: PixelMode
    keep_heldout: bool


def other_classes(ids: Collection[str]) -> Callable[[str], bool]:
    """Which folders need no walk: class folders other than ``ids``."""
    wanted = set(ids)

    def skip(folder: str) -> bool:
        *above, name = folder.split("/")
        return bool(above) and above[-1] in _TOPS and len(above) < 3 and name not in wanted

    return skip


def class_files(
    archive: Archive, names: Sequence[str], prefix: str, ids: Sequence[str], folders: Sequence[str]
) -> list[ClassFiles]:
    """Files of each class, sorted, in the order of ``ids``, for each of the folders.

    Raises:
        DataError: a class is missing, or there are no class folders.
    """
    found = {folder: by_class(names, f"{prefix}{folder}") for folder in folders}
    for folder, classes in found.items():
        if not classes and any(name.startswith(f"{prefix}{folder}/") for name in names):
            raise DataError(
                f"Expected class folders {folder}/<class>/, but got a flat '{folder}' folder",
                where=archive.path,
                todo="sort the images into folders by their ground truth",
            )
    for folder, classes in found.items():
        missing = [each for each in ids if each not in classes]
        if missing:
            raise DataError(
                f"Expected {len(ids):,} classes below '{folder}', but got "
                f"{len(ids) - len(missing):,}: missing {', '.join(missing[:3])}",
                where=archive.path,
                todo=f"give the folder that holds {folder}/<class>/<file>",
            )
    return [[classes[each] for each in ids] for classes in found.values()]


def chosen_files(
    lists: RowLists, names: Sequence[str], prefix: str, train: ClassFiles, todo: str
) -> Lists:
    """The files that the lists name, and as "heldout" the training images that none names.

    Raises:
        DataError: a listed file is missing.
    """
    lists.check_files(frozenset(names), prefix, todo)
    parts: Lists = {
        part: [[prefix + name for name in own] for own in files]
        for part, files in lists.parts.items()
    }
    used = {name for files in parts.values() for own in files for name in own}
    parts["heldout"] = [[name for name in own if name not in used] for own in train]
    return parts


def store_plan(
    archive: Archive, parts: Lists, packing: Packing, order: str, facts: dict[str, Any]
) -> StorePlan:
    """What is converted; rows that are only ever scored are packed in every mode."""
    reader = Reader(archive, packing.size, "RGB")
    kept = {part: files for part, files in parts.items() if part != "heldout"}
    if packing.keep_heldout:
        kept["heldout"] = parts["heldout"]
    return StorePlan(
        packing.store,
        packing.size,
        tuple(
            reader.part(part, dict(enumerate(files)),
                        packing.pixels if part in ("train", "heldout") else "packed")
            for part, files in kept.items()
        ),
        describe(archive, order),
        PROCESSING,
        facts | modes.facts(packing.pixels, "RGB"),
        stamp(archive),
        modes.listed_root(packing.pixels, archive),
    )  # fmt: skip


def load(store: Store, card: Card, val: Validation, rule: str, rule_hash: str) -> LongTailedData:
    """The rows of a run: those of the store's parts, perhaps with validation rows carved out."""
    everything, labels = store.table("train"), store.labels("train")
    train, held = everything, store.table("val") if val == "extra" else None
    rows = np.arange(len(labels))
    if val == "carve":
        own = [np.flatnonzero(labels == label) for label in range(card.n_classes)]
        kept, taken = splits.carve(own, 0)
        rows, held = concatenated(kept), everything.select(concatenated(taken))
        train = everything.select(rows)
    return LongTailedData(
        card=card,
        train=train,
        val=held,
        heldout=_heldout(store),
        test=store.table("test"),
        split=SplitInfo(
            rule=rule,
            replicate=0,
            rule_hash=rule_hash,
            rows_hash=splits.rows_hash(store.digests("train")[rows], labels[rows]),
            source_hash=store.source_hash,
        ),
    )


def _heldout(store: Store) -> ImageTable:
    if "heldout" in store.meta["parts"]:
        return store.table("heldout")
    empty = Images(np.empty((0, store.size, store.size, 3), np.uint8))
    return ImageTable(empty, np.empty(0, np.int64), np.empty(0, np.str_))
