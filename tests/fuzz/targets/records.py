"""Records and what is kept beside them: evaluations, submissions, published figures, logs."""

import json
from types import SimpleNamespace

from benchmark.boards import leaderboard, published
from benchmark.estimation import estimates
from benchmark.experiments import status
from benchmark.publishing import evaluation, submission
from benchmark.publishing.evaluation import Evaluation, Subject
from benchmark.publishing.judged import score
from benchmark.recording import migrations, records
from benchmark.recording.record_models import PredictionFile
from benchmark.regression import accepted
from benchmark.report import console, csv_table, json_table, latex, markdown
from benchmark.system.files import write_sealed
from tests.conftest import ROOT
from tests.fixtures.records import make_record
from tests.fuzz.kit import Target, file
from tests.fuzz.targets.arrays import SCORED, hard


def record(data: bytes) -> None:
    """What is taken is written as it was, byte for byte, and makes every kind of table."""
    found = records.load(file("record.json", data))
    text = records.dumps(found)
    assert records.dumps(records.loads(text)) == text
    (table,) = leaderboard.build([found])
    json.loads(json_table.render(table))
    for render in (markdown.render, csv_table.render):
        assert render(table)
    latex.render(table, "stem")
    console.board_table(table)


def migration(data: bytes) -> None:
    """Migrating twice is migrating once, and the value given is not changed."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    before = json.dumps(value)
    newest = migrations.migrate(value)
    assert json.dumps(value) == before
    assert migrations.migrate(newest) is newest


def state(data: bytes) -> None:
    """The list of runs, and what finished ones teach about times."""
    run = file("runs/set/method/abc/s0/record.json", data)
    error = file("runs/set/method/abc/s1/error.json", data)
    status.status(run.parents[4], 80)
    estimates.read_rates([run, error])


def search(data: bytes) -> None:
    from benchmark.experiments import trials

    trials._stored(file("search.json", data), [SimpleNamespace(hash="abc")])  # type: ignore[list-item]


def figures(data: bytes) -> None:
    published.load(file("paper.json", data))


def log(data: bytes) -> None:
    accepted.read_log(file("accepted.jsonl", data))


def submitted(data: bytes) -> None:
    path = file("submission.json", data)
    submission.is_submission(path)
    submission.load(path)


def evaluated(data: bytes) -> None:
    from benchmark.publishing.block_files import load_model

    found = load_model(Evaluation, file("evaluation.json", data), evaluation.SCHEMA)
    assert evaluation.dumps(found)


def _records() -> list[bytes]:
    old = (ROOT / "tests" / "fixtures" / "record_0.json").read_bytes()
    real = next(iter(sorted((ROOT / "leaderboards" / "records").rglob("record.json"))))
    return [records.dumps(make_record()).encode(), old, real.read_bytes()]


def _search() -> list[bytes]:
    trial = {"settings": {"ldam.scale": 3}, "accuracy": 0.5, "seconds": 1.0, "hash": "abc"}
    block = {"on": "val", "allowed": 2, "tried": [trial], "chosen": 0, "seconds": 1.0}
    path = file("seed.json", b"")
    write_sealed(path, block)
    return [path.read_bytes()]


def _evaluation() -> Evaluation:
    target = SCORED.target
    return Evaluation(
        target=target,
        subject=Subject(kind="predictions", name="given.npz"),
        scores=score(hard(), len(target.classes), target.conventions),
        predictions=PredictionFile(file="preds.npz", sha256="0" * 64),
    )


def _submission() -> list[bytes]:
    details = {
        "method": "Kind", "description": "A loss that is kind to rare classes.", "track": "real",
        "authors": "A. Author",
        "paper": None, "url": "https://example.org/kind", "code": None, "training_data": "the set",
        "knowledge": [], "backbone": "small", "parameters": 10, "recipe": "SGD", "epochs": 2,
        "images_added": 0, "cost": None,
    }  # fmt: skip
    run = {"evaluation": json.loads(evaluation.dumps(_evaluation())), "predicted_sha256": "0" * 64}
    return [json.dumps({"schema": "submission/1", "details": details, "runs": [run]}).encode()]


def _accepted() -> list[bytes]:
    path = ROOT / "leaderboards" / "accepted.jsonl"
    means = {"n": 1, "accuracy": 0.5, "few": None, "ece": 0.1}
    line = {
        "hash": "abc", "label": "l", "dataset": "d", "old": None, "new": means,
        "reason": "a reason",
        "git_sha": "a", "created": "2026-01-02",
    }  # fmt: skip
    return [path.read_bytes()] if path.exists() else [json.dumps(line).encode() + b"\n"]


def _paper() -> list[bytes]:
    return [(ROOT / "leaderboards" / "paper.json").read_bytes()]


TARGETS = (
    Target("record", "json", record, _records),
    Target("migration", "json", migration, _records),
    Target("state", "json", state, _records),
    Target("search", "json", search, _search),
    Target("published", "json", figures, _paper),
    Target("accepted", "jsonl", log, _accepted),
    Target("submission", "json", submitted, _submission),
    Target("evaluation", "json", evaluated, lambda: [evaluation.dumps(_evaluation()).encode()]),
)
