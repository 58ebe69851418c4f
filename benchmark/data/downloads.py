"""Files fetched by name: over TLS alone, of a known size and SHA-256, or not at all."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

from benchmark.errors import DataError, IntegrityError
from benchmark.system.files import storage_error

REDIRECTS, TIMEOUT = 3, 30.0


@dataclass(frozen=True)
class Source:
    """A file on the internet, known before it is fetched.

    Attributes:
        url: over HTTPS.
        size: in bytes.
        sha256: of its bytes, 64 hex digits.
    """

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]


def fetch(source: Source, path: Path, todo: str) -> None:
    """Fetch a file to ``path``, which is there afterwards whole or not at all.

    Args:
        source: what is fetched.
        path: where to.
        todo: how to do without, printed in errors.

    Raises:
        DataError: it cannot be fetched, leads away from HTTPS, or to too many places.
        IntegrityError: it has another size or hash.
        StorageError: the disk is full or the folder cannot be written.
    """
    # it imports rich, which a look at a card does without
    import httpx

    part = path.with_name(f".{path.name}.part")
    try:
        _write(source, part, todo)
        os.replace(part, path)
    except httpx.HTTPError as error:
        raise _absent(source, " ".join(str(error).split()) or type(error).__name__, todo) from error
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def _write(source: Source, part: Path, todo: str) -> None:
    digest, got = hashlib.sha256(), 0
    with _answer(source, todo) as chunks, part.open("wb") as file:
        for chunk in chunks:
            got += len(chunk)
            if got > source.size:
                raise _other(source, f"more than {source.size:,} bytes", todo)
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != source.sha256:
        raise _other(source, f"{got:,} bytes with SHA-256 {digest.hexdigest()}", todo)


@contextmanager
def _answer(source: Source, todo: str) -> Iterator[Iterator[bytes]]:
    """The bytes of the answer, after at most ``REDIRECTS`` redirects, each to HTTPS."""
    import httpx

    url = source.url
    with httpx.Client(timeout=TIMEOUT, follow_redirects=False) as client:
        for _ in range(REDIRECTS + 1):
            if not url.startswith("https://"):
                raise _absent(source, f"an address without TLS: {url}", todo)
            # no content encoding: the bytes are hashed as they come
            with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as answer:
                if not answer.is_redirect:
                    answer.raise_for_status()
                    yield answer.iter_raw()
                    return
                url = urljoin(url, answer.headers.get("location", ""))
    raise _absent(source, f"more than {REDIRECTS} redirects", todo)


def _absent(source: Source, got: str, todo: str) -> DataError:
    problem = f"Expected to download {source.name}, but got: {got}"
    return DataError(problem, where=source.url, todo=todo)


def _other(source: Source, got: str, todo: str) -> IntegrityError:
    problem = (
        f"Expected {source.name} of {source.size:,} bytes with SHA-256 {source.sha256[:12]}..."
    )
    return IntegrityError(f"{problem}, but got {got}", where=source.url, todo=todo)
