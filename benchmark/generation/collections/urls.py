"""URLs as they are sent, where redirects lead, and why a URL gave nothing."""

import email.utils
import time
from urllib.parse import SplitResult, quote, urljoin, urlsplit

# below this, ports belong to mail, shells and the like
_FREE_PORTS, _WEB_PORTS = 1024, (80, 443)


class Failure(Exception):
    """Why a URL gave no image.

    Args:
        reason: in a few words.
        passing: whether another try may help.
        wait: seconds that the host asks for.
    """

    def __init__(self, reason: str, *, passing: bool = False, wait: float = 0.0) -> None:
        self.reason, self.passing, self.wait = reason, passing, wait
        super().__init__(reason)


def split(url: str, allow_http: bool) -> SplitResult:
    """The parts of a URL as they are sent: ASCII, without a fragment.

    Raises:
        Failure: not a URL of a public place: no HTTPS, no host, a user name, or a port of another
            service.
    """
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").encode("idna").decode(), parts.port
        # lone surrogates, which JSON can spell, cannot be sent
        url.encode()
    except ValueError as error:
        raise Failure(f"not a URL: {error}") from error
    if parts.scheme not in ("https", "http"):
        raise Failure(f"not HTTPS but {parts.scheme or 'no scheme'}")
    if parts.scheme == "http" and not allow_http:
        raise Failure("not HTTPS")
    if not host or parts.username is not None:
        raise Failure("no host" if not host else "a URL with a user name")
    if port is not None and port < _FREE_PORTS and port not in _WEB_PORTS:
        raise Failure(f"port {port}, where no web site is")
    shown = f"[{host}]" if ":" in host else host
    return parts._replace(
        netloc=shown if port is None else f"{shown}:{port}",
        path=quote(parts.path, safe="/%:@!$&'()*+,;=~-._"),
        query=quote(parts.query, safe="/%:@!$&'()*+,;=~-._?"),
        fragment="",
    )


def next_url(url: str, target: str) -> str:
    """Where a redirect from ``url`` leads.

    Raises:
        Failure: nowhere, or away from HTTPS.
    """
    if not target:
        raise Failure("a redirect without a place to go")
    try:
        new = urljoin(url, target)
    except ValueError as error:
        raise Failure(f"a redirect to what is not a URL: {error}") from error
    if url.lower().startswith("https:") and not new.lower().startswith("https:"):
        raise Failure("redirected away from HTTPS")
    return new


def retry_after(text: str) -> float:
    """Seconds of a Retry-After header, a number or a date; 0 if it is neither."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
    return max(0.0, when - time.time())
