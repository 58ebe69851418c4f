"""A small, polite HTTP client: guarded addresses, limits on everything, robots.txt, Retry-After."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated
from urllib.parse import SplitResult
from urllib.robotparser import RobotFileParser

from annotated_types import Ge, Gt

from benchmark import __version__
from benchmark.generation.collections.addresses import Forbidden, Network, connect, networks
from benchmark.generation.collections.urls import Failure, next_url, retry_after, split

AGENT = f"synaug-bench/{__version__}"
_ROBOTS_BYTES = 500_000
_CHUNK = 65_536
_MOVED = (301, 302, 303, 307, 308)
_PASSING = (OSError, http.client.IncompleteRead)
_LATER = (429, 500, 502, 503, 504)


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How images are fetched.

    Attributes:
        allow_http: fetch over plain HTTP too, where anybody on the way can change images.
        allow_private: private networks that may be reached, such as "10.0.0.0/8"; none by default.
        delay: seconds between two requests to one host.
        timeout: seconds without a byte after which a request is given up.
        total: seconds for one response in all, its headers included.
        max_bytes: longer responses are refused.
        redirects: followed at most.
        retries: further tries after a failure that may pass: timeouts, 429 and 5xx.
        max_wait: longest pause, in seconds, that a host may ask for.
        hosts: hosts fetched from at once, one request at a time each.
        contact: an address or page for the owners of sites, sent with every request.
    """

    allow_http: bool = False
    allow_private: tuple[str, ...] = ()
    delay: Annotated[float, Ge(0)] = 1.0
    timeout: Annotated[float, Gt(0)] = 20.0
    total: Annotated[float, Gt(0)] = 120.0
    max_bytes: Annotated[int, Gt(0)] = 32 << 20
    redirects: Annotated[int, Ge(0)] = 5
    retries: Annotated[int, Ge(0)] = 2
    max_wait: Annotated[float, Ge(0)] = 120.0
    hosts: Annotated[int, Gt(0)] = 4
    contact: str = ""

    @property
    def agent(self) -> str:
        """The User-Agent."""
        return f"{AGENT} ({self.contact})" if self.contact else AGENT


@dataclass(frozen=True)
class Answer:
    """A response: status, headers in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Plain(http.client.HTTPConnection):
    allowed: tuple[Network, ...] = ()

    def connect(self) -> None:
        self.sock = connect(self.host, self.port, self.timeout or 20.0, self.allowed)


class _Secure(http.client.HTTPSConnection):
    allowed: tuple[Network, ...] = ()

    def __init__(self, host: str, port: int | None, *, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=_tls())

    def connect(self) -> None:
        plain = connect(self.host, self.port, self.timeout or 20.0, self.allowed)
        try:
            self.sock = _tls().wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise


@contextmanager
def _deadline(line: http.client.HTTPConnection, seconds: float) -> Iterator[None]:
    """Hang up after some seconds: a host may send a byte now and then, for ever.

    Raises:
        Failure: the time was up.
    """
    up = threading.Event()

    def hang_up() -> None:
        up.set()
        with suppress(OSError, TypeError):
            # beneath TLS, whose own state belongs to the thread that reads
            socket.socket.shutdown(line.sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    late = Failure(f"took more than {seconds:g} s", passing=True)
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError, Failure):
        if not up.is_set():
            raise
        raise late from None
    finally:
        timer.cancel()
    if up.is_set():
        # a body without a length ends where the line does
        raise late


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


@dataclass
class _Host:
    """What is known of a site: when it may be asked again, and its robots.txt."""

    free_at: float = 0.0
    robots: RobotFileParser | None = None
    unread: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Client:
    """Fetches URLs one at a time from each host; safe to share between threads.

    Args:
        manners: limits and pauses.
        sleep: waits for some seconds; raises to stop.
    """

    def __init__(self, manners: Manners, sleep: Callable[[float], None] = time.sleep) -> None:
        self.manners, self._sleep = manners, sleep
        self._allowed = networks(manners.allow_private)
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def fetch(self, url: str) -> bytes:
        """The body at ``url``, redirects followed, tried again where that may help.

        Raises:
            Failure: says why there is none.
        """
        for left in range(self.manners.retries, -1, -1):
            try:
                return self._follow(url)
            except Failure as failure:
                if not failure.passing or not left:
                    raise
                self._sleep(max(failure.wait, self.manners.delay))
        raise AssertionError("the last try returns or raises")

    def _follow(self, url: str) -> bytes:
        for _ in range(self.manners.redirects + 1):
            parts = split(url, self.manners.allow_http)
            self._ask_robots(parts)
            answer = self._get(parts, self.manners.max_bytes)
            if answer.status not in _MOVED:
                return _body(answer, self.manners.max_wait)
            url = next_url(url, answer.headers.get("location", ""))
        raise Failure(f"more than {self.manners.redirects} redirects")

    def _host(self, parts: SplitResult) -> _Host:
        with self._lock:
            return self._hosts.setdefault(f"{parts.scheme}://{parts.netloc}", _Host())

    def _ask_robots(self, parts: SplitResult) -> None:
        host = self._host(parts)
        with host.lock:
            if host.robots is None:
                host.robots = self._first_robots(host, parts)
        if not host.robots.can_fetch(AGENT, parts.geturl()):
            raise Failure("refused by robots.txt")

    def _first_robots(self, host: _Host, parts: SplitResult) -> RobotFileParser:
        if host.unread > self.manners.retries:
            raise Failure("robots.txt cannot be read")
        host.unread += 1
        return self._robots(parts)

    def _robots(self, parts: SplitResult) -> RobotFileParser:
        """The site's rules: none if it has no file, everything forbidden if that cannot be read."""
        url = parts._replace(path="/robots.txt", query="", fragment="").geturl()
        rules = RobotFileParser(url)
        answer = self._robots_answer(url)
        if answer.status >= 500 or answer.status in (401, 403, 429):
            rules.parse(["User-agent: *", "Disallow: /"])
        else:
            text = answer.body.decode("utf-8", "replace") if answer.status == 200 else ""
            try:
                rules.parse(text.splitlines())
            except ValueError as error:
                # such as a delay of thousands of digits
                raise Failure("robots.txt cannot be read") from error
        return rules

    def _robots_answer(self, url: str) -> Answer:
        for _ in range(self.manners.redirects + 1):
            parts = split(url, self.manners.allow_http)
            answer = self._get(parts, _ROBOTS_BYTES)
            if answer.status not in _MOVED:
                return answer
            url = next_url(url, answer.headers.get("location", ""))
        raise Failure("robots.txt redirects without end")

    def _get(self, parts: SplitResult, max_bytes: int) -> Answer:
        self._wait(parts)
        try:
            return self._request(parts, max_bytes)
        except Forbidden as error:
            raise Failure(str(error)) from error
        except TimeoutError as error:
            raise Failure("timed out", passing=True) from error
        except ssl.SSLCertVerificationError as error:
            raise Failure(f"bad certificate: {error.verify_message}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = " ".join(str(error).split()) or type(error).__name__
            raise Failure(f"no answer: {words}", passing=isinstance(error, _PASSING)) from error

    def _wait(self, parts: SplitResult) -> None:
        """Let the host's pause pass."""
        host = self._host(parts)
        asked = host.robots.crawl_delay(AGENT) if host.robots else None
        # a delay may have hundreds of digits
        pause = max(self.manners.delay, float(min(int(asked or 0), 10**9)))
        if pause > self.manners.max_wait:
            raise Failure(f"robots.txt asks for {pause:.0f} s between requests")
        with self._lock:
            now = time.monotonic()
            begin = max(now, host.free_at)
            host.free_at = begin + pause
        if begin > now:
            self._sleep(begin - now)

    def _request(self, parts: SplitResult, max_bytes: int) -> Answer:
        kind, usual = (_Secure, 443) if parts.scheme == "https" else (_Plain, 80)
        # without a port, http.client would look for one in an IPv6 address
        line = kind(parts.hostname or "", parts.port or usual, timeout=self.manners.timeout)
        line.allowed = self._allowed
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": self.manners.agent, "Accept": "image/*,*/*;q=0.5",
                   "Accept-Encoding": "identity", "Connection": "close"}  # fmt: skip
        try:
            line.connect()
            with _deadline(line, self.manners.total):
                line.request("GET", path, headers=headers)
                with line.getresponse() as response:
                    found = {name.lower(): value for name, value in response.getheaders()}
                    wanted = response.status == 200
                    body = self._read(response, found, max_bytes) if wanted else b""
                    return Answer(response.status, found, body)
        finally:
            line.close()

    def _read(
        self, response: http.client.HTTPResponse, headers: Mapping[str, str], max_bytes: int
    ) -> bytes:
        if headers.get("content-encoding", "identity") != "identity":
            raise Failure(f"sent as {headers['content-encoding']}")
        stated = headers.get("content-length", "")
        promised = int(stated) if stated.isdigit() else None
        if promised is not None and promised > max_bytes:
            raise Failure(f"{promised:,} bytes, more than {max_bytes:,}")
        end, body = time.monotonic() + self.manners.total, bytearray()
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > max_bytes:
                raise Failure(f"more than {max_bytes:,} bytes")
            if time.monotonic() > end:
                raise Failure(f"took more than {self.manners.total:g} s", passing=True)
        if promised is not None and len(body) < promised:
            raise Failure(f"cut off after {len(body):,} of {promised:,} bytes", passing=True)
        return bytes(body)


def _body(answer: Answer, max_wait: float) -> bytes:
    if answer.status == 200:
        return answer.body
    if answer.status not in _LATER:
        raise Failure(f"HTTP {answer.status}")
    wait = retry_after(answer.headers.get("retry-after", ""))
    if wait > max_wait:
        raise Failure(f"HTTP {answer.status}, try again in {wait:.0f} s")
    raise Failure(f"HTTP {answer.status}", passing=True, wait=wait)
