"""Pictures that are bombs, lies or other files: decoded in a process that may take little."""

import io
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.security.cases import MARK, Case, each, files_below

MEMORY, SECONDS = 2 << 30, 60
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LOOK = """
import json, resource, sys, time
from pathlib import Path
from benchmark.data.images import decode
from benchmark.errors import BenchError
from benchmark.generation.collections.pixels import examine
# torch-free: what is allowed holds the interpreter, NumPy and the pictures
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]),) * 2)
found = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    data, said, begin = path.read_bytes(), [], time.process_time()
    for look in (lambda: str(decode(data, "x.png", 8, "RGB").shape), lambda: examine(data, "x.png").suffix):
        try:
            said.append(["harmless", look()])
        except BenchError as error:
            said.append(["refused", str(error)])
    found[path.name] = [*said, time.process_time() - begin]
print(json.dumps(found))
"""  # noqa: E501


def chunk(kind: bytes, data: bytes) -> bytes:
    checked = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checked)


def png(width: int, height: int, *more: bytes, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of zeros, of which only as many rows are written as take little."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 1)
    row = bytes(1 + (width * channels * depth + 7) // 8)
    packer, packed = zlib.compressobj(1), b""
    for _ in range(min(height, max(1, (4 << 20) // len(row)))):
        packed += packer.compress(row)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = chunk(b"IDAT", packed + packer.flush())
    return SIGNATURE + head + b"".join(more) + body + chunk(b"IEND", b"")


def saved(form: str, mode: str = "RGB", size: tuple[int, int] = (16, 16), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, form, **options)
    return buffer.getvalue()


def with_bytes(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


def tiff(width: int, height: int, **changes: int) -> bytes:
    """A TIFF whose header promises what is not there."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height,
            279: width * height & 0xFFFFFFFF} | {int(key[1:]): value
            for key, value in changes.items()}  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


def loop_of_directories() -> bytes:
    data = tiff(4, 4, t273=0)
    return data[:-4] + struct.pack("<I", 8)


def frames(count: int) -> bytes:
    buffer = io.BytesIO()
    made = [Image.fromarray(np.full((8, 8), n % 256, np.uint8)) for n in range(count)]
    made[0].save(buffer, "GIF", save_all=True, append_images=made[1:])
    return buffer.getvalue()


def exif(orientation: Any) -> bytes:
    kept = Image.Exif()
    kept[0x0112] = orientation
    return saved("JPEG", exif=kept.tobytes())


def bomb_of(kind: bytes, lead: bytes) -> bytes:
    """A chunk of text that unpacks to 100 MB."""
    packer = zlib.compressobj(1)
    zeros = bytes(4 << 20)
    packed = b"".join(packer.compress(zeros) for _ in range(25)) + packer.flush()
    return png(16, 16, chunk(kind, lead + packed))


PS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch EXECUTED) (w) file\nshowpage\n"
SVG = (b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
       b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script>&x;</svg>')  # fmt: skip
XBM = b"#define a_width 9\n#define a_height 9\nstatic char a_bits[] = { 0x00 };\n"
JPEG, FACTS = saved("JPEG"), b"\xff\xe1\xff\xff" + bytes(65533)
# an orientation that is a text of four bytes
TEXT = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0;rm \0\0\0\0"
CASES = [
    Case("PNG of 4 gigapixels", png(65500, 65500), said="pixels"),
    Case("PNG of the largest size", png(2**31 - 1, 2**31 - 1, depth=1), said="pixels"),
    Case("PNG one pixel wide", saved("PNG", "L", (1, 100_000)), "harmless"),
    Case("PNG one pixel high", saved("PNG", "L", (100_000, 1)), "harmless"),
    Case("PNG without a pixel", png(0, 5)),
    Case("PNG of a tenth of its rows", png(6000, 6000), "harmless"),
    Case("PNG of a depth that is none", png(8, 8, depth=7)),
    Case("PNG of a colour that is none", png(8, 8, colour=5)),
    Case("PNG of a palette that is none", png(8, 8, colour=3), "harmless"),
    Case("PNG with 100 MB of packed text", bomb_of(b"zTXt", b"k\0\0")),
    Case("PNG with 100 MB of international text", bomb_of(b"iTXt", b"k\0\x01\0\0\0")),
    Case("PNG with 100 MB of profile", bomb_of(b"iCCP", b"k\0\0")),
    Case("PNG of 70,000 texts", png(16, 16, *[chunk(b"tEXt", b"k\0" + b"v" * 2000)] * 34_000)),
    Case("PNG whose chunk says 2 GB", with_bytes(png(8, 8), 33, b"\x7f\xff\xff\xff"), "harmless"),
    Case("PNG of a broken sum", with_bytes(png(8, 8), 29, b"\0\0\0\0")),
    Case("PNG cut in its header", png(8, 8)[:20]),
    Case("GIF of 65535 squared", with_bytes(saved("GIF", "P"), 6, b"\xff\xff\xff\xff"),
         said="pixels"),
    Case("GIF of 500 frames", frames(500), "harmless"),
    Case("GIF with a frame outside", with_bytes(saved("GIF", "P"), 786, b"\xff\xff"), "harmless"),
    Case("TIFF of 4 gigapixels", tiff(65500, 65500), said="pixels"),
    Case("TIFF of 2 million rows a strip", tiff(5000, 5000, t278=2**31), said="complete image"),
    Case("TIFF of 65535 samples", tiff(64, 64, t277=65535)),
    Case("TIFF that says it is a JPEG", tiff(64, 64, t259=7)),
    Case("TIFF of directories in a circle", loop_of_directories(), "harmless"),
    Case("WEBP of 16383 squared", saved("WEBP", size=(4, 4))[:20] + b"\x2f" + b"\xff" * 20),
    Case("WEBP cut short", saved("WEBP", size=(64, 64))[:40]),
    Case("BMP of 2 gigapixels", with_bytes(saved("BMP"), 18, struct.pack("<ii", 50000, 50000)),
         said="pixels"),
    Case("BMP of negative width", with_bytes(saved("BMP"), 18, struct.pack("<i", -16))),
    Case("PPM of 4 gigapixels", b"P6 65500 65500 255\n", said="pixels"),
    Case("PPM of letters", b"P6 ten ten 255\n"),
    Case("PPM of a million digits", b"P6 " + b"9" * 1_000_000 + b" 1 255\n"),
    Case("JPEG of 65535 squared", with_bytes(JPEG, JPEG.find(b"\xff\xc0") + 5, b"\xff" * 4),
         said="pixels"),
    Case("JPEG of broken tables", with_bytes(JPEG, JPEG.find(b"\xff\xc4") + 5, b"\xff" * 40)),
    Case("JPEG cut short", saved("JPEG", size=(64, 64))[:-200]),
    Case("JPEG with 600 kB of facts", JPEG[:2] + FACTS * 9 + JPEG[2:], "harmless"),
    Case("JPEG turned by a text", saved("JPEG", exif=TEXT), "harmless"),
    Case("JPEG turned by 65535", exif(65535), "harmless"),
    Case("JPEG of facts that lie", saved("JPEG", exif=TEXT[:14] + b"\xff" * 60), "harmless"),
    Case("EPS called PNG", PS, said="not an image"),
    Case("PDF called PNG", b"%PDF-1.7\n1 0 obj<</OpenAction<</S/Launch>>>>endobj\n", said="not an"),
    Case("SVG called PNG", SVG, said="not an image"),
    Case("XBM called PNG", XBM, said="not an image"),
    Case("HTML called PNG", b"<script>alert(1)</script>", said="not an image"),
    Case("ICO called PNG", saved("ICO"), said="not an image"),
    Case("pickle called PNG", b"\x80\x04cos\nsystem\n(S'touch EXECUTED'\ntR.", said="not an image"),
    Case("float pixels of no number", saved("TIFF", "F"), "harmless"),
    Case("16 bits", saved("PNG", "I;16"), "harmless"),
    Case("1 bit", saved("PNG", "1"), "harmless"),
    Case("four inks", saved("JPEG", "CMYK"), "harmless"),
    Case("nothing at all", b"", said="an empty file"),
]  # fmt: skip


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What decoding and examining each picture came to, in one process with limits."""
    folder, tools = tmp_path_factory.mktemp("pictures"), tmp_path_factory.mktemp("tools")
    for number, case in enumerate(CASES):
        (folder / f"{number:03d}").write_bytes(case.given)
    for name in ("gs", "gswin64c", "inkscape", "convert", "sh"):
        # programs that a decoder might start; each would leave a mark
        (tools / name).write_text(f"#!/bin/sh\ntouch {tools / MARK}\n")
        (tools / name).chmod(0o755)
    environment = os.environ | {"PATH": str(tools), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(folder), str(MEMORY), str(SECONDS)],
        env=environment, capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert MARK not in files_below(tools)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@each(CASES)
def test_a_picture_is_refused_or_decoded_within_limits(case: Case, looked: dict[str, Any]) -> None:
    decoded, examined, seconds = looked[f"{CASES.index(case):03d}"]
    for outcome, said in (decoded, examined):
        assert outcome == case.outcome, said
        if outcome == "refused":
            assert case.said in said and said.isprintable() and len(said) < 400
    assert seconds < 10
