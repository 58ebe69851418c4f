"""One question to an OpenAI-compatible endpoint, whose answers are hostile input.

Nothing is redirected, bodies are limited in size and time, and the key appears in no message.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from benchmark.config import NonNegativeFloat, PositiveFloat, PositiveInt
from benchmark.errors import DataError, UsageError

MAX_WAIT_S = 60.0
_LOCAL = ("localhost", "127.0.0.1")
_BUSY = (408, 429)
_CONTEXT = 120


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a language model answers.

    Attributes:
        base_url: everything before "/chat/completions"; https, or http on this machine.
        model: name of the model.
        key_variable: environment variable that holds the key; None sends no key.
        timeout_s: longest wait for the next bytes, and for a whole body, seconds.
        attempts: how often a request is sent while the endpoint is busy or failing.
        backoff_s: wait before the second attempt, seconds; doubles with each one.
        max_bytes: longest body that is read.

    Raises:
        UsageError: an address without a host, with a name or key in it, or without TLS.
    """

    base_url: str
    model: str
    key_variable: str | None = None
    timeout_s: PositiveFloat = 60.0
    attempts: PositiveInt = 5
    backoff_s: NonNegativeFloat = 1.0
    max_bytes: PositiveInt = 1_000_000

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL as error:
            raise _bad_url("one that cannot be read") from error
        if url.userinfo or url.query:
            raise _bad_url("one that carries a name, a key or a query")
        if not url.host or url.scheme not in ("http", "https"):
            raise _bad_url(f"'{self.base_url}'")
        if url.scheme == "http" and url.host not in _LOCAL:
            raise _bad_url(f"plain http to {url.host}, where the key could be read on the way")

    @property
    def host(self) -> str:
        """Host and, unless it is the scheme's own, port."""
        return httpx.URL(self.base_url).netloc.decode("ascii")

    def key(self) -> str | None:
        """The key, read from the environment now and kept nowhere.

        Raises:
            UsageError: the variable is not set, or its value cannot be a key.
        """
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise UsageError(
                f"Expected a key in the environment variable {self.key_variable}, but got "
                + ("characters that no key has" if key else "nothing"),
                where="key_variable",
                todo=f"export {self.key_variable}=...",
            )
        return key


def _bad_url(found: str) -> UsageError:
    return UsageError(
        f"Expected an https address of a chat endpoint, but got {found}",
        where="base_url",
        todo="e.g. https://api.openai.com/v1, or http://localhost:8000/v1",
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the model wrote, and the name under which it did."""

    text: str
    model: str


def ask(endpoint: Endpoint, messages: list[dict[str, str]], settings: Mapping[str, Any]) -> Answer:
    """Send one conversation and return the answer.

    Args:
        endpoint: where to ask.
        messages: the conversation, oldest first.
        settings: sent beside it, e.g. temperature and seed.

    Raises:
        UsageError: the key is missing or refused.
        DataError: no connection, no answer in time, or one that is no chat completion.
    """
    url = endpoint.base_url.rstrip("/") + "/chat/completions"
    key = endpoint.key()
    # an unpacked body could be a thousand times as long as what was sent
    headers = {"Accept-Encoding": "identity"}
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": endpoint.model, "messages": messages, **settings}
    local = httpx.URL(url).host in _LOCAL
    # proxies of the environment are for the network, not for this machine
    with httpx.Client(timeout=endpoint.timeout_s, headers=headers, trust_env=not local) as client:
        status, raw = _patiently(endpoint, client, url, body)
    text = raw.decode("utf-8", "replace")
    text = text.replace(key, "***") if key else text
    _check_status(endpoint, status, text)
    return _answer(endpoint, text)


def _patiently(
    endpoint: Endpoint, client: httpx.Client, url: str, body: dict[str, Any]
) -> tuple[int, bytes]:
    """Status and body of the last attempt."""
    attempt = 0
    while True:
        attempt, asked = attempt + 1, None
        last = attempt == endpoint.attempts
        try:
            status, raw, asked = _send(endpoint, client, url, body)
        except httpx.ConnectError as error:
            raise _unreachable(endpoint, f"no connection ({error})") from error
        except httpx.HTTPError as error:
            if last:
                raise _unreachable(endpoint, f"{type(error).__name__} {error}".strip()) from error
        else:
            if last or not (status in _BUSY or status >= 500):
                return status, raw
        time.sleep(_wait(endpoint, attempt, asked))


def _send(
    endpoint: Endpoint, client: httpx.Client, url: str, body: dict[str, Any]
) -> tuple[int, bytes, str | None]:
    """Status, body and the wait that the endpoint asks for, in seconds if it is a number."""
    end, found = time.monotonic() + endpoint.timeout_s, b""
    with client.stream("POST", url, json=body, follow_redirects=False) as response:
        for part in response.iter_raw(65_536):
            found += part
            if len(found) > endpoint.max_bytes:
                raise DataError(
                    f"Expected at most {endpoint.max_bytes:,} bytes, but got more",
                    where=endpoint.host,
                    todo="check base_url; this is no answer of a few words",
                )
            if time.monotonic() > end:
                raise httpx.ReadTimeout(f"not finished after {endpoint.timeout_s:g} s")
        return response.status_code, found, response.headers.get("retry-after")


def _wait(endpoint: Endpoint, attempt: int, asked: str | None) -> float:
    own: float = endpoint.backoff_s * 2 ** (attempt - 1)
    if asked is not None and asked.isascii() and asked.isdigit():
        own = max(own, float(asked[:6]))
    return min(own, MAX_WAIT_S)


def _unreachable(endpoint: Endpoint, found: str) -> DataError:
    return DataError(
        f"Expected an answer of the chat endpoint, but got {found}",
        where=endpoint.host,
        todo="check base_url, that the server runs, and the network; answers so far are kept",
    )


def _check_status(endpoint: Endpoint, status: int, text: str) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise UsageError(
            f"Expected a valid key, but the endpoint refused it with status {status}",
            where=endpoint.host,
            todo=f"check the environment variable {endpoint.key_variable or '(key_variable=NAME)'}",
        )
    what = "a redirect, which is not followed:" if 300 <= status < 400 else "status"
    raise DataError(
        f"Expected an answer of the chat endpoint, but got {what} {status} {_shown(text)}".rstrip(),
        where=endpoint.host,
        todo="check base_url and model; wait if the endpoint is busy; answers so far are kept",
    )


def _shown(text: str) -> str:
    """The start of an untrusted text, harmless in a terminal."""
    return ascii(text[:_CONTEXT]) if text.strip() else ""


def _answer(endpoint: Endpoint, text: str) -> Answer:
    try:
        value = json.loads(text)
        content, model = value["choices"][0]["message"]["content"], value.get("model", "")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"Expected JSON of a chat completion, but got {_shown(text) or 'an empty body'}",
            where=endpoint.host,
            todo="check base_url; it usually ends in /v1",
        ) from error
    plain = model if isinstance(model, str) and model.isprintable() else ""
    words = content if isinstance(content, str) else ""
    # lone surrogates, which JSON can spell, cannot be sent back
    return Answer(text=words.encode("utf-8", "replace").decode(), model=plain[:100])
