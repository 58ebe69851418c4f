"""Pools, fits and what a language model answers."""

import dataclasses
import json
from dataclasses import replace

from benchmark.generation import chat, prompt_writer, results, stored
from benchmark.generation.chat import Endpoint
from benchmark.generation.fitting import request
from benchmark.generation.fitting.cost import FitCost
from benchmark.generation.ledger import Ledger
from benchmark.generation.plan import (
    build_plan,
    planned_counts,
    pool_spec,
    read_plan,
    write_plan,
)  # fmt: skip
from benchmark.generation.results import PoolRow, Session, Tail
from benchmark.generation.specs import SPEC, read_spec, spec_values
from benchmark.system.files import canonical_json, sha256_file
from tests.fixtures.generation import CLASSES, PROMPTS, Stub, stub_spec
from tests.fuzz.kit import Target, file, folder

SPECIFIED = stub_spec(Stub())
ENDPOINT = Endpoint(base_url="http://localhost:1/v1", model="m")
QUERY = prompt_writer.PromptQuery(endpoint=ENDPOINT, n=2)
SESSION = Session(
    worker="a", dtype="float32", guidance_factor=2, knowledge=("k",), load=Stub().load()
)


def spec(data: bytes) -> None:
    path = file(f"pool/{SPEC}", data)
    found = read_spec(path.parent)
    assert json.loads(json.dumps(spec_values(found))) == json.loads(data)


def plan(data: bytes) -> None:
    """A plan, and the images that it holds of each class."""
    found = read_plan(file("plan.jsonl", data))
    planned_counts(found, SPECIFIED.n_classes)


def rows(data: bytes) -> None:
    """Result rows as a pool reads them, and what they cost."""
    path = file("results/part-a.jsonl", data)
    found = Tail(path.parent).new()
    ledger = Ledger(SPECIFIED, found, {"a": SESSION})
    ledger.cost(build_plan(SPECIFIED, (2, 2, 2)))


def session(data: bytes) -> None:
    """A session, and the cost of an image drawn in it."""
    path = file("sessions/session-a.json", data)
    found = results.read_sessions(path.parent)
    planned = build_plan(SPECIFIED, (1, 1, 1))
    drawn = [_row(0, 0)._replace(worker=name) for name in found]
    Ledger(SPECIFIED, drawn, found).cost(planned)


def whole(data: bytes) -> None:
    """A pool whose spec, plan and rows come from one file, apart at lines of "=="."""
    parts = [*data.split(b"\n==\n"), b"", b"", b""]
    path = file("stored/pool.json", parts[0])
    file("stored/plan.jsonl", parts[1])
    file("stored/results/part-a.jsonl", parts[2])
    file("stored/results/session-a.json", parts[3])
    found = stored.read_pool(path.parent)
    found.ledger.cost(found.plan)
    _ = found.counts, found.accepted


def fit(data: bytes) -> None:
    file(f"fit/{_ADAPTER}", b"weights")
    request.read_fitted(file(f"fit/{request.MARKER}", data).parent)


def answer(data: bytes) -> None:
    """An answer of a language model, and the modifiers in it."""
    text = chat._answer(ENDPOINT, data.decode("utf-8", "replace")).text
    words, _ = prompt_writer.accepted(text, 2, ["cat", "fire truck"])
    assert len(words) in (0, 2)
    for word in words:
        assert word.isprintable() and "cat" not in word.split()


def partial(data: bytes) -> None:
    path = folder() / "set.yaml.part.json"
    path.write_bytes(data)
    prompt_writer._resume(QUERY, path)


_ADAPTER = "adapter.safetensors"


def _row(label: int, slot: int) -> PoolRow:
    return PoolRow("f" * 24, label, slot, 0, 7, "ok", "", "0" * 64, 6, 0.01, "a")


def _rows() -> bytes:
    found = [
        _row(0, 0),
        _row(1, 0)._replace(status="rejected", reason="flat", sha256=""),
        _row(2, 1),
    ]
    return "".join(canonical_json(row._asdict()) + "\n" for row in found).encode()


def _spec() -> bytes:
    return json.dumps(spec_values(SPECIFIED)).encode()


def _guided() -> bytes:
    prompts = replace(PROMPTS, class_modifiers={"zero": ("old",)})
    found = pool_spec(
        Stub(), dataset="toy", classes=CLASSES, prompts=prompts, pool_seed=0,
    )  # fmt: skip
    return json.dumps(spec_values(found)).encode()


def _plan() -> bytes:
    path = folder() / "seed.jsonl"
    write_plan(path, build_plan(SPECIFIED, (2, 1, 1)))
    return path.read_bytes()


def _session() -> bytes:
    return json.dumps(dataclasses.asdict(SESSION)).encode()


def _fit() -> list[bytes]:
    cost = FitCost(
        optimizer_steps=1, images_seen=2, network_calls=6, device_seconds=1.0, flops=1.0,
        device="cpu", real_images=2,
    )  # fmt: skip
    digest = sha256_file(file(f"fit/{_ADAPTER}", b"weights"))
    value = {
        "prompt_names": ["a"],
        "cost": dataclasses.asdict(cost),
        "adapters": {_ADAPTER: digest},
    }
    return [json.dumps(value).encode()]


def _answer() -> list[bytes]:
    message = {"content": 'Here: ["old", "rusty red", "small"]'}
    return [json.dumps({"model": "m", "choices": [{"message": message}]}).encode()]


def _partial() -> list[bytes]:
    words = {"words": ["old", "red"], "answer_hash": "a", "model": "m"}
    value = {"query_hash": QUERY.hash, "finished": {"cat": words}, "failed": {"dog": "no list"}}
    return [json.dumps(value).encode()]


def _whole() -> list[bytes]:
    return [b"\n==\n".join([_spec(), _plan(), _rows(), _session()])]


TARGETS = (
    Target("pool_spec", "json", spec, lambda: [_spec(), _guided()]),
    Target("plan", "jsonl", plan, lambda: [_plan()]),
    Target("pool_rows", "jsonl", rows, lambda: [_rows()]),
    Target("session", "json", session, lambda: [_session()]),
    Target("pool", "jsonl", whole, _whole),
    Target("fit", "json", fit, _fit),
    Target("chat", "json", answer, _answer),
    Target("prompts_part", "json", partial, _partial),
)
