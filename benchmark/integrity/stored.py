"""What lies in the cache: pools, collections, data stores, fits, screens, remembered facts."""

from collections.abc import Iterator
from pathlib import Path

from benchmark.data.store import Store
from benchmark.errors import IntegrityError
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.store import KEY_DIGITS
from benchmark.generation.fitting.request import read_fitted
from benchmark.generation.stored import read_pool
from benchmark.generation.verify import verify
from benchmark.system.files import content_hash, read_json, read_sealed, sha256_file

_SHOWN = 3


def check_pool(path: Path, fast: bool) -> Iterator[str]:
    """A pool: its specification, its plan, its rows and, unless fast, every image."""
    pool = read_pool(path.parent)
    if pool.spec.key != path.parent.name:
        yield f"Expected the pool {path.parent.name}, but got {pool.spec.key}"
    gone = {row.worker for row in pool.rows} - set(pool.sessions)
    if gone:
        yield f"results: session-{min(gone)}.json is gone, or its rows name another"
    yield from verify(pool, files=not fast).problems


def check_collection(path: Path, fast: bool) -> Iterator[str]:
    """A collection: its key, its rows and, unless fast, every image."""
    found = Collection.read(path.parent)
    if content_hash(found.facts["identity"], KEY_DIGITS) != found.key:
        yield "Expected the identity that the key is of, but got another"
    if list(found.counts) != found.facts["counts"]:
        yield f"Expected {found.facts['counts']} images, but its rows are {list(found.counts)}"
    files = {found.folder / row.file_name: row.sha256 for row in found.kept}
    yield from _images(files, fast)


def _images(files: dict[Path, str], fast: bool) -> Iterator[str]:
    gone = [path for path in files if not path.is_file()]
    altered = [
        path
        for path, expected in files.items()
        if not fast and path.is_file() and sha256_file(path) != expected
    ]
    for paths, what in ((gone, "missing"), (altered, "not what was kept")):
        if paths:
            names = ", ".join(path.name for path in paths[:_SHOWN])
            yield f"images: {len(paths):,} are {what}: {names}"


def check_source(path: Path, _fast: bool) -> Iterator[str]:
    """Which collection a source became."""
    key = read_json(path)["key"]
    if not isinstance(key, str) or len(key) != KEY_DIGITS:
        yield "Expected the key of a collection"


def check_screen(path: Path, _fast: bool) -> Iterator[str]:
    """Which images of a collection are near-duplicates of test images."""
    value = read_sealed(path, older=True)
    if value is None or value.get("collection") != path.parent.parent.name:
        yield "Expected the result of a comparison of this collection"


def check_store(path: Path, fast: bool) -> Iterator[str]:
    """A prepared data set: its parts and, unless fast, the hash of each."""
    store = Store(path.parent)
    if not fast:
        store.verify()
    yield from ()


def check_fit(path: Path, _fast: bool) -> Iterator[str]:
    """A fit: its key and the hash of every adapter."""
    read_fitted(path.parent)
    if content_hash(read_json(path)["identity"], 16) != path.parent.name:
        yield "Expected the identity that the key is of, but got another"


def check_sealed(path: Path, _fast: bool) -> Iterator[str]:
    """A file that ends with the hash of its content."""
    if read_sealed(path, older=True) is None:
        yield "Expected what was written, but got something else"


def check_headless(path: Path, _fast: bool) -> Iterator[str]:
    """A part whose folder lacks the file that says what it is."""
    needed = {"plan.jsonl": "pool.json", "rows.jsonl": "collection.json"}[path.name]
    if ".work" in path.parts:
        return
    if not (path.parent / needed).exists():
        raise IntegrityError(f"Expected {needed} beside it, but got none", where=path)
    yield from ()
