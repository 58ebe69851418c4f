"""Near-duplicates of test images in a collection: found once for each set of test rows."""

import hashlib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data.cards import Colour
from benchmark.errors import IntegrityError
from benchmark.generation.collections.collection import Collection
from benchmark.system.files import content_hash, read_sealed, write_sealed
from benchmark.system.progress import Tracker

LEAKS = "benchmark.generation.quality.leaks"
_CHUNK = 20_000
Pixels = NDArray[np.uint8]
Compare = Callable[[Pixels, Pixels, Pixels], Iterable[Any]]


@dataclass(frozen=True)
class Near:
    """A collected image that is a near-duplicate of a test image.

    Attributes:
        image_id: of the collected image.
        label: its class.
        reference: row of the test image.
        score: their similarity.
        threshold: the score from which a pair counts.
    """

    image_id: str
    label: int
    reference: int
    score: float
    threshold: float


@dataclass(frozen=True)
class Screen:
    """What a comparison with the test images found.

    Attributes:
        collection: key of the collection.
        test: hash of the test rows.
        extractor: what compared them, with its version.
        candidates: images compared.
        found: near-duplicates, one entry an image.
    """

    collection: str
    test: str
    extractor: str
    candidates: int
    found: tuple[Near, ...]

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the near-duplicates."""
        return frozenset(near.image_id for near in self.found)


def screen(
    collection: Collection,
    test: Pixels,
    train: Pixels,
    *,
    colour: Colour = "RGB",
    compare: Compare | None = None,
    version: str | None = None,
    progress: bool = True,
) -> Screen:
    """Compare all images of a collection with the test images; the result is kept beside it.

    Args:
        collection: to be screened.
        test: uint8 (n, size, size, 3).
        train: real training images, uint8 (m, size, size, 3); they set the threshold.
        colour: in which the data set's images are kept.
        compare: (candidates, test, train) -> matches with ``candidate``, ``reference``, ``score``
            and ``threshold``; None is the suite's own.
        version: of ``compare``, enters the cache's key.
        progress: show a bar on a terminal.

    Raises:
        IntegrityError: a damaged image, or a damaged result of an earlier comparison.
    """
    if compare is None:
        leaks = importlib.import_module(LEAKS)
        compare, version = leaks.near_duplicates, str(getattr(leaks, "VERSION", 1))
    extractor = f"{compare.__module__}.{compare.__qualname__} {version or 1}"
    test_hash = _hash(test)
    key = content_hash([test_hash, _hash(train), colour, extractor], 16)
    path = collection.folder / "screens" / f"{key}.json"
    if path.is_file():
        return _read(path, collection)
    found = tuple(_compare(collection, test, train, colour, compare, progress))
    result = Screen(collection.key, test_hash, extractor, len(collection.kept), found)
    write_sealed(path, asdict(result))
    return result


def _compare(
    collection: Collection,
    test: Pixels,
    train: Pixels,
    colour: Colour,
    compare: Compare,
    progress: bool,
) -> Iterable[Near]:
    rows = collection.kept
    best: dict[int, Any] = {}
    with Tracker("screen", len(rows), "images", enabled=progress) as tracker:
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            images = collection.load(part, test.shape[1], colour)
            for match in compare(images, test, train):
                index = start + int(match.candidate)
                if index not in best or match.score > best[index].score:
                    best[index] = match
            tracker.advance(len(part))
    return [
        Near(
            rows[index].image_id, rows[index].label,
            int(match.reference), float(match.score), float(match.threshold),
        )
        for index, match in sorted(best.items())
    ]  # fmt: skip


def _hash(images: Pixels) -> str:
    whole = np.ascontiguousarray(images)
    digest = hashlib.sha256(str(whole.shape).encode())
    digest.update(whole.data)
    return digest.hexdigest()[:16]


def _read(path: Any, collection: Collection) -> Screen:
    values = read_sealed(path, older=True)
    try:
        if values is None:
            raise TypeError("another content than was written")
        found = tuple(Near(**near) for near in values.pop("found"))
        result = Screen(found=found, **values)
    except (TypeError, AttributeError, KeyError) as error:
        raise IntegrityError(
            f"Expected the result of a comparison, but got {error}",
            where=path,
            todo="delete the file and run again",
        ) from error
    if result.collection != collection.key:
        raise IntegrityError(
            f"Expected a comparison of {collection.key}, but got one of {result.collection}",
            where=path,
            todo="delete the file and run again",
        )
    return result
