"""A folder, zip or tar of files, read alike and in place: nothing is extracted to disk."""

import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Self

from benchmark.data.tars import HEADER_BYTES, check_end, is_tar, open_tar
from benchmark.errors import DataError, IntegrityError


@dataclass(frozen=True)
class Limits:
    """What an archive may hold before it is taken for a bomb.

    Attributes:
        members: files and folders.
        member_bytes: of one file.
        total_bytes: of all files.
        ratio: bytes of all files for each byte of the archive, beyond the first ``slack`` bytes.
        slack: bytes that any archive may unpack to.
    """

    members: int = 5_000_000
    member_bytes: int = 256 << 20
    total_bytes: int = 1 << 40
    ratio: int = 200
    slack: int = 256 << 20


LIMITS = Limits()
# what the standard library raises on bytes that are no archive, or a damaged one
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError,
    OSError, NotImplementedError, ValueError, IndexError, KeyError, RuntimeError, OverflowError,
)  # fmt: skip
SkipFolder = Callable[[str], bool]


class Archive(ABC):
    """Files by relative path. A context manager; ``open_archive`` makes one.

    Attributes:
        path: the folder or file that is read.
        sizes: bytes of each file by its relative path with forward slashes, sorted by path.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sizes: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def names(self) -> tuple[str, ...]:
        """All relative paths, sorted."""
        return tuple(self.sizes)

    def close(self) -> None:  # noqa: B027 (only a zip holds a file open)
        """Release the file."""

    @abstractmethod
    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Each wanted file once, in the order that is fastest to read.

        Raises:
            IntegrityError: a file is damaged or vanished.
        """

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return next(data for _, data in self.read_many([name]))

    def _take(self, found: Iterable[tuple[str, int | None]], limits: Limits, packed: int) -> None:
        """Keep the sizes of files; folders come as None and only count."""
        total, sizes = 0, {}
        for count, (name, size) in enumerate(found, 1):
            _check_limits(self.path, name, count, size or 0, total + (size or 0), limits, packed)
            if size is None:
                continue
            if name in sizes:
                raise _unsafe(self.path, f"two files named '{name}'")
            sizes[name] = size
            total += size
        self.sizes = dict(sorted(sizes.items()))


def open_archive(
    path: str | Path, *, limits: Limits = LIMITS, skip_folder: SkipFolder | None = None
) -> Archive:
    """Open a folder, zip or tar (plain, gz, bz2, xz) and list its files.

    Args:
        path: the folder or file.
        limits: what is taken for a bomb.
        skip_folder: relative paths of folders that need not be walked.

    Raises:
        DataError: no such path, or not a kind that can be read.
        IntegrityError: damaged, or unsafe: absolute paths, "..", links, devices, bombs.
    """
    where = Path(path).expanduser()
    if where.is_dir():
        return _Folder(where, limits, skip_folder)
    if not where.is_file():
        problem = "Expected a folder, zip or tar, but there is nothing here"
        raise DataError(problem, where=where, todo="check source=PATH")
    try:
        if zipfile.is_zipfile(where):
            return _Zip(where, limits)
        if is_tar(where):
            return _Tar(where, limits)
    except _BROKEN as error:
        raise _damaged(where, error) from error
    raise DataError(
        "Expected a folder, zip or tar, but got another kind of file (or a truncated one)",
        where=where,
        todo="check the file, or fetch it again",
    )


def _check_limits(
    path: Path, name: str, members: int, size: int, total: int, limits: Limits, packed: int
) -> None:
    for got, limit, what in (
        (members, limits.members, "files"),
        (size, limits.member_bytes, f"bytes in '{name}'"),
        (total, limits.total_bytes, "bytes in all"),
        (total, limits.slack + limits.ratio * packed, f"bytes from {packed:,} of the archive"),
    ):
        if got > limit:
            raise _unsafe(path, f"more than {limit:,} {what}")


def _unsafe(path: Path, what: str) -> IntegrityError:
    todo = "get the archive from its official source"
    return IntegrityError(f"Expected a safe archive, but got {what}", where=path, todo=todo)


def _damaged(path: Path, error: BaseException, name: str = "") -> IntegrityError:
    place = f"{path}: {name}" if name else path
    return IntegrityError(
        f"Expected readable files, but got {error or type(error).__name__}",
        where=place,
        todo="fetch the file again",
    )


def _clean(path: Path, name: str) -> str:
    """The member's path with forward slashes, or an error if it points elsewhere."""
    given = PurePosixPath(name.replace("\\", "/"))
    if given.is_absolute() or ".." in given.parts or ":" in (given.parts or ("",))[0]:
        raise _unsafe(path, f"the path '{name}' that leads outside it")
    return str(given)


def _overlap(members: Sequence[zipfile.ZipInfo]) -> str | None:
    """A member whose bytes are another's too: so a small file unpacks to a huge one."""
    ordered = sorted(members, key=lambda member: member.header_offset)
    for member, after in pairwise(ordered):
        end = member.header_offset + zipfile.sizeFileHeader + member.compress_size  # type: ignore[attr-defined]
        if end > after.header_offset:
            return member.filename
    return None


class _Folder(Archive):
    def __init__(self, path: Path, limits: Limits, skip: SkipFolder | None) -> None:
        super().__init__(path)
        # nothing is packed: the files are as large as they are
        self._take(self._walk("", skip, ()), limits, limits.total_bytes)

    def _walk(
        self, folder: str, skip: SkipFolder | None, above: tuple[tuple[int, int], ...]
    ) -> Iterator[tuple[str, int]]:
        here = (self.path / folder).stat()
        if (here.st_dev, here.st_ino) in above:
            raise _unsafe(self.path, f"a link '{folder}' that leads back up")
        above = (*above, (here.st_dev, here.st_ino))
        with os.scandir(self.path / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if not entry.is_dir():
                    yield name, self._size(name, entry)
                elif not (skip and skip(name)):
                    yield from self._walk(name, skip, above)

    def _size(self, name: str, entry: "os.DirEntry[str]") -> int:
        try:
            found = entry.stat()
        except OSError as error:
            raise _damaged(self.path, error, name) from error
        if not stat.S_ISREG(found.st_mode):
            raise _unsafe(self.path, f"'{name}', which is not a plain file")
        return found.st_size

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            try:
                data = (self.path / name).read_bytes()
            except OSError as error:
                raise _damaged(self.path, error, name) from error
            yield name, data


class _Zip(Archive):
    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        self._file = zipfile.ZipFile(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._take(self._list(), limits, path.stat().st_size)
        except BaseException:
            self._file.close()
            raise

    def _list(self) -> Iterator[tuple[str, int | None]]:
        members = self._file.infolist()
        shared = _overlap(members)
        if shared is not None:
            raise _unsafe(self.path, f"'{shared}', which overlaps another file")
        for member in members:
            name = _clean(self.path, member.filename)
            mode = member.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unsafe(self.path, f"'{name}', which is a link or a device")
            if member.flag_bits & 1:
                raise _unsafe(self.path, f"'{name}', which is encrypted")
            if not member.is_dir():
                self._members[name] = member
            yield name, None if member.is_dir() else member.file_size

    def close(self) -> None:
        self._file.close()

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        for name in names:
            try:
                data = self._file.read(self._members[name])
            except _BROKEN as error:
                raise _damaged(self.path, error, name) from error
            if len(data) != self.sizes[name]:
                raise _damaged(self.path, EOFError("fewer bytes than it says"), name)
            yield name, data


class _Tar(Archive):
    def __init__(self, path: Path, limits: Limits) -> None:
        super().__init__(path)
        self._limits = limits
        with open_tar(path) as (file, guard):
            self._take(self._list(file), limits, path.stat().st_size)
            check_end(file, guard)

    def _list(self, file: tarfile.TarFile) -> Iterator[tuple[str, int | None]]:
        for member in file:
            name = _clean(self.path, member.name)
            if not (member.isreg() or member.isdir()):
                raise _unsafe(self.path, f"'{name}', which is a link or a device")
            if member.size < 0:
                # the next header would be one that was read before
                raise _unsafe(self.path, f"'{name}' of {member.size} bytes")
            yield name, member.size if member.isreg() else None

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        wanted: set[str] = set(names)
        try:
            with open_tar(self.path) as (file, guard):
                for member in file:
                    name = _clean(self.path, member.name)
                    stream = file.extractfile(member) if name in wanted else None
                    if stream is not None:
                        wanted.discard(name)
                        guard.most = max(self._limits.member_bytes, HEADER_BYTES)
                        data = stream.read()
                        guard.most = HEADER_BYTES
                        yield name, data
                    if not wanted:
                        return
        except _BROKEN as error:
            raise _damaged(self.path, error) from error
        if wanted:
            raise _damaged(self.path, EOFError("an archive that ends early"), min(wanted))


def subtree(names: Sequence[str], folder: str) -> list[str]:
    """The names below ``folder``, in order."""
    return [name for name in names if name.startswith(folder + "/")]
