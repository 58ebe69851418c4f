"""Freezing a language model's answers, against a real server on this machine."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.generation.chat import Endpoint
from benchmark.generation.prompt_writer import PromptQuery, accepted, write_prompts
from benchmark.verbs import cli

KEY = "sk-test-0123456789"
VARIABLE = "SYNAUG_TEST_CHAT_KEY"
WORDS = ["bold", "thin", "wide"]
# (status, body, headers) of one reply; a str body is the model's text, bytes are sent as they are
Reply = tuple[int, str | bytes, dict[str, str]]
Script = Callable[[int, dict[str, Any]], Reply]


class Server:
    """A chat endpoint that answers by script and keeps what it was asked."""

    def __init__(self, script: Script) -> None:
        self.script, self.bodies, self.keys = script, list[dict[str, Any]](), list[str]()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                owner.bodies.append(body | {"path": self.path})
                owner.keys.append(self.headers.get("authorization", ""))
                owner.reply(self, body)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def reply(self, handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        status, content, headers = self.script(len(self.bodies), body)
        raw = content if isinstance(content, bytes) else completion(content)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(raw)))
        # who asked may be gone by now
        with suppress(ConnectionError):
            handler.end_headers()
            handler.wfile.write(raw)


def completion(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({"model": "tiny-1", "choices": [{"message": message}]}).encode()


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    server = Server(script)
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


def _query(url: str, **changes: Any) -> PromptQuery:
    own: dict[str, Any] = {"key_variable": VARIABLE, "backoff_s": 0.0, "timeout_s": 5.0}
    reach = {name: changes.pop(name) for name in (*own, "attempts", "max_bytes") if name in changes}
    return PromptQuery(
        endpoint=Endpoint(base_url=url, model="tiny", **(own | reach)), **({"n": 3} | changes)
    )


def _good(count: int, body: dict[str, Any]) -> Reply:
    return 200, json.dumps(WORDS), {}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, KEY)


def test_answers_are_frozen_with_their_origin_and_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    with serving(_good) as server:
        query = _query(server.url, temperature=0.5, seed=7)
        made = write_prompts(query, ["oak tree", "seven", "oak tree"], path)
    first = server.bodies[0]
    assert [len(server.bodies), first["path"]] == [2, "/v1/chat/completions"]
    assert (first["model"], first["temperature"], first["seed"]) == ("tiny", 0.5, 7)
    assert '"oak tree"' in first["messages"][0]["content"]
    assert server.keys == [f"Bearer {KEY}"] * 2
    assert made.classes == {"oak tree": tuple(WORDS), "seven": tuple(WORDS)}
    assert made.knowledge == ("llm-modifiers",)
    source = yaml.safe_load(path.read_text())["source"]
    assert (source["model"], source["reported"]) == ("tiny", ["tiny-1"])
    assert source["endpoint"] == server.url.removeprefix("http://").removesuffix("/v1")
    assert (source["query"], source["query_hash"]) == (query.query, query.hash)
    # sha256sum of ["bold", "thin", "wide"]
    digest = "2854c7913a282c2c7ba17f7ecc7d1ceb4cb041dad204aeb6c92252e3ede10a71"
    assert set(source["answer_hashes"].values()) == {digest}
    assert [file.name for file in tmp_path.iterdir()] == ["mine.yaml"]
    assert KEY not in path.read_text()


def test_a_finished_file_is_read_and_another_question_never_overwrites_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    with serving(_good) as server:
        made = write_prompts(_query(server.url), ["a seven"], path)
        assert write_prompts(_query(server.url), ["a seven"], path) == made
        for query, classes in (
            (_query(server.url, seed=1), ["a seven"]),
            (_query(server.url), ["eight"]),
        ):
            with pytest.raises(UsageError, match="sets are frozen"):
                write_prompts(query, classes, path)
    assert len(server.bodies) == 1


def test_a_stopped_call_goes_on_with_the_missing_classes(tmp_path: Path) -> None:
    path, part = tmp_path / "mine.yaml", tmp_path / "mine.yaml.part.json"
    classes = ["one", "two", "three", "four"]
    with serving(lambda count, _: _good(count, {}) if count < 3 else (401, b"{}", {})) as server:
        with pytest.raises(UsageError, match="refused"):
            write_prompts(_query(server.url), classes, path)
        assert not path.exists()
        assert list(json.loads(part.read_text())["finished"]) == ["one", "two"]
        assert KEY not in part.read_text()
        with pytest.raises(UsageError, match="restore the question"):
            write_prompts(_query(server.url, n=2), classes, path)
        server.script = _good
        made = write_prompts(_query(server.url), classes, path)
    asked = [body["messages"][0]["content"] for body in server.bodies[3:]]
    assert [name in text for name, text in zip(classes[2:], asked, strict=True)] == [True, True]
    assert list(made.classes) == classes
    assert not part.exists()


KILLED = """
import sys
from pathlib import Path
from benchmark.generation.chat import Endpoint
from benchmark.generation.prompt_writer import PromptQuery, write_prompts
query = PromptQuery(endpoint=Endpoint(base_url=sys.argv[1], model="tiny"), n=3)
write_prompts(query, ["one", "two", "three"], Path(sys.argv[2]))
"""


def test_a_killed_process_loses_the_open_question_only(tmp_path: Path) -> None:
    path, asked, killed = tmp_path / "mine.yaml", threading.Event(), threading.Event()

    def script(count: int, body: dict[str, Any]) -> Reply:
        if count == 3:
            asked.set()
            killed.wait(30)
        return (503, b"", {}) if count == 3 else _good(count, body)

    with serving(script) as server:
        command = [sys.executable, "-c", KILLED, server.url, str(path)]
        with subprocess.Popen(command) as process:
            assert asked.wait(30)
            process.kill()
        killed.set()
        assert not path.exists()
        query = PromptQuery(endpoint=Endpoint(base_url=server.url, model="tiny"), n=3)
        made = write_prompts(query, ["one", "two", "three"], path)
    assert (len(server.bodies), list(made.classes)) == (4, ["one", "two", "three"])


def test_the_reason_goes_back_and_a_good_second_answer_is_taken(tmp_path: Path) -> None:
    answers = ["no list", '["bold", "bold", "old Seven"]', '```json\n["a","b","c","d"]\n```']
    with serving(lambda count, _: (200, answers[count - 1], {})) as server:
        made = write_prompts(_query(server.url), ["seven"], tmp_path / "mine.yaml")
    assert made.classes["seven"] == ("a", "b", "c")
    talk = server.bodies[2]["messages"]
    assert [turn["role"] for turn in talk] == ["user", "assistant", "user"]
    assert "contains the class name 'seven'" in talk[2]["content"]
    assert "it has 1 usable different strings" in talk[2]["content"]


def test_three_bad_answers_are_noted_and_asked_again_later(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"

    def script(count: int, body: dict[str, Any]) -> Reply:
        bad = '"two"' in body["messages"][0]["content"]
        return 200, "sorry" if bad else json.dumps(WORDS), {}

    with serving(script) as server:
        with pytest.raises(DataError, match="none for 1: two: it is not a JSON list") as caught:
            write_prompts(_query(server.url), ["one", "two", "three"], path)
        assert "run again" in str(caught.value)
        assert len(server.bodies) == 5
        server.script = _good
        made = write_prompts(_query(server.url), ["one", "two", "three"], path)
    assert (len(server.bodies), list(made.classes)) == (6, ["one", "two", "three"])


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_endpoint_is_asked_again(tmp_path: Path, status: int) -> None:
    def script(count: int, body: dict[str, Any]) -> Reply:
        return _good(count, body) if count == 3 else (status, b"busy", {"retry-after": "0"})

    with serving(script) as server:
        write_prompts(_query(server.url), ["seven"], tmp_path / "mine.yaml")
    assert len(server.bodies) == 3


def test_an_endpoint_that_stays_busy_is_given_up(tmp_path: Path) -> None:
    with (
        serving(lambda *_: (429, b"slow down", {})) as server,
        pytest.raises(DataError, match="status 429 'slow down'"),
    ):
        write_prompts(_query(server.url, attempts=2), ["seven"], tmp_path / "mine.yaml")
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        ((401, b"bad", {}), UsageError, f"environment variable {VARIABLE}"),
        ((404, b"no \x1b[31mmodel", {}), DataError, r"404 'no \\x1b\[31mmodel'"),
        ((404, KEY.encode(), {}), DataError, r"404 '\*\*\*'"),
        ((302, b"", {"location": "http://example.org"}), DataError, "redirect, .* 302"),
        ((200, b"<html>", {}), DataError, "JSON of a chat completion, but got '<html>'"),
        ((200, b"", {}), DataError, "an empty body"),
        ((200, b'{"choices": []}', {}), DataError, "JSON of a chat completion"),
        ((200, b"[" * 100_000, {}), DataError, "JSON of a chat completion"),
        ((200, b"x" * 2_000_000, {}), DataError, "at most 1,000,000 bytes"),
    ],
)
def test_unusable_replies(
    tmp_path: Path, reply: Reply, error: type[BenchError], words: str
) -> None:
    with serving(lambda *_: reply) as server, pytest.raises(error, match=words) as caught:
        write_prompts(_query(server.url), ["seven"], tmp_path / "mine.yaml")
    assert len(server.bodies) == 1
    assert KEY not in str(caught.value)
    assert not (tmp_path / "mine.yaml").exists()


def test_a_silent_endpoint_is_left(tmp_path: Path) -> None:
    answered = threading.Event()

    def script(count: int, body: dict[str, Any]) -> Reply:
        answered.wait(5)
        return _good(count, body)

    with serving(script) as server:
        query = _query(server.url, timeout_s=0.2, attempts=2)
        with pytest.raises(DataError, match="ReadTimeout"):
            write_prompts(query, ["seven"], tmp_path / "mine.yaml")
        answered.set()
    assert len(server.bodies) == 2


def test_nobody_listens(tmp_path: Path) -> None:
    with serving(_good) as server:
        pass
    with pytest.raises(DataError, match=r"no connection .*check base_url, that the server runs"):
        write_prompts(_query(server.url), ["seven"], tmp_path / "mine.yaml")


def test_no_key_is_sent_without_a_variable_and_an_unset_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(_good) as server:
        write_prompts(_query(server.url, key_variable=None), ["seven"], tmp_path / "mine.yaml")
        monkeypatch.delenv(VARIABLE)
        with pytest.raises(UsageError, match=f"export {VARIABLE}="):
            write_prompts(_query(server.url), ["seven"], tmp_path / "yours.yaml")
        monkeypatch.setenv(VARIABLE, "two\nlines")
        with pytest.raises(UsageError, match="characters that no key has") as caught:
            write_prompts(_query(server.url), ["seven"], tmp_path / "yours.yaml")
    assert server.keys == [""]
    assert "lines" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.org/v1", "plain http to example.org"),
        ("https://me:secret@example.org/v1", "carries a name, a key"),
        ("https://example.org/v1?key=secret", "carries a name, a key"),
        ("ftp://localhost", "https address"),
        ("localhost:80", "https address"),
        ("https://example.org:secret", "cannot be read"),
    ],
)
def test_unsafe_addresses(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Endpoint(base_url=url, model="tiny")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{n} words", "Expected '{class}'"),
        ("{clas}", "did you mean class"),
        ("{class", "fields in braces"),
    ],
)
def test_bad_questions(query: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        _query("http://localhost", query=query)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (7, "int is not a text"),
        ([["deep"]], "list is not a text"),
        ("", "0 characters"),
        ("x" * 61, "61 characters"),
        ("red\nblue", "other characters"),
        ("\u202ered", "other characters"),
        ("\ud800", "other characters"),
        ("{class}", "other characters"),
        ("---", "has no letter"),
        ("old Oak-Trees", "class name 'oak tree'"),
    ],
)
def test_hostile_words_are_refused_with_a_reason(item: object, reason: str) -> None:
    words, found = accepted(json.dumps([item, "red"]), 2, ["oak tree"])
    assert words == ()
    assert reason in found
    assert found.isascii()


def test_usable_words_are_cleaned_and_cut_to_number() -> None:
    text = 'Sure: ["  deep   red ", "Deep Red", "fran\\u00e7ais", "oaken", "5-year-old"]'
    assert accepted(text, 3, ["oak"]) == (("deep red", "français", "oaken"), "")


def test_a_damaged_part_file_and_a_wrong_suffix(tmp_path: Path) -> None:
    query = _query("http://localhost")
    (tmp_path / "mine.yaml.part.json").write_text("{")
    with pytest.raises(IntegrityError, match="delete the file"):
        write_prompts(query, ["seven"], tmp_path / "mine.yaml")
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        write_prompts(query, ["seven"], tmp_path / "mine.json")
    with pytest.raises(UsageError, match="at least one class"):
        write_prompts(query, [], tmp_path / "yours.yaml")


def test_the_command_line_freezes_a_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mine.yaml"
    with serving(_good) as server:
        words = ["dataset=digitslt", "model=tiny", f"base_url={server.url}", f"out={out}"]
        assert cli.main(["generate", "prompts", *words, "n=3", f"key={VARIABLE}"]) == 0
        assert cli.main(["generate", "prompts", *words, "n=0"]) == 2
    assert "10 classes with 3 modifiers each" in capsys.readouterr().out
    assert len(server.bodies) == 10
    assert set(yaml.safe_load(out.read_text())["classes"]) >= {"zero", "nine"}
