"""Downloads of a known file, from a server that sends another one, or sends one elsewhere."""

import hashlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from benchmark.data.downloads import Source, fetch
from benchmark.data.official_cifar import SOURCES, dataset_class
from benchmark.errors import BenchError
from tests.security.cases import Case, each, files_below

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs a certificate")
WHOLE = bytes(range(256)) * 40
SHA = hashlib.sha256(WHOLE).hexdigest()


def ok(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        *headers,
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def moved(target: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()


CASES = [
    Case("as it should be", ok(WHOLE), "harmless"),
    Case("one bit is another", ok(WHOLE[:-1] + b"\0"), said="SHA-256"),
    Case("longer", ok(WHOLE * 2), said="more than 10,240 bytes"),
    Case("shorter", ok(WHOLE[:-1]), said="10,239 bytes with SHA-256"),
    Case("cut short", ok(WHOLE[:500], length=len(WHOLE)), said="Expected to download"),
    Case("packed, a bomb", ok(b"\x1f\x8b" + bytes(99), "Content-Encoding: gzip"), said="SHA-256"),
    Case("moved to plain HTTP", moved("http://127.0.0.1/x"), said="without TLS: http:"),
    Case("moved to a file", moved("file:///etc/passwd"), said="without TLS: file:"),
    Case("moved in a circle", moved("/x.tar.gz"), said="more than 3 redirects"),
    Case("not there", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", said="404"),
    Case("no HTTP", b"220 mail\r\n", said="Expected to download"),
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def serve(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """Start a server behind TLS that gives one answer; clients know its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    answers: list[bytes] = []

    def listen() -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as line:
                line.recv(4096)
                line.sendall(answers[0])

    threading.Thread(target=listen, daemon=True).start()

    def start(answer: bytes) -> str:
        answers.append(answer)
        return f"https://127.0.0.1:{server.getsockname()[1]}/x.tar.gz"

    yield start
    server.close()


@each(CASES)
def test_a_download_is_the_known_file_or_none(
    case: Case, serve: Callable[[bytes], str], tmp_path: Path
) -> None:
    source = Source(serve(case.given), len(WHOLE), SHA)
    if case.outcome == "harmless":
        fetch(source, tmp_path / "x.tar.gz", "do without")
        assert (tmp_path / "x.tar.gz").read_bytes() == WHOLE
        return
    with pytest.raises(BenchError) as caught:
        fetch(source, tmp_path / "x.tar.gz", "do without")
    assert case.said in str(caught.value) and str(caught.value).isprintable()
    assert caught.value.exit_code in (3, 4) and not files_below(tmp_path)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    serve: Callable[[bytes], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = serve(ok(WHOLE))
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(BenchError, match=r"(?i)certificate"):
        fetch(Source(url, len(WHOLE), SHA), tmp_path / "x.tar.gz", "do without")


def test_plain_http_is_never_asked(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="without TLS"):
        fetch(Source("http://127.0.0.1:9/x", 1, SHA), tmp_path / "x", "do without")


@pytest.mark.parametrize("n_classes", SOURCES)
def test_what_is_fetched_is_what_torchvision_reads(n_classes: int) -> None:
    cls, source = dataset_class(n_classes), SOURCES[n_classes]
    assert (cls.url, cls.filename) == (source.url, source.name)
    assert len(source.sha256) == 64 and source.url.startswith("https://")
