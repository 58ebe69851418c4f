"""Predictions, submissions, records, pools and collections of others: read as data alone."""

import csv
import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import BenchError
from benchmark.generation.collections import Collection
from benchmark.generation.collections.rows import Row, decode, encode
from benchmark.generation.results import PoolRow
from benchmark.generation.typed_rows import row_of
from benchmark.publishing.block_files import load_model
from benchmark.publishing.submission import Details, Submission
from benchmark.publishing.submission_checks import _own_records
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.verbs import cli
from tests.fixtures.records import make_record
from tests.security.cases import MARK, Case, Runs, each, files_below, outcome_of

Write = Callable[[Path], object]
N = 1240


def saved(values: Any, **options: Any) -> Write:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, values, **options)

    return write


def text(content: str) -> Write:
    return lambda path: path.write_text(content, encoding="utf-8", newline="")


def column(cell: str, head: str = "predicted") -> Write:
    return text(f"{head}\n" + f"{cell}\n" * N)


def header(content: str, version: bytes = b"\x02\x00", length: int | None = None) -> bytes:
    size = struct.pack("<I", len(content) if length is None else length)
    return b"\x93NUMPY" + version + size + content.encode()


def raw(data: bytes) -> Write:
    return lambda path: path.write_bytes(data)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_STORED) -> Write:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", method) as file:
            for name, data in members:
                file.writestr(name, data)

    return write


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=True)
    return buffer.getvalue()


def shape(value: str, kind: str = "'<f8'") -> bytes:
    return header(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {value}}}") + bytes(64)


OBJECTS = np.asarray([Runs()] * N, dtype=object)
SCORES = np.full((N, 10), 0.1)
PREDICTIONS: list[tuple[str, Case]] = [
    (".npy", Case("objects", saved(OBJECTS, allow_pickle=True), said="Python objects")),
    (".npz", Case("objects in a zip", zipped(("predicted.npy", npy(OBJECTS))), said="Python obj")),
    (".npy", Case("pickle alone", raw(b"\x80\x04cos\nsystem\n(S'touch EXECUTED'\ntR."), said="")),
    (".npy", Case("header that is called", raw(header("__import__('os').system('touch EXECUTED')")),
                  said="malformed")),
    (".npy", Case("header of a gigabyte", raw(header("{", length=2**30)), said="readable .npy")),
    (".npy", Case("header 10,000 deep", raw(header("(" * 9000)), said="readable .npy")),
    (".npy", Case("version of the future", raw(header("{}", b"\x09\x00")), said="version 9.0")),
    (".npy", Case("exabytes", raw(shape("(10**18,)")), said="readable .npy")),
    (".npy", Case("exabytes, written out", raw(shape(f"({10**18},)")), said="promises")),
    (".npy", Case("rows below zero", raw(shape("(-8,)")), said="promises")),
    (".npy", Case("a record type of objects", raw(shape("(8,)", "[('a', '|O')]")), said="objects")),
    (".npy", Case("a text of a gigabyte", raw(shape("(1,)", "'<U268435456'")), said="promises")),
    (".npz", Case("bomb", zipped(("predicted.npy", bytes(64 << 20)), method=zipfile.ZIP_DEFLATED),
                  said="readable .npz")),
    (".npz", Case("names that lead up", zipped(("../../predicted.npy", npy(np.zeros(N, int)))),
                  "harmless")),
    (".npz", Case("names twice", zipped(("a.npy", npy(np.zeros(N))), ("a", npy(np.zeros(N)))),
                  said="two arrays")),
    (".npz", Case("other names", zipped(("a.npy", b""), ("b.npy", b"")), said="readable .npz")),
    (".npz", Case("nothing in it", zipped(), said="(none)")),
    (".npy", Case("complex numbers", saved(np.zeros(N, complex)), said="class numbers")),
    (".npy", Case("dates", saved(np.zeros(N, "datetime64[s]")), said="class numbers")),
    (".npy", Case("records", saved(np.zeros(N, [("a", "f8")])), said="class numbers")),
    (".npy", Case("no rows", saved(np.zeros(0)), said="one line for each")),
    (".npy", Case("four axes", saved(np.zeros((N, 1, 1, 10))), said="one line for each")),
    (".npy", Case("NaN", saved(np.full((N, 10), np.nan)), said="finite numbers")),
    (".npy", Case("infinity", saved(np.where(SCORES > 1, 0, np.inf)), said="finite numbers")),
    (".npy", Case("classes of 2^70", saved(np.full(N, 2.0**70)), said="classes in [0, 10)")),
    (".npy", Case("classes below zero", saved(np.full(N, -1)), said="classes in [0, 10)")),
    (".npy", Case("2,000 columns", saved(np.zeros((N, 2000), np.float16)), said="a column for")),
    (".csv", Case("formula", column("=cmd|' /C calc'!A0"), said="Expected a class")),
    (".csv", Case("escape sequence", column("\x1b]0;x\x07"), said="Expected a class")),
    (".csv", Case("path", column("../../etc/passwd"), said="Expected a class")),
    (".csv", Case("NUL", column("a\0b"), said="")),
    (".csv", Case("quote that stays open", text('predicted\n"' + "x" * 300_000), said="no table")),
    (".csv", Case("200,000 columns", text(",".join(["1"] * 200_000) + "\n"), said="cells in line")),
    (".csv", Case("rows of other lengths", text("a,b\n1\n"), said="cells in line")),
    (".csv", Case("no UTF-8", raw(b"predicted\n\xff\xfe\n"), said="no table")),
    (".csv", Case("ids of paths", text("id,predicted\n" + "../../x,1\n" * N), said="the ids of")),
    (".csv", Case("a header alone", text("predicted\n"), said="a header alone")),
    (".txt", Case("another kind of file", text("1\n"), said="a file of predictions")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("ending", "case"), PREDICTIONS, ids=lambda each: getattr(each, "name", each)
)
def test_predictions_are_numbers(
    ending: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    case.given(tmp_path / f"p{ending}")
    code = cli.main(["evaluate", "dataset=digitslt", f"predictions=p{ending}"])
    out, err = capsys.readouterr()
    assert (code == 0) == (case.outcome == "harmless")
    if case.outcome == "refused":
        assert code in (2, 3, 4) and out == "" and err.count("\n") == 1
        assert case.said in err and err.rstrip("\n").isprintable() and len(err) < 900
    assert MARK not in files_below(tmp_path)


def changed(**changes: Any) -> str:
    value = json.loads(records.dumps(make_record()))
    for path, change in changes.items():
        *parents, last = path.split("__")
        block = value
        for name in parents:
            block = block[name]
        block[last] = change
    return json.dumps(value)


HASH = "0" * 64
RECORDS = [
    *(Case(f"predictions at {name!r}", changed(predictions={"file": name, "sha256": HASH}),
           said="predictions.file")
      for name in ("../../etc/passwd", "/etc/passwd", "..", ".", "a/b.npz", "a\\b.npz", "C:x.npz",
                   "a\0b", "a\nb", "preds.npz\n", "", ".hidden", "~", "\u202ea.npz")),
    Case("hash that is none", changed(predictions={"file": "a", "sha256": "x"}), said="sha256"),
    Case("accuracy of NaN", changed(metrics__accuracy=float("nan")), said="NaN"),
    Case("accuracy of infinity", changed(metrics__accuracy=float("inf")), said="Infinity"),
    Case("accuracy of a text", changed(metrics__accuracy="0.5"), said="metrics.accuracy"),
    Case("seed of 10^400", changed().replace('"seed": 0', f'"seed": {10**400}'), "harmless"),
    Case("seed of a million digits", changed().replace('"seed": 0', f'"seed": {"9" * 10**6}'),
         said=""),
    Case("key nobody knows", changed(evil=1), said="evil"),
    Case("lists without end", "[" * 200_000, said="valid JSON"),
    Case("lone surrogate", changed(command="\ud800"), said=""),
    Case("nothing", "", said="valid JSON"),
    Case("version of the future", changed(schema="record/99"), said=""),
    Case("script as a label", changed(experiment__label="<script>"), "harmless"),
]  # fmt: skip


@each(RECORDS)
def test_a_record_is_what_its_schema_says(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(case.given)
    outcome_of(lambda: records.load(path), case)


SAID: dict[str, Any] = {
    "method": "x", "description": "A method that is described in a few words.", "track": "real",
    "authors": "a", "paper": None, "url": None, "code": None, "training_data": "x",
    "knowledge": [], "backbone": "x", "parameters": 1, "recipe": "x", "epochs": 1.0,
    "images_added": 0, "cost": None,
}  # fmt: skip
DETAILS = [
    *(Case(f"address {url[:24]!r}", {"url": url}, said="url") for url in (
        "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "https://x.org/ a",
        "https://x.org/>x", "https://x.org/`x`", "https://x.org/\nx", "//x.org", "https://")),
    Case("method of 301 letters", {"method": "a" * 301}, said="method"),
    Case("method of spaces", {"method": "   "}, said="method"),
    Case("track nobody knows", {"track": "best"}, said="track"),
    Case("parameters below zero", {"parameters": -1}, said="parameters"),
    Case("epochs of NaN", {"epochs": float("nan")}, said="epochs"),
    Case("key nobody knows", {"_target_": "os.system"}, said="_target_"),
]  # fmt: skip


@each(DETAILS)
def test_what_authors_say_is_held_to_a_form(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "details.json"
    path.write_text(json.dumps(SAID | case.given))
    outcome_of(lambda: load_model(Details, path, "details"), case)


@pytest.mark.parametrize("name", ["../../..", "/", "..", "a/b", "\0", "~"])
def test_a_data_sets_name_in_a_submission_is_no_path(name: str, tmp_path: Path) -> None:
    from types import SimpleNamespace

    (tmp_path / "record.json").write_text("{")
    target: Any = SimpleNamespace(name=name)
    assert _own_records(tmp_path / "a" / "b", target) == []


ROW = {"image_id": "a" * 24, "label": 0, "slot": 0, "attempt": 0, "seed": 1, "status": "ok",
       "reason": "", "sha256": HASH, "calls": 1, "seconds": 0.1, "worker": "w"}  # fmt: skip
ROWS = [
    *(Case(f"image called {name[:20]!r}", {"image_id": name}, said="the id")
      for name in ("../../x", "/etc/passwd", "..", "", "a/b", "a\0b", "a\nb", "x" * 300)),
    Case("label of a text", {"label": "0"}, said="other types"),
    Case("label below zero", {"label": -1}, said="label -1"),
    Case("key nobody knows", {"__class__": 1}, said="__class__"),
]  # fmt: skip


@each(ROWS)
def test_a_row_of_a_pool_names_no_file_elsewhere(case: Case) -> None:
    assert row_of(PoolRow, json.dumps(ROW)).image_id == ROW["image_id"]
    with pytest.raises((ValueError, TypeError), match=case.said):
        row_of(PoolRow, json.dumps(ROW | case.given))


FILES = [
    *(Case(f"file at {name[:24]!r}", name, said="Expected a row at line 1") for name in (
        "../../etc/passwd", "/etc/passwd", "images/../../x.png", "images/a/../x.png", "x.png",
        "images/a/b/c.png", "images/a/.hidden", "images/a/x.png\n", "images\\a\\x.png")),
]  # fmt: skip


@each(FILES)
def test_a_row_of_a_collection_names_no_file_elsewhere(case: Case, tmp_path: Path) -> None:
    row = Row(label=0, class_name="a", file_name=case.given, sha256=HASH)
    outcome_of(lambda: list(decode(encode([row]), tmp_path / "rows.jsonl")), case)


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", "", "a/b", "a\0", "-x"])
def test_a_data_sets_name_is_one_folder(name: str) -> None:
    from types import SimpleNamespace

    from benchmark.experiments.experiment import Experiment

    own: Any = SimpleNamespace(
        settings=SimpleNamespace(score_on="test"), card=SimpleNamespace(name=name)
    )
    read: Any = Experiment.dataset_name
    with pytest.raises(BenchError, match="Expected letters, digits"):
        read.fget(own)


def test_a_collection_that_is_not_its_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "collection.json").write_text('{"key": "../other"}')
    with pytest.raises(BenchError):
        Collection.read(tmp_path / "abc")


def test_schemas_forbid_what_they_do_not_know() -> None:
    assert {model.model_config["extra"] for model in (Record, Submission, Details)} == {"forbid"}
    assert csv.field_size_limit() < 10**6
