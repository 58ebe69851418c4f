"""Addresses that lead inside, and servers that never end, lie or send one elsewhere."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from benchmark.generation.collections.addresses import Forbidden, connect
from benchmark.generation.collections.urls import Failure, split
from benchmark.generation.collections.web import Client, Manners
from tests.security.cases import Case, each

URLS = [
    Case("plain HTTP", "http://x.org/a", said="not HTTPS"),
    Case("file", "file:///etc/passwd", said="not HTTPS but file"),
    Case("FTP", "ftp://x.org/a", said="not HTTPS but ftp"),
    Case("data", "data:image/png;base64,AAAA", said="not HTTPS but data"),
    Case("gopher", "gopher://x.org:70/_x", said="not HTTPS but gopher"),
    Case("script", "javascript:alert(1)", said="not HTTPS but javascript"),
    Case("Jar", "jar:https://x.org!/a", said="not HTTPS but jar"),
    Case("no scheme", "//x.org/a", said="no scheme"),
    Case("path alone", "/etc/passwd", said="no scheme"),
    Case("user and password", "https://u:p@x.org/", said="user name"),
    Case("empty user", "https://@x.org/", said="user name"),
    Case("user that looks like a host", "https://x.org@127.0.0.1/", said="user name"),
    Case("no host", "https:///a", said="no host"),
    Case("port of mail", "https://x.org:25/", said="port 25"),
    Case("port of a shell", "https://x.org:22/", said="port 22"),
    Case("port zero", "https://x.org:0/", said="port 0"),
    Case("port of letters", "https://x.org:a/", said="not a URL"),
    Case("port too high", "https://x.org:65536/", said="not a URL"),
    Case("brackets that stay open", "https://[::1/", said="not a URL"),
    Case("label of 70 letters", f"https://{'a' * 70}.org/", said="not a URL"),
    Case("lone surrogate", "https://x.org/\ud800", said="not a URL"),
    Case("line break in a path", "https://x.org/a\r\nX: y", "harmless"),
    Case("space and NUL in a path", "https://x.org/a b\0", "harmless"),
    Case("letters of other scripts", "https://bücher.example/ü", "harmless"),
    Case("port of a web site", "https://x.org:8443/a", "harmless"),
    Case("path that leads up", "https://x.org/../../etc/passwd", "harmless"),
]


@each(URLS)
def test_a_url_is_https_to_a_host(case: Case) -> None:
    if case.outcome == "refused":
        with pytest.raises(Failure, match=case.said):
            split(case.given, False)
        return
    sent = split(case.given, False).geturl()
    assert sent.isascii() and sent.isprintable() and " " not in sent


HOSTS = [
    *(Case(f"host {host}", host, said="private address") for host in (
        "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001",
        "0", "0.0.0.0", "localhost", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1",
        "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "224.0.0.1",
        "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1",
        "::1", "::", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::ffff:0:7f00:1",
        "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001:db8::1", "100::1",
    )),
]  # fmt: skip


@each(HOSTS)
def test_no_spelling_of_a_private_address_is_reached(case: Case) -> None:
    with pytest.raises(Forbidden, match=case.said):
        connect(case.given, 443, 0.2)


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second answer, after the check, would lead inside; there is no second look-up."""
    answers = [("127.0.0.1", "allowed"), ("10.0.0.1", "not")]
    asked: list[str] = []

    def answer(host: str, port: int, **_: int) -> list[tuple[object, ...]]:
        asked.append(host)
        where = answers[min(len(asked), len(answers)) - 1][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, port))]

    from benchmark.generation.collections.addresses import networks

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(socket, "getaddrinfo", answer)
        made = connect("rebind.example", server.getsockname()[1], 1.0, networks(["127.0.0.1/32"]))
        with made:
            assert made.getpeername()[0] == "127.0.0.1"
    assert asked == ["rebind.example"]


def test_one_private_address_among_public_ones_refuses_all(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (where, 443))
             for where in ("93.184.216.34", "169.254.169.254")]  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254"):
        connect("both.example", 443, 0.2)


Speak = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


def says(*parts: bytes, wait: float = 0.0, again: bool = False) -> Speak:
    """Send the parts; ``again``: the last one for ever."""

    def speak(line: socket.socket) -> None:
        for part in parts:
            line.sendall(part)
            time.sleep(wait)
        while again:
            line.sendall(parts[-1])
            time.sleep(wait)

    return speak


def moved(target: bytes) -> Speak:
    return says(b"HTTP/1.1 302 Found\r\nLocation: " + target + b"\r\nContent-Length: 0\r\n\r\n")


SERVERS = [
    Case("a byte of a header now and then", says(OK, b"X", wait=0.05, again=True),
         said="took more than"),
    Case("a byte of the body now and then",
         says(OK + b"Content-Length: 900\r\n\r\n", b"x", wait=0.05, again=True),
         said="took more than"),
    Case("a body without a length that never ends",
         says(OK + b"\r\n", b"x", wait=0.05, again=True), said="took more than"),
    Case("goes on saying: continue", says(b"HTTP/1.1 100 Continue\r\n\r\n", wait=0.01, again=True),
         said="took more than"),
    Case("says nothing", says(b"", wait=0.05, again=True), said="timed out|took more than"),
    Case("headers without end", says(OK, b"A: b\r\n", again=True), said="no answer"),
    Case("a header of megabytes", says(OK + b"A: ", b"x" * 9999, again=True), said="no answer"),
    Case("a body larger than allowed", says(OK + b"\r\n" + b"x" * 5000), said="more than 1,000"),
    Case("a length larger than allowed", says(OK + b"Content-Length: 99999999999999\r\n\r\n"),
         said="more than 1,000"),
    Case("a length that lies", says(OK + b"Content-Length: 900\r\n\r\nabc"), said="cut off"),
    Case("a length below zero", says(OK + b"Content-Length: -5\r\n\r\n" + b"x" * 2000),
         said="more than 1,000|no answer"),
    Case("chunks without end", says(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n",
         again=True), said="more than 1,000"),
    Case("a chunk of exabytes", says(OK + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"
         + b"x" * 2000), said="more than|no answer"),
    Case("a chunk of no number", says(OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"),
         said="no answer"),
    Case("packed with gzip", says(OK + b"Content-Encoding: gzip\r\n\r\n" + b"\x1f\x8b"),
         said="sent as gzip"),
    Case("packed with gzip, in capitals", says(OK + b"Content-Encoding: GZIP\r\n\r\nx"),
         said="sent as GZIP"),
    Case("another protocol", says(b"220 mail.example ESMTP\r\n"), said="no answer"),
    Case("status of letters", says(b"HTTP/1.1 abc\r\n\r\n"), said="no answer"),
    Case("status nobody knows", says(b"HTTP/1.1 999 x\r\n\r\n"), said="HTTP 999"),
    Case("moved to a file", moved(b"file:///etc/passwd"), said="not HTTPS but file"),
    Case("moved to FTP", moved(b"ftp://x.org/a"), said="not HTTPS but ftp"),
    Case("moved to data", moved(b"data:image/png,x"), said="not HTTPS but data"),
    Case("moved inside", moved(b"http://127.0.0.2/"), said="private address 127.0.0.2"),
    Case("moved inside, by number", moved(b"http://2852039166/latest/"), said="169.254.169.254"),
    Case("moved inside, by IPv6", moved(b"http://[::ffff:a9fe:a9fe]/"), said="private address"),
    Case("moved to a user", moved(b"http://u:p@127.0.0.1/"), said="user name"),
    Case("moved to a shell", moved(b"http://127.0.0.1:22/"), said="port 22"),
    Case("moved nowhere", moved(b""), said="without a place to go"),
    Case("moved to no URL", moved(b"http://[x"), said="not a URL"),
    Case("moved in a circle", moved(b"/again"), said="more than 2 redirects"),
    Case("sound", says(OK + b"Content-Length: 3\r\n\r\nabc"), "harmless"),
]  # fmt: skip


@pytest.fixture
def serve() -> Iterator[Callable[[Speak], str]]:
    """Start a server that says the given on every connection, but has no robots.txt."""
    server = socket.create_server(("127.0.0.1", 0))
    speaks: list[Speak] = []

    def answer(line: socket.socket) -> None:
        with line, suppress(OSError):
            asked = line.recv(4096)
            absent = says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            (absent if b"/robots.txt" in asked else speaks[0])(line)

    def listen() -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()

    def start(speak: Speak) -> str:
        speaks.append(speak)
        return f"http://127.0.0.1:{server.getsockname()[1]}/a"

    yield start
    server.close()


@each(SERVERS)
def test_a_server_is_left_in_time(case: Case, serve: Callable[[Speak], str]) -> None:
    client = Client(Manners(
        allow_http=True, allow_private=("127.0.0.1/32",), delay=0.0, timeout=0.3, total=0.4,
        max_bytes=1000, redirects=2, retries=0,
    ))  # fmt: skip
    url, begin = serve(case.given), time.monotonic()
    if case.outcome == "harmless":
        assert client.fetch(url) == b"abc"
        return
    with pytest.raises(Failure, match=case.said):
        client.fetch(url)
    assert time.monotonic() - begin < 5
