"""Downloading the images of a list into a collection: row by row, so that a kill costs one row."""

import os
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from benchmark.config import parse
from benchmark.errors import IntegrityError, Interrupted
from benchmark.generation.collections import store
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.importing import failed, said
from benchmark.generation.collections.listing import Wanted, listing_stamp, read_listing
from benchmark.generation.collections.pixels import examine
from benchmark.generation.collections.rows import Row, decode, values
from benchmark.generation.collections.urls import Failure
from benchmark.generation.collections.web import Client, Manners
from benchmark.system.files import canonical_json, content_hash, storage_error, write_text
from benchmark.system.interrupts import StopFlag, stop_flag
from benchmark.system.progress import Tracker

WEB_KNOWLEDGE = "web-images"
_NAP = 0.1


def fetch_urls(
    listing: Path,
    classes: Sequence[str],
    manners: Manners | None = None,
    *,
    class_ids: Sequence[str] = (),
    root: Path | None = None,
    again: bool = False,
    progress: bool = True,
) -> Collection:
    """Download the images of a list; what was fetched before is not fetched again.

    Args:
        listing: CSV or JSON lines; see ``read_listing``.
        classes: readable names in label order.
        manners: limits and pauses; None takes the defaults.
        class_ids: further names of the classes.
        root: where collections are kept; None is the cache.
        again: try the failed rows of a finished collection once more, into a new collection.
        progress: show a bar on a terminal.

    Raises:
        UsageError, DataError, IntegrityError: the list cannot be used, or no image was fetched.
        Interrupted: stopped by a signal; the rows so far are kept.
        StorageError: the disk is full, or the cache cannot be written.
    """
    root, manners = root or store.collection_dir(), manners or Manners()
    parse(Manners, asdict(manners), "fetch")
    wanted = read_listing(listing, classes, class_ids)
    stamp = listing_stamp(listing)
    done = store.recall(root, stamp)
    held = Collection.read(done) if done else None
    if held and held.classes == tuple(classes) and not again:
        return held
    place = f"{stamp}-{content_hash(list(classes), 6)}"
    with store.workroom(root, place, fresh=False) as work:
        job = _Job(work, tuple(classes), manners, wanted)
        if again and held:
            job.take_over(held)
        job.run(progress)
        folder = store.finish(work, root, job.rows(), _declared(listing, wanted, tuple(classes)))
        job.path.unlink(missing_ok=True)
    store.remember(root, stamp, folder.name)
    return said(Collection.read(folder))


def _declared(listing: Path, wanted: Sequence[Wanted], classes: tuple[str, ...]) -> store.Declared:
    source = {"kind": "urls", "name": listing.name, "files": len(wanted)}
    return store.Declared(source, classes, (WEB_KNOWLEDGE,))


class _Stopped(Exception):
    """A worker stops because somebody asked for it."""


@dataclass
class _Halt:
    """Ends the pauses of all workers on a signal, or when one of them fails."""

    flag: StopFlag
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def raised(self) -> bool:
        return self.flag.raised or self.over.is_set()

    def sleep(self, seconds: float) -> None:
        while seconds > 0:
            if self.raised:
                raise _Stopped
            self.over.wait(min(seconds, _NAP))
            seconds -= _NAP


@dataclass
class _Job:
    """Rows to fetch and the file that says which are done.

    Attributes:
        work: the unfinished collection.
        classes: readable names in label order.
        manners: limits and pauses.
        wanted: the list.
    """

    work: Path
    classes: tuple[str, ...]
    manners: Manners
    wanted: Sequence[Wanted]

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._first = {one.url: one.index for one in reversed(self.wanted)}

    @property
    def path(self) -> Path:
        """The append-only file of rows, beside the folder so that finishing leaves it."""
        return self.work.with_name(f"{self.work.name}.jsonl")

    def take_over(self, held: Collection) -> None:
        """Begin with the sound rows of a finished collection, unless this was begun before."""
        if self.path.exists():
            return
        by_url = {row.url: row for row in held.kept}
        with self._append() as file:
            for one in self.wanted:
                row = by_url.get(one.url)
                if row is not None and row.label == one.label:
                    kept = store.keep_bytes(self.work, row, held.bytes_of(row))
                    self._note(file, one.index, kept)

    def _done(self) -> dict[int, Row]:
        if not self.path.is_file():
            return {}
        # what follows the last newline is a row cut short by a kill; it is fetched again
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole, newline, torn = text.rpartition("\n")
        if torn:
            write_text(self.path, whole + newline)
        lines = [line.partition("\t") for line in whole.split("\n") if line]
        rows = decode("\n".join(rest for _, _, rest in lines), self.path)
        try:
            return {int(index): row for (index, _, _), row in zip(lines, rows, strict=True)}
        except ValueError as error:
            raise IntegrityError(
                f"Expected a number and a row in each line, but got {error}",
                where=self.path,
                todo="delete the file; its images are fetched again",
            ) from error

    def rows(self) -> list[Row]:
        """One row a line of the list, by class, then place in the list."""
        done = self._done()
        order = sorted(self.wanted, key=lambda one: (one.label, one.index))
        return [done.get(one.index) or self._repeated(one) for one in order]

    def _repeated(self, one: Wanted) -> Row:
        reason = f"same URL as row {self._first[one.url] + 1} of the list"
        return replace(self._row(one), status="dropped", reason=reason)

    def run(self, progress: bool) -> None:
        """Fetch what is not done."""
        done = self._done()
        left = [
            one
            for one in self.wanted
            if one.index not in done and self._first[one.url] == one.index
        ]
        with ExitStack() as stack:
            halt = _Halt(stack.enter_context(stop_flag()))
            file = stack.enter_context(self._append())
            bar = stack.enter_context(
                Tracker("fetch", len(done) + len(left), "images", done=len(done), enabled=progress)
            )
            self._fetch_all(left, file, bar, halt)
        if halt.flag.raised:
            raise Interrupted(
                f"Stopped with {len(self._done())} of {len(self.wanted)} rows fetched",
                where=self.path,
                todo="run again to go on",
            )

    def _fetch_all(self, left: Iterable[Wanted], file: IO[str], bar: Tracker, halt: _Halt) -> None:
        client = Client(self.manners, halt.sleep)

        def work(queue: Sequence[Wanted]) -> None:
            for one in queue:
                try:
                    row = self._one(one, client, halt)
                except _Stopped:
                    return
                with self._lock:
                    self._note(file, one.index, row)
                    bar.advance()

        with ThreadPoolExecutor(self.manners.hosts) as pool:
            futures = [pool.submit(work, queue) for queue in _by_host(left)]
            try:
                for future in futures:
                    future.result()
            finally:
                halt.over.set()

    def _append(self) -> IO[str]:
        try:
            return self.path.open("a", encoding="utf-8")
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _note(self, file: IO[str], index: int, row: Row) -> None:
        try:
            file.write(f"{index}\t{canonical_json(values(row))}\n")
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise storage_error(self.path, error) from error

    def _row(self, one: Wanted) -> Row:
        return Row(
            label=one.label, class_name=self.classes[one.label], url=one.url, query=one.query,
            licence=one.licence, date=one.date, sha256=one.sha256,
        )  # fmt: skip

    def _one(self, one: Wanted, client: Client, halt: _Halt) -> Row:
        if halt.raised:
            raise _Stopped
        row = self._row(one)
        try:
            data = client.fetch(one.url)
            sound = examine(data, one.url)
        except Failure as failure:
            return failed(row, failure.reason)
        except IntegrityError as error:
            return failed(row, error.problem)
        if one.sha256 not in ("", sound.sha256):
            return failed(row, f"other bytes: SHA-256 {sound.sha256[:12]}...")
        return store.keep_image(self.work, row, sound, data)


def _by_host(wanted: Iterable[Wanted]) -> list[list[Wanted]]:
    """One queue a host, so that no host is asked for two things at once."""
    found: dict[str, list[Wanted]] = {}
    for one in wanted:
        try:
            host = urlsplit(one.url).netloc.lower()
        except ValueError:
            host = ""
        found.setdefault(host, []).append(one)
    return list(found.values())
