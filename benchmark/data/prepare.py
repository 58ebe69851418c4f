"""From archives of images to plans of stores: what several kinds of data sets share."""

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.archives import Archive
from benchmark.data.cards import Colour
from benchmark.data.dataset import PrepareReport
from benchmark.data.images import decode, is_image_name
from benchmark.data.keeping import PixelMode, Seen
from benchmark.data.store import PartPlan, Produce, Store, StorePlan, build
from benchmark.errors import DataError, nearest

_AHEAD = 64
_SMALL = 16_384


def image_names(archive: Archive) -> list[str]:
    """All images of an archive, sorted, without what macOS adds."""
    return [n for n in archive.names if is_image_name(n) and not n.startswith("__MACOSX/")]


def root_of(archive: Archive, names: Sequence[str], wanted: str) -> str:
    """The prefix below which ``wanted/`` lies: "" or one enclosing folder.

    Raises:
        DataError: there is no such folder.
    """
    for prefix in ("", *sorted({name.partition("/")[0] + "/" for name in names})):
        if any(name.startswith(f"{prefix}{wanted}/") for name in names):
            return prefix
    found = sorted({name.partition("/")[0] for name in names})[:5]
    raise DataError(
        f"Expected a folder '{wanted}' of images, but got {found or 'no images'}",
        where=archive.path,
        todo=f"lay images out as {wanted}/<class>/<file>",
    )


def by_class(names: Sequence[str], folder: str) -> dict[str, list[str]]:
    """Images of each class folder directly below ``folder``, both sorted."""
    start = len(folder) + 1 if folder else 0
    found: dict[str, list[str]] = {}
    for name in names:
        if (not folder or name.startswith(folder + "/")) and "/" in name[start:]:
            found.setdefault(name[start:].partition("/")[0], []).append(name)
    return dict(sorted(found.items()))


def check_classes(found: dict[str, list[str]], expected: Sequence[str], where: object) -> None:
    """Refuse class folders other than the expected ones.

    Raises:
        DataError: names missing and unexpected folders, with the nearest spelling.
    """
    missing = sorted(set(expected) - set(found))
    extra = sorted(set(found) - set(expected))
    if missing:
        close = nearest(missing[0], extra, 1)
        hint = f"; is '{close[0]}' meant?" if close else ""
        raise DataError(
            f"Expected {len(expected)} classes, but got {len(found)}: missing "
            f"{', '.join(missing[:3])}{hint}",
            where=where,
            todo="name each class folder as expected",
        )
    if extra:
        raise DataError(
            f"Expected {len(expected)} classes, but got {len(found)}: also {', '.join(extra[:3])}",
            where=where,
            todo="remove folders that are not classes",
        )


def check_counts(counts: dict[str, int], expected: int, where: object, todo: str) -> None:
    """Refuse classes with another number of images than ``expected``.

    Raises:
        DataError: lists the first wrong classes.
    """
    wrong = [f"{name} {count}" for name, count in counts.items() if count != expected]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise DataError(
            f"Expected {expected} images a class, but got {', '.join(wrong[:3])}{more}",
            where=where,
            todo=todo,
        )


@dataclass(frozen=True)
class Reader:
    """Turns files of an archive into pixels, some ahead on a few threads.

    Attributes:
        archive: where the files are.
        size: height and width of the results.
        colour: "RGB" or "L".
    """

    archive: Archive
    size: int
    colour: Colour

    def part(self, name: str, files: dict[int, list[str]], keep: PixelMode = "packed") -> PartPlan:
        """A part with the files of each label, in label order."""
        names = [file for label in sorted(files) for file in files[label]]
        labels = np.asarray([label for label in sorted(files) for _ in files[label]], np.int64)
        return PartPlan(name, tuple(names), labels, self._produce(names, keep), keep)

    def _produce(self, names: list[str], keep: PixelMode) -> Produce:
        def produce(rows: NDArray[np.int64]) -> Iterator[tuple[int, Any]]:
            place = {names[row]: int(row) for row in rows}
            files = self.archive.read_many(names[row] for row in rows)
            with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
                while batch := list(itertools.islice(files, _AHEAD)):
                    where = [place[name] for name, _ in batch]
                    # threads cost more than they gain on files that decode in a moment
                    small = sum(len(data) for _, data in batch) < _SMALL * len(batch)
                    run = map if small else pool.map
                    yield from zip(where, run(partial(self._decode, keep), batch), strict=True)

        return produce

    def _decode(self, keep: PixelMode, file: tuple[str, bytes]) -> NDArray[np.uint8] | Seen:
        where = f"{self.archive.path}: {file[0]}"
        if keep == "packed":
            return decode(file[1], where, self.size, self.colour)
        # imported here: it brings torch
        from benchmark.data.streaming.decoding import seen

        return seen(file[1], where, self.size, self.colour, keep)


def stamp(archive: Archive) -> str:
    """Changes when an archive does: its length and time, or those of a folder's files."""
    found = archive.path.stat()
    own = [] if archive.path.is_dir() else [found.st_size, found.st_mtime_ns]
    return str([str(archive.path.resolve()), *own, sum(archive.sizes.values())])


def describe(archive: Archive, order: str) -> dict[str, Any]:
    """What ``store.json`` says about a source; no path of the machine is kept."""
    kind = "folder" if archive.path.is_dir() else archive.path.suffix.lstrip(".")
    return {"name": archive.path.name, "kind": kind, "files": len(archive.sizes), "order": order}


def report(name: str, store: Store, done: bool, note: str = "") -> PrepareReport:
    """The report on a store."""
    rows = {part: int(facts["rows"]) for part, facts in store.meta["parts"].items()}
    size = sum(path.stat().st_size for path in store.folder.iterdir())
    return PrepareReport(name, done, store.folder, rows, store.meta["seconds"], size, note)


def build_report(name: str, plan: StorePlan, progress: bool, note: str = "") -> PrepareReport:
    """Build a plan and report on it."""
    return report(name, build(plan, progress=progress), True, note)
