"""Fetching from a real server that misbehaves in every way it can."""

import hashlib
import itertools
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmark.errors import DataError, UsageError
from benchmark.generation.collections import Collection, check_location, fetch_urls, web
from benchmark.generation.collections.rows import Row
from benchmark.generation.collections.web import AGENT, Manners
from tests.unit.test_collections import png

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
CLASSES = ("cat", "dog")
ROOT = Path(__file__).parents[2]


class Site(ThreadingHTTPServer):
    """Serves images by number and faults by name; remembers what was asked, how and when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, float, str]] = []
        self.robots: tuple[int, str] = (404, "")
        self.pause = 0.0
        self.scheme = "http"

    @property
    def base(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def count(self, path: str) -> int:
        return Counter(seen for seen, _, _ in self.asked)[path]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no news."""


class Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.server.asked.append((self.path, time.monotonic(), self.headers["User-Agent"]))
        if self.path == "/robots.txt":
            return self.answer(self.server.robots[0], self.server.robots[1].encode())
        time.sleep(self.server.pause)
        name = self.path.strip("/").partition("?")[0]
        fault = getattr(self, f"do_{name}", None)
        return fault() if fault else self.answer(200, png(int(name)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_gone(self) -> None:
        self.answer(404)

    def do_page(self) -> None:
        self.answer(200, b"<html>sign in</html>")

    def do_half(self) -> None:
        self.answer(200, png(1)[:60], Content_Length=str(len(png(1))))

    def do_torn(self) -> None:
        self.answer(200, png(1)[:60])

    def do_large(self) -> None:
        self.answer(200, b"x" * 200_000)

    def do_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"x" * 200_000)

    def do_moved(self) -> None:
        self.answer(302, Location="/7")

    def do_private(self) -> None:
        self.answer(302, Location=f"{self.server.base.replace('127.0.0.1', '127.0.0.2')}/7")

    def do_loop(self) -> None:
        self.answer(301, Location="/loop")

    def do_file(self) -> None:
        self.answer(301, Location="file:///etc/hostname")

    def do_busy(self) -> None:
        again = self.server.count("/busy") > 1
        self.answer(*((200, png(8)) if again else (429, b"")), Retry_After="1")

    def do_closed(self) -> None:
        self.answer(503, Retry_After="9999")

    def do_packed(self) -> None:
        self.answer(200, png(1), Content_Encoding="br")

    def do_silent(self) -> None:
        time.sleep(1.0)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def manners(**changes: Any) -> Manners:
    usual: dict[str, Any] = {
        "allow_http": True, "allow_private": ("127.0.0.1/32",), "delay": 0.0, "timeout": 0.3,
        "max_bytes": 100_000, "retries": 1,
    }  # fmt: skip
    return Manners(**{**usual, **changes})


def listing(folder: Path, site: Site, names: list[str], **columns: dict[str, str]) -> Path:
    path = folder / "list.jsonl"
    rows = [
        {"url": f"{site.base}/{name}", "class": "cat"} | columns.get(name, {}) for name in names
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fetch(folder: Path, site: Site, names: list[str], **changes: Any) -> dict[str, Row]:
    found = fetch_urls(listing(folder, site, ["1", *names]), CLASSES, manners(**changes))
    return {row.url.rpartition("/")[2]: row for row in found.rows}


def test_what_is_fetched_is_stored_with_its_facts(tmp_path: Path, site: Site) -> None:
    digest = hashlib.sha256(png(2)).hexdigest()
    facts = {"sha256": digest, "licence": "CC0", "date": "2024-05-06", "query": "dogs",
             "class": "dog"}  # fmt: skip
    path = listing(tmp_path, site, ["1", "2"], **{"2": facts})
    collection = fetch_urls(path, CLASSES, manners())
    assert collection.counts == (1, 1)
    row = collection.kept[1]
    assert (row.sha256, row.licence, row.date, row.query) == (digest, "CC0", "2024-05-06", "dogs")
    assert collection.bytes_of(row) == png(2)
    assert collection.knowledge == ("web-images",)
    assert collection.facts["dates"] == ["2024-05-06", "2024-05-06"]
    assert {agent for _, _, agent in site.asked} == {AGENT}
    check_location(str(path))
    assert Collection.open(str(path), CLASSES) == collection
    assert Collection.open(collection.key, CLASSES) == collection


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "HTTP 404"),
        ("page", "bytes that are not an image"),
        ("half", "cut off after 60 of"),
        ("torn", "Expected a complete image"),
        ("large", "200,000 bytes, more than 100,000"),
        ("endless", "more than 100,000 bytes"),
        ("private", "127.0.0.2 is at the private address 127.0.0.2"),
        ("loop", "more than 5 redirects"),
        ("file", "not HTTPS but file"),
        ("closed", "HTTP 503, try again in 9999 s"),
        ("packed", "sent as br"),
        ("silent", "timed out"),
    ],
)
def test_a_failure_is_recorded_with_its_reason(
    name: str, reason: str, tmp_path: Path, site: Site
) -> None:
    rows = fetch(tmp_path, site, [name], retries=0)
    assert rows["1"].status == "ok"
    assert (rows[name].status, rows[name].file_name) == ("failed", "")
    assert reason in rows[name].reason


def test_other_bytes_than_the_list_promises_are_a_failure(tmp_path: Path, site: Site) -> None:
    path = listing(tmp_path, site, ["1", "2"], **{"2": {"sha256": "ab" * 32}})
    rows = fetch_urls(path, CLASSES, manners()).rows
    assert [row.status for row in rows] == ["ok", "failed"]
    assert rows[1].reason.startswith("other bytes: SHA-256 ")


def test_a_redirect_is_followed(tmp_path: Path, site: Site) -> None:
    assert fetch(tmp_path, site, ["moved"])["moved"].sha256 == (
        hashlib.sha256(png(7)).hexdigest()
    )  # fmt: skip


def test_a_host_is_asked_again_when_it_said(tmp_path: Path, site: Site) -> None:
    assert fetch(tmp_path, site, ["busy"])["busy"].status == "ok"
    first, second = (when for path, when, _ in site.asked if path == "/busy")
    assert second - first >= 0.99


def test_plain_http_and_private_addresses_are_refused_by_default(
    tmp_path: Path, site: Site
) -> None:
    path = listing(tmp_path, site, ["1"])
    with pytest.raises(DataError, match="all 1 failed: not HTTPS"):
        fetch_urls(path, CLASSES)
    path = listing(tmp_path, site, ["2"])
    with pytest.raises(DataError, match=r"all 1 failed: 127.0.0.1 is at the private address"):
        fetch_urls(path, CLASSES, Manners(allow_http=True))
    assert site.asked == []


def test_a_host_that_resolves_to_a_private_address_is_refused(tmp_path: Path, site: Site) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"url,class\nhttp://localhost:{site.server_address[1]}/1,cat\n")
    with pytest.raises(DataError, match="localhost is at the private address"):
        fetch_urls(path, CLASSES, Manners(allow_http=True))
    assert site.asked == []


def test_requests_to_a_host_keep_their_distance(tmp_path: Path, site: Site) -> None:
    fetch(tmp_path, site, ["2", "3"], delay=0.15)
    times = [when for _, when, _ in site.asked]
    assert len(times) == 4
    assert all(later - earlier > 0.13 for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("answer", "open_paths"),
    [
        ((404, ""), {"1", "2"}),
        ((200, "User-agent: *\nDisallow: /2\n"), {"1"}),
        (
            (200, "User-agent: synaug-bench\nDisallow: /\n\nUser-agent: *\nDisallow:"),
            set(),
        ),
        ((403, ""), set()),
        ((500, ""), set()),
    ],
)
def test_robots_txt_is_honoured(
    answer: tuple[int, str], open_paths: set[str], tmp_path: Path, site: Site
) -> None:
    site.robots = answer
    path = listing(tmp_path, site, ["1", "2"])
    if open_paths:
        rows = fetch_urls(path, CLASSES, manners()).rows
        assert {row.url[-1] for row in rows if row.status == "ok"} == open_paths
        assert {row.reason for row in rows} <= {"", "refused by robots.txt"}
    else:
        with pytest.raises(DataError, match=r"all 2 failed: refused by robots.txt"):
            fetch_urls(path, CLASSES, manners())
    assert {name.strip("/") for name, _, _ in site.asked} == open_paths | {"robots.txt"}


def test_a_longer_crawl_delay_is_kept(tmp_path: Path, site: Site) -> None:
    site.robots = (200, "User-agent: *\nCrawl-delay: 1\n")
    fetch(tmp_path, site, ["2"])
    times = [when for path, when, _ in site.asked if path != "/robots.txt"]
    assert times[1] - times[0] > 0.9


def test_copies_and_repeated_urls_are_kept_once(tmp_path: Path, site: Site) -> None:
    rows = fetch_urls(listing(tmp_path, site, ["1", "1?x", "1"]), CLASSES, manners()).rows
    assert [row.status for row in rows] == ["ok", "dropped", "dropped"]
    assert rows[1].reason.startswith("same bytes as ")
    assert rows[2].reason == "same URL as row 1 of the list"
    assert site.count("/1") == 1


def test_failed_rows_can_be_tried_again_into_another_collection(tmp_path: Path, site: Site) -> None:
    path = listing(tmp_path, site, ["1", "busy"])
    first = fetch_urls(path, CLASSES, manners(retries=0))
    assert first.counts == (1, 0)
    assert fetch_urls(path, CLASSES, manners()) == first
    second = fetch_urls(path, CLASSES, manners(), again=True)
    assert second.counts == (2, 0)
    assert second.key != first.key
    assert Collection.read(first.folder).counts == (1, 0)
    assert site.count("/1") == 1


def test_impossible_manners_are_refused(tmp_path: Path, site: Site) -> None:
    with pytest.raises(UsageError, match="greater than or equal to 0"):
        fetch_urls(listing(tmp_path, site, ["1"]), CLASSES, Manners(delay=-1.0))


CHILD = """
import sys
from pathlib import Path
from benchmark.errors import BenchError
from benchmark.generation.collections.fetching import fetch_urls
from benchmark.generation.collections.web import Manners

usual = Manners(allow_http=True, allow_private=("127.0.0.1/32",), delay=0.0)
try:
    print(fetch_urls(Path(sys.argv[1]), ("cat", "dog"), usual).key)
except BenchError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stopped_fetch_goes_on_where_it_was(
    number: signal.Signals, tmp_path: Path, site: Site
) -> None:
    path, names = listing(tmp_path, site, [str(n) for n in range(12)]), range(12)
    site.pause = 0.05
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], env=env, text=True, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while site.count("/5") == 0 and time.monotonic() < deadline:
        time.sleep(0.005)
    child.send_signal(number)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == (130 if number == signal.SIGTERM else -9)
    assert number == signal.SIGKILL or "of 12 rows fetched" in out
    with pytest.raises(DataError, match=r"were not fetched.*generate fetch"):
        check_location(str(path))
    site.pause = 0.0
    collection = fetch_urls(path, CLASSES, manners())
    assert collection.counts == (12, 0)
    # the answer that was on its way when the process died never arrived
    lost = 1 if number == signal.SIGKILL else 0
    assert sum(site.count(f"/{name}") for name in names) <= 12 + lost
    assert all(site.count(f"/{name}") == 1 for name in range(5))
    again = fetch_urls(path, CLASSES, manners(), root=tmp_path / "other")
    assert again.key == collection.key


def test_a_torn_row_is_fetched_again(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = listing(tmp_path, site, ["1", "2", "3"])
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.generation.collections.store.finish", _fail)
        with pytest.raises(DataError, match="stopped"):
            fetch_urls(path, CLASSES, manners())
    [rows] = (tmp_path / "cache" / "collections" / ".work").glob("*.jsonl")
    rows.write_text(rows.read_text()[:-40])
    assert fetch_urls(path, CLASSES, manners()).counts == (3, 0)
    assert [site.count(f"/{n}") for n in (1, 2, 3)] == [1, 1, 2]


def _fail(*_: Any) -> None:
    raise DataError("stopped")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl to make a certificate")
def test_certificates_are_checked(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.scheme = "https"
    secure = manners(allow_http=False, timeout=5.0, retries=0)
    with pytest.raises(DataError, match="bad certificate: self-signed"):
        fetch_urls(listing(tmp_path, site, ["1"]), CLASSES, secure)
    web._tls.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert fetch_urls(listing(tmp_path, site, ["2"]), CLASSES, secure).counts == (1, 0)
    web._tls.cache_clear()
