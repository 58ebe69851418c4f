"""Images of others: lists of URLs, metadata, stored collections, and what sites answer."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress

from benchmark.data.archives import open_archive
from benchmark.errors import BenchError
from benchmark.generation.collections import addresses, fetching, screening, store, urls, web
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.layouts import list_images
from benchmark.generation.collections.listing import read_listing
from benchmark.generation.collections.naming import ClassNames
from benchmark.generation.collections.rows import Row, decode, encode
from benchmark.generation.collections.screening import Near, Screen
from benchmark.generation.collections.tables import read_tables
from benchmark.system.files import write_sealed
from tests.fuzz.kit import Target, file, folder

CLASSES = ("cat", "fire truck")
URL = "https://example.org/a%20b/1.png?q=1"
ROWS = (
    Row(label=0, class_name="cat", sha256="a" * 64, pixel_sha256="b" * 64,
    file_name="images/0000_cat/x.png",
        url=URL, network_calls=3, seconds=0.5),
    Row(label=1, class_name="fire truck", status="failed", reason="HTTP 404", url=URL),
)  # fmt: skip


def _table(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path = file(f"{name}/metadata{name}", data)
        file(f"{name}/cat/1.png", b"x")
        file(f"{name}/fire truck/2.png", b"x")
        with open_archive(path.parent) as archive:
            read_tables(archive)
            list_images(archive, ClassNames(CLASSES))

    return read


def side(data: bytes) -> None:
    """Side files of a WebDataset shard: the first byte says of which kind."""
    kinds = ("json", "cls", "txt")
    kind = kinds[data[0] % 3] if data else "txt"
    for each in kinds:
        (folder() / "shard" / f"1.{each}").unlink(missing_ok=True)
    file("shard/1.cls", b"0")
    path = file(f"shard/1.{kind}", data[1:])
    file("shard/1.png", b"x")
    with open_archive(path.parent) as archive:
        list_images(archive, ClassNames(CLASSES))


def _listing(suffix: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        for wanted in read_listing(file(f"list{suffix}", data), CLASSES):
            _parts(wanted.url)

    return read


def _parts(url: str) -> None:
    try:
        found = urls.split(url, allow_http=True)
    except urls.Failure:
        return
    assert found.geturl().isascii() and found.hostname and found.scheme in ("http", "https")
    # what is sent is read as the same place again
    again = urls.split(found.geturl(), allow_http=True)
    assert (again.hostname, again.port) == (found.hostname, found.port)


def url(data: bytes) -> None:
    """A URL, where a redirect leads, when to ask again, and whether an address may be reached."""
    text = data.decode("utf-8", "surrogateescape")
    _parts(text)
    for call in (lambda: urls.next_url(URL, text), lambda: urls.next_url(text, "/x")):
        try:
            _parts(call())
        except urls.Failure:
            continue
    assert urls.retry_after(text) >= 0
    try:
        addresses.networks([text])
    except BenchError:
        return


def robots(data: bytes) -> None:
    """A robots.txt, and the pause that it asks for."""
    client = web.Client(web.Manners(max_wait=0.001), lambda seconds: None)
    client._robots_answer = lambda url: web.Answer(200, {}, data)  # type: ignore[method-assign]
    with suppress(urls.Failure):
        client._ask_robots(urls.split(URL, False))
        client._wait(urls.split(URL, False))


def rows(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    found = list(decode(text, folder() / "rows.jsonl"))
    assert list(decode(encode(found), folder() / "rows.jsonl")) == found


def stored(data: bytes) -> None:
    """A collection whose facts are the input, and whose rows are sound."""
    text = encode(ROWS).encode()
    path = file("collections/abc/collection.json", data)
    file("collections/abc/rows.jsonl", text)
    found = Collection.read(path.parent)
    _ = found.classes, found.knowledge, found.counts, found.missing
    found.order(0, 0)


def stored_rows(data: bytes) -> None:
    """A collection whose rows are the input, under the hash that its facts state."""
    facts = json.loads(_facts(data))
    path = file("collections/abc/collection.json", json.dumps(facts).encode())
    file("collections/abc/rows.jsonl", data)
    found = Collection.read(path.parent)
    _ = found.counts, found.missing
    found.pick([0, 0], 0)


def fetched(data: bytes) -> None:
    """Rows of a fetch under way."""
    work = folder() / "fetch" / "list"
    file("fetch/list.jsonl", data)
    fetching._Job(work, CLASSES, fetching.Manners(), ())._done()


def source(data: bytes) -> None:
    file("roots/sources/stamp.json", data)
    store.recall(folder() / "roots", "stamp")


def near(data: bytes) -> None:
    path = file("collections/abc/near.json", data)
    held = Collection(path.parent, {"classes": list(CLASSES)}, ROWS)
    _ = screening._read(path, held).ids


def _facts(text: bytes) -> bytes:
    value = {
        "key": "abc", "classes": list(CLASSES), "counts": [1, 0], "candidates": 2, "dropped": 0,
        "failed": 1, "source": {"kind": "list", "name": "x"}, "licences": {"": 1}, "dates": [],
        "finished": "2026-01-02", "knowledge": ["web"], "network_calls_per_image": None,
        "rows_sha256": hashlib.sha256(text).hexdigest(),
    }  # fmt: skip
    return json.dumps(value).encode()


def _lines() -> list[bytes]:
    first = {"file_name": "cat/1.png", "prompt": "a cat", "label": 0, "seconds": 0.5, "calls": 3}
    return [json.dumps(first).encode() + b"\n" + b'{"file_name": "fire truck/2.png"}\n']


def _url_lines() -> list[bytes]:
    row = {"url": URL, "class": "cat", "sha256": "a" * 64, "licence": "CC0", "date": "2026-01-02"}
    return [json.dumps(row).encode() + b"\n" + json.dumps({"url": URL, "label": 1}).encode()]


def _near() -> list[bytes]:
    one = Near("a" * 24, 0, 3, 0.9, 0.8)
    value = Screen("abc", "t", "x 1", 2, (one,))
    plain = vars(value) | {"found": [vars(one)]}
    path = file("seed.json", b"")
    write_sealed(path, plain)
    return [path.read_bytes(), json.dumps(plain).encode()]


def _fetched() -> list[bytes]:
    lines = encode(ROWS).splitlines()
    return ["".join(f"{at}\t{line}\n" for at, line in enumerate(lines)).encode()]


TARGETS = (
    Target("metadata_csv", "text", _table(".csv"),
           lambda: [b"file_name,prompt,calls,label\ncat/1.png,a cat,3,0\nfire truck/2.png,,,1\n"]),
    Target("metadata_jsonl", "jsonl", _table(".jsonl"), _lines),
    Target("side_files", "bytes", side,
           lambda: [b'\x00{"prompt": "a", "label": 1, "license": "CC0"}', b"\x010", b"\x02a cat"]),
    Target("list_csv", "text", _listing(".csv"),
           lambda: [f"url,class,sha256,licence\n{URL},cat,,CC0\n{URL},fire truck,,\n".encode()]),
    Target("list_jsonl", "jsonl", _listing(".jsonl"), _url_lines),
    Target("url", "text", url, lambda: [URL.encode(), b"http://[::1]:80/", b"10.0.0.0/8", b"120",
           b"Wed, 21 Oct 2026 07:28:00 GMT", "https://b\u00fccher.example/\u00fc".encode()],
           ("urllib.parse", "email.utils", "email._parseaddr", "ipaddress")),
    Target("robots", "text", robots,
           lambda: [b"User-agent: *\nCrawl-delay: 3\nDisallow: /x\n"], ("urllib.robotparser",)),
    Target("collection_rows", "jsonl", rows, lambda: [encode(ROWS).encode()]),
    Target("collection", "json", stored, lambda: [_facts(encode(ROWS).encode())]),
    Target("collection_stored", "jsonl", stored_rows, lambda: [encode(ROWS).encode()]),
    Target("fetched", "text", fetched, _fetched),
    Target("collection_source", "json", source, lambda: [b'{"key": "abc"}']),
    Target("near", "json", near, _near),
)  # fmt: skip
