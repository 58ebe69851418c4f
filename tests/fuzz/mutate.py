"""Changes to valid inputs that keep most of their form: one seed, one result.

A coverage-guided fuzzer breaks bytes well and structure badly. These changes put a wrong value, a
missing key or a hostile name where a reader looks for a good one.
"""

import ast
import copy
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

from tests.fuzz.kit import Shape

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 255, 2**31, 2**63, 2**64, -(2**63), 10**30, 10**400, 0.5, -0.0,
    1.5, 1e308, 1e-320, float("nan"), float("inf"), "", " ", "0", "-1", "1e999", "nan", "\u00b2",
    "\u0663", "x" * 3000, "\ud800", "\x00", "a\nb", "\x1b[2J", "../../etc/passwd", "/etc/passwd",
    "C:\\x", "<script>", "|", "=1+1", "\u202eabc", "\u00e9", [], {}, [[]], [None], {"": None},
    [1, "a"], {"a": {"a": {"a": 1}}}, [0] * 300, "test", "ok", "record/9", "${oc.env:HOME}",
)  # fmt: skip
_TEXTS = (
    b"", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\n", b"\r\n", b"[" * 20_000, b'{"a":' * 5_000,
    b"9" * 5_000, b"-", b"NaN", b"Infinity", b'"\\ud800"', b"\xed\xa0\x80", b"\x1a", b'"', b",",
    b"null",
    b"1e999", b"\xe2\x80\xa8", b"%s%n", b"\x85", b"\x0c", b"\xc2\xb2",
)  # fmt: skip
_YAML = (
    b"? [a, b]\n: c\n", b"!!python/object/apply:os.system [id]\n", b"&a [*a]\n", b"2001-99-99",
    b"a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
    b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
    b"e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
    b"g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n",
    b"[" * 2_000, b"- " * 2_000, b"!!int x", b"!!binary x", b"=: =", b"<<: 1\n", b"0x", b"1:99:99",
    b"a: 1\na: 2\n", b"---\n---\n", b"!<tag:yaml.org,2002:timestamp> x", b"\t", b"? ",
    b"%YAML 9.9\n",
)  # fmt: skip
Change = Callable[[bytes, Random], bytes]


def mutate(shape: Shape, data: bytes, rng: Random) -> bytes:
    """A changed input.

    Args:
        shape: of valid inputs.
        data: an input, valid or not.
        rng: decides the change.
    """
    change = _CHANGES.get(shape, _bytes)
    if rng.random() < 0.2:
        change = _bytes
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        try:
            data = change(data, rng)
        except Exception:  # the input is not of its shape any more, which shows in many ways
            data = _bytes(data, rng)
    return data


def _bytes(data: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    to = min(len(data), at + rng.choice((0, 1, 2, 4, 8, 64, 1000)))
    kind = rng.randrange(7)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + data[to:]
    if kind == 2:
        return data[:at] + rng.choice(_TEXTS) + data[to:]
    if kind == 3 and data:
        place = rng.randrange(len(data))
        return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]
    if kind == 4:
        return data[:at] + data[at:to] * rng.choice((2, 3, 50)) + data[to:]
    if kind == 5:
        number = rng.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**63))
        width = rng.choice((1, 2, 4, 8))
        packed = (number % (1 << 8 * width)).to_bytes(width, rng.choice(("little", "big")))
        return data[:at] + packed + data[at + width :]
    return data[to:] + data[:at]


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    if isinstance(value, dict | list):
        for key, item in list(pairs)[:200]:
            found += _nodes(item, (*path, key))
    return found


def _value(value: Any, rng: Random) -> Any:
    """A value with one place changed."""
    value = copy.deepcopy(value)
    path = rng.choice(_nodes(value))
    if not path:
        return rng.choice(ODD) if rng.random() < 0.2 else [value] if rng.random() < 0.2 else value
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    key, kind = path[-1], rng.randrange(8)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[str(rng.choice(ODD))[:50]] = parent.pop(key)
    elif kind == 1 or (kind == 2 and isinstance(parent, list)):
        parent.insert(0, copy.deepcopy(parent[key]))
    elif kind == 2:
        parent[f"{key}_"] = copy.deepcopy(parent[key])
    elif kind == 3 and isinstance(parent[key], int | float):
        parent[key] = parent[key] * rng.choice((-1, 2, 1000, 0.5)) + rng.choice((0, 1, -1))
    elif kind == 4 and isinstance(parent[key], str):
        parent[key] = parent[key] + str(rng.choice(ODD))
    else:
        parent[key] = copy.deepcopy(rng.choice(ODD))
    return value


def _json(data: bytes, rng: Random) -> bytes:
    return json.dumps(_value(json.loads(data), rng)).encode()


def _jsonl(data: bytes, rng: Random) -> bytes:
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    kind = rng.randrange(6)
    if kind == 0:
        lines.insert(at, lines[at])
    elif kind == 1:
        lines[at] = lines[at][: rng.randint(0, len(lines[at]))]
    elif kind == 2:
        lines[at] = rng.choice(_TEXTS)
    else:
        full = [number for number, line in enumerate(lines) if line] or [0]
        at = rng.choice(full)
        lines[at] = _json(lines[at], rng)
    return b"\n".join(lines)


def _yaml(data: bytes, rng: Random) -> bytes:
    if rng.random() < 0.3:
        lines = data.split(b"\n")
        lines.insert(rng.randint(0, len(lines)), rng.choice(_YAML))
        return b"\n".join(lines)
    if rng.random() < 0.15:
        return rng.choice(_YAML)
    return yaml.safe_dump(_value(yaml.safe_load(data), rng), allow_unicode=True).encode()


def _text(data: bytes, rng: Random) -> bytes:
    """Cells and lines of a table, or words of a line, in other places or with other content."""
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    separator = b"," if b"," in lines[at] else b"\t" if b"\t" in lines[at] else b" "
    cells = lines[at].split(separator)
    place, kind = rng.randrange(len(cells)), rng.randrange(5)
    if kind == 0:
        del cells[place]
    elif kind == 1:
        cells.insert(place, cells[place])
    elif kind == 2:
        cells[place] += str(rng.choice(ODD)).encode("utf-8", "surrogatepass")
    elif kind == 3:
        lines.insert(at, rng.choice(lines))
    else:
        cells[place] = str(rng.choice(ODD)).encode("utf-8", "surrogatepass")
    lines[at] = separator.join(cells)
    return b"\n".join(lines)


def _inner(name: str, data: bytes, rng: Random) -> bytes:
    for suffix, change in ((".npy", _npy), (".json", _json), (".jsonl", _jsonl), (".csv", _text)):
        if name.endswith(suffix) and rng.random() < 0.7:
            return change(data, rng)
    return _bytes(data, rng)


_NAMES = ("../x", "/x", "a/../../x", "C:/x", "a\\b", "", "x" * 300, "a\nb", "\u00e9", "con", "a/")


def _zip(data: bytes, rng: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [[info.filename, archive.read(info), info.compress_type, info.external_attr]
                   for info in archive.infolist()]  # fmt: skip
    one, kind = rng.choice(members), rng.randrange(9)
    if kind == 0:
        members.append(list(one))
    elif kind == 1:
        members.remove(one)
    elif kind == 2:
        one[0] = rng.choice(_NAMES)
    elif kind == 3:
        one[2] = rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    elif kind == 4:
        one[3] = rng.choice((0o120777, 0o020666, 0o040755, 0o140777)) << 16
    elif kind == 5:
        one[1], one[2] = bytes(rng.choice((0, 10**6))), zipfile.ZIP_DEFLATED
    else:
        one[1] = _inner(str(one[0]), one[1], rng)
    return packed(members)


def packed(members: list[list[Any]]) -> bytes:
    """A zip of members [name, bytes, compression, attributes], all at one date."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content, compression, attributes in members:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = compression, attributes
            # two of a name are what readers must refuse
            archive.NameToInfo.pop(info.filename, None)
            archive.writestr(info, content)
    return buffer.getvalue()


def _tar(data: bytes, rng: Random) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [(each, archive.extractfile(each)) for each in archive]
        contents = [(info, file.read() if file else b"") for info, file in members]
    chosen = rng.randrange(len(contents))
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT))
    with tarfile.open(fileobj=buffer, mode="w:" + rng.choice(("", "", "gz", "bz2", "xz")),
                      format=form) as archive:  # fmt: skip
        for number, (info, content) in enumerate(contents):
            if number == chosen:
                info, content = _member(info, content, rng)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _member(info: tarfile.TarInfo, content: bytes, rng: Random) -> tuple[tarfile.TarInfo, bytes]:
    kind = rng.randrange(4)
    if kind == 0:
        info.name = rng.choice(_NAMES)
    elif kind == 1:
        info.type = rng.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
                                tarfile.FIFOTYPE, tarfile.DIRTYPE,
                                tarfile.GNUTYPE_SPARSE))  # fmt: skip
        info.linkname = rng.choice(_NAMES)
    else:
        content = _inner(info.name, content, rng)
    info.size = len(content)
    return info, content


def _npy(data: bytes, rng: Random) -> bytes:
    """A header with another shape, type or order."""
    size = struct.unpack("<H", data[8:10])[0]
    header = ast.literal_eval(data[10 : 10 + size].decode())
    key = rng.choice(("shape", "descr", "fortran_order", "other"))
    header[key] = rng.choice(
        {
            "shape": [(), (0,), (-1,), (2**62,), (1, 12), (3, 4), (2**31, 2**31), (0, 2**40), "x"],
            "descr": ["<f8", "|O", "<M8[ns]", "|V4", "<U99", [("a", "<i4")], "x", "<c16", "|b1"],
            "fortran_order": [True, 1, None],
            "other": [1],
        }[key]
    )
    text = repr(header).encode()
    return data[:8] + struct.pack("<H", len(text)) + text + data[10 + size :]


def _safetensors(data: bytes, rng: Random) -> bytes:
    size = int.from_bytes(data[:8], "little")
    header = _json(data[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


_CHANGES: dict[str, Change] = {
    "json": _json, "jsonl": _jsonl, "yaml": _yaml, "text": _text, "zip": _zip, "tar": _tar,
    "npy": _npy, "safetensors": _safetensors, "bytes": _bytes,
}  # fmt: skip
