"""Archives that lead outside, hide links or devices, unpack to more than there is, or lie."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.archives import Limits, open_archive
from benchmark.errors import BenchError
from tests.security.cases import Case, each, files_below, outcome_of

Make = Callable[[Path], Path]
MEGA = 1 << 20


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Make:
    def make(folder: Path) -> Path:
        with warnings.catch_warnings(), zipfile.ZipFile(folder / "x.zip", "w", method) as file:
            warnings.simplefilter("ignore")  # of names that stand twice
            for name, data in members:
                file.writestr(name, data)
        return folder / "x.zip"

    return make


def edited(make: Make, at: bytes, offset: int, value: bytes) -> Make:
    """A zip in which bytes after a signature are others."""

    def edit(folder: Path) -> Path:
        path = make(folder)
        data = bytearray(path.read_bytes())
        place = data.find(at) + offset
        data[place : place + len(value)] = value
        path.write_bytes(data)
        return path

    return edit


def member(name: str, **facts: Any) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(made, key, value)
    return made


def tarred(*members: tarfile.TarInfo, ending: str = "", form: int = tarfile.GNU_FORMAT) -> Make:
    def make(folder: Path) -> Path:
        path = folder / f"x.tar{ending and '.' + ending}"
        with tarfile.open(path, f"w:{ending}", format=form) as file:  # type: ignore[call-overload]
            for one in members:
                file.addfile(one, io.BytesIO(b"x" * one.size))
        return path

    return make


def pax(**headers: str) -> Make:
    return tarred(member("a.png", size=1, pax_headers=headers), form=tarfile.PAX_FORMAT)


def chain(folder: Path) -> Path:
    """A link to a folder outside, and a file that would be written through it."""
    link = member("in", type=tarfile.SYMTYPE, linkname="../..")
    return tarred(link, member("in/a.png", size=1))(folder)


def negative(kind: bytes) -> Make:
    """A size below zero, which leads back to the same header for ever."""

    def make(folder: Path) -> Path:
        header = bytearray(member("a", type=kind).tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b"\xff" * 10 + b"\xfe\x00"
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)
        (folder / "x.tar").write_bytes(bytes(header) + bytes(10240))
        return folder / "x.tar"

    return make


def long_header(kind: bytes, size: int = 16 * MEGA) -> Make:
    """A path of many megabytes, which packs to a few kilobytes."""

    def make(folder: Path) -> Path:
        lead = b"%d path=" % size
        with gzip.open(folder / "x.tar.gz", "wb", compresslevel=1) as file:
            file.write(member("x", type=kind, size=size).tobuf(tarfile.GNU_FORMAT))
            file.write(lead + b"a" * (size - len(lead) - 1) + b"\n")
            file.write(member("a").tobuf() + bytes(1024))
        return folder / "x.tar.gz"

    return make


def after_a_good_one(kind: bytes) -> Make:
    """The same behind a member that is sound."""

    def make(folder: Path) -> Path:
        size = 8 * MEGA
        header = member("x", type=kind, size=size).tobuf(tarfile.GNU_FORMAT)
        good = member("a.png", size=512).tobuf()
        content = good + bytes(512) + header + b"a" * size + member("b").tobuf() + bytes(1024)
        (folder / "x.tar.gz").write_bytes(gzip.compress(content, 1))
        return folder / "x.tar.gz"

    return make


def overlapping(folder: Path) -> Path:
    """Many members that are the same bytes, after Fifield's bomb."""
    path = zipped(("a.png", bytes(MEGA)), method=zipfile.ZIP_DEFLATED)(folder)
    data = path.read_bytes()
    start, end = data.find(b"PK\x01\x02"), data.find(b"PK\x05\x06")
    entry, count = data[start:end], 50
    names = [entry[:46] + b"%05d" % number for number in range(count)]
    tail = struct.pack("<HHHHIIH", 0, 0, count, count, sum(map(len, names)), start, 0)
    path.write_bytes(data[:start] + b"".join(names) + b"PK\x05\x06" + tail)
    return path


def nested(folder: Path) -> Path:
    """A zip of zips of zeros: inner ones are not opened."""
    data = bytes(MEGA)
    for _ in range(4):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
            for number in range(4):
                file.writestr(f"{number}.zip", data)
        data = packed.getvalue()
    (folder / "x.zip").write_bytes(data)
    return folder / "x.zip"


def zip_link(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w") as file:
        info = zipfile.ZipInfo("a.png")
        info.external_attr = 0o120777 << 16
        file.writestr(info, "/etc/passwd")
    return folder / "x.zip"


def picture_and_zip(folder: Path) -> Path:
    """A file that is a PNG to some and a zip to others."""
    path = zipped(("a.png", b"x"))(folder)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + path.read_bytes())
    return path


def cut(pack: Callable[[bytes], bytes], ending: str, share: float) -> Make:
    def make(folder: Path) -> Path:
        whole = tarred(*(member(f"{n}.png", size=5000) for n in range(20)))(folder).read_bytes()
        data = pack(whole)
        (folder / f"y.tar{ending}").write_bytes(data[: int(len(data) * share)])
        return folder / f"y.tar{ending}"

    return make


def at_a_member(folder: Path) -> Path:
    """A tar cut between two members, where nothing looks torn."""
    path = tarred(*(member(f"{n}.png", size=512) for n in range(4)))(folder)
    path.write_bytes(path.read_bytes()[:2048])
    return path


def flipped_header(folder: Path) -> Path:
    path = tarred(*(member(f"{n}.png", size=512) for n in range(4)))(folder)
    data = bytearray(path.read_bytes())
    data[1024 + 3] ^= 0xFF
    path.write_bytes(data)
    return path


def pipe_in_a_folder(folder: Path) -> Path:
    (folder / "tree").mkdir()
    os.mkfifo(folder / "tree" / "a.png")
    return folder / "tree"


OUTSIDE = ["../x.png", "a/../../x.png", "/x.png", "C:\\x.png", "C:/x.png", "..\\x.png",
           "\\\\server\\x.png", "a/..", "a/\\..\\..\\x.png"]  # fmt: skip
# names that lead nowhere else: no dot of them is one, or they are not looked up
ODD = ["\uff0e\uff0e/x.png", "%2e%2e/x.png", "~/x.png", "$HOME/x.png", "a/\u202egnp.x", "CON.png",
       "a/" + "b" * 5000 + ".png", "a/\x1b[31mx.png", "a/x\ny.png"]  # fmt: skip
LINKS = {"symbolic link": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE,
         "character device": tarfile.CHRTYPE, "block device": tarfile.BLKTYPE,
         "unknown kind": b"Z"}  # fmt: skip
CENTRAL = b"PK\x01\x02"
ONE = zipped(("a.png", b"x" * 100))
CASES = [
    *(Case(f"zip to {n!r}", zipped((n, b"x")), said="leads outside it") for n in OUTSIDE),
    *(Case(f"tar to {n!r}", tarred(member(n, size=1)), said="leads outside it") for n in OUTSIDE),
    *(Case(f"zip of {n[:20]!r}", zipped((n, b"x")), "harmless") for n in ODD),
    *(Case(f"tar of {n[:20]!r}", tarred(member(n, size=1)), "harmless") for n in ODD),
    *(Case(f"tar {name}", tarred(member("a", type=kind, linkname="/etc/passwd")), said="a link or")
      for name, kind in LINKS.items()),
    Case("links in a chain", chain, said="a link or a device"),
    Case("zip link", zip_link, said="a link or a device"),
    Case("pipe in a folder", pipe_in_a_folder, said="not a plain file"),
    Case("NUL in a name", zipped(("a.png\x00/../x", b"x")), "harmless"),
    Case("one name twice", zipped(("a", b"x"), ("a", b"y")), said="two files named"),
    Case("one name twice, spelt apart", zipped(("a/b", b"x"), ("a/./b", b"y")), said="two files"),
    Case("names apart in case alone", zipped(("A.png", b"x"), ("a.png", b"y")), "harmless"),
    Case("encrypted", edited(ONE, CENTRAL, 8, b"\x01"), said="encrypted"),
    Case("shorter than it says", edited(ONE, CENTRAL, 24, b"\x10\x27\0\0"), said="readable files"),
    Case("longer than it says", edited(ONE, CENTRAL, 24, b"\x02\0\0\0"), said="Bad CRC-32"),
    Case("three gigabytes, it says", edited(ONE, CENTRAL, 24, b"\0\0\0\xc0"), said="more than"),
    Case("zip64 without its field", edited(ONE, CENTRAL, 20, b"\xff" * 8), said="more than"),
    Case("method nobody knows", edited(ONE, CENTRAL, 10, b"\x61"), said="readable files"),
    Case("version of the future", edited(ONE, CENTRAL, 6, b"\x63"), said="zip file version"),
    Case("name that is no UTF-8", edited(zipped(("é", b"x")), CENTRAL, 46, b"\xff\xfe"),
         said="can't decode"),
    Case("lzma that is none", edited(zipped(("a", b"x" * 999), method=zipfile.ZIP_LZMA),
         b"PK\x03\x04", 41, bytes(8)), said="readable files"),
    Case("ratio of a bomb", zipped(*((f"{n}", bytes(4 * MEGA)) for n in range(3)),
         method=zipfile.ZIP_DEFLATED), said="of the archive"),
    Case("overlapping members", overlapping, said="overlaps another file"),
    Case("zips in zips", nested, "harmless"),
    Case("many members", zipped(*((f"{n}", b"") for n in range(300))), said="more than 200 files"),
    Case("many folders", tarred(*(member(f"{n}", type=tarfile.DIRTYPE) for n in range(300))),
         said="more than 200 files"),
    Case("gigabytes of sparse zeros", pax(**{"GNU.sparse.map": "0,1,99999999999,1",
         "GNU.sparse.size": "99999999999"}), said="more than"),
    Case("sparse map that is none", pax(**{"GNU.sparse.map": "a,b"}), said="folder, zip or tar"),
    Case("PAX path outside", pax(path="../../x.png"), said="leads outside it"),
    Case("PAX size below zero", pax(size="-512"), said="-512 bytes"),
    Case("PAX size of petabytes", pax(size="9" * 16), said="more than"),
    Case("PAX size of letters", pax(size="many"), said="ends early"),
    Case("PAX link path", pax(linkpath="/etc/passwd"), "harmless"),
    Case("PAX time that is none", pax(mtime="nan"), "harmless"),
    Case("PAX header of 16 MB", long_header(tarfile.XHDTYPE), said="folder, zip or tar"),
    Case("GNU name of 16 MB", long_header(tarfile.GNUTYPE_LONGNAME), said="folder, zip or tar"),
    Case("PAX header behind a file", after_a_good_one(tarfile.XHDTYPE), said="a header of"),
    Case("GNU name behind a file", after_a_good_one(tarfile.GNUTYPE_LONGNAME), said="a header of"),
    Case("file of negative size", negative(tarfile.REGTYPE), said="bytes"),
    Case("folder of negative size", negative(tarfile.DIRTYPE), said="bytes"),
    Case("picture and zip at once", picture_and_zip, "harmless"),
    Case("gz cut short", cut(gzip.compress, ".gz", 0.7), said="readable files"),
    Case("xz cut short", cut(lzma.compress, ".xz", 0.7), said="readable files"),
    Case("bz2 cut short", cut(bz2.compress, ".bz2", 0.3), said="folder, zip or tar"),
    Case("cut between members", at_a_member, said="ends early"),
    Case("broken header in the middle", flipped_header, said="ends early"),
]  # fmt: skip
LIMITS = Limits(members=200, member_bytes=100 * MEGA, ratio=200, slack=2 * MEGA)


def read(path: Path) -> dict[str, bytes]:
    with open_archive(path, limits=LIMITS) as archive:
        return dict(archive.read_many(archive.names))


@each(CASES)
def test_an_archive_is_refused_or_read_in_place(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "deep" / "inside"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    path = case.given(inside)
    before = files_below(tmp_path)
    outcome_of(lambda: read(path), case)
    assert files_below(tmp_path) == before


def test_a_header_takes_no_memory_at_will(tmp_path: Path) -> None:
    import tracemalloc

    path = long_header(tarfile.XHDTYPE)(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(BenchError):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGA
    finally:
        tracemalloc.stop()
