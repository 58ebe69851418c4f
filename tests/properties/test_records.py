"""Records: what is written is read, what is old is brought up, what was altered is refused."""

import copy
import json
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from benchmark.boards.leaderboard import build
from benchmark.errors import BenchError, IntegrityError
from benchmark.recording import migrations, records
from benchmark.recording.record_models import Record
from benchmark.report import json_table
from tests.conftest import ROOT
from tests.fixtures.records import make_record
from tests.properties.amount import examples

OLDEST = json.loads((ROOT / "tests" / "fixtures" / "record_0.json").read_text())
NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAME
SETTINGS = st.dictionaries(NAME, PLAIN | st.lists(PLAIN, max_size=3), max_size=3)


@st.composite
def valid(draw: st.DrawFn) -> Record:
    """A valid record of any names, counts and settings."""
    correct = tuple(draw(st.lists(st.integers(0, 100), min_size=4, max_size=4)))
    return make_record(
        correct,  # type: ignore[arg-type]
        draw(st.integers(0, 2**31 - 1)),
        experiment__label=draw(NAME),
        experiment__config=draw(SETTINGS),
        dataset__classes=tuple(draw(st.lists(NAME, min_size=4, max_size=4))),
        command=draw(NAME),
        method__knowledge=tuple(draw(st.lists(NAME, max_size=2))),
        resumed=draw(st.integers(0, 9)),
        environment__gpu=draw(st.none() | NAME),
    )


@examples(25)
@given(valid())
def test_a_record_is_read_as_it_was_written_byte_for_byte(record: Record) -> None:
    text = records.dumps(record)
    again = records.loads(text)
    assert again == record and records.dumps(again) == text
    # any other layout of the same JSON is the same record
    assert records.loads(json.dumps(json.loads(text), indent=3)) == record
    assert migrations.migrate(json.loads(text)) == json.loads(text)


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if not isinstance(value, dict | list):
        return [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    own = [path] if path else []
    return own + [found for key, item in pairs for found in _nodes(item, (*path, key))]


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


BASE = json.loads(records.dumps(make_record()))
PATHS = sorted(_nodes(BASE), key=str)
ODD = st.sampled_from(
    [None, True, -1, 0, 1, 7, 0.25, 1.5, 10**20, "", "x", "real", [], {}, [0], "record/1"]
)


def _results(record: Record) -> tuple[Any, ...]:
    """What a record states that follows from its predictions."""
    found = record.metrics
    return (found.accuracy, found.macro, found.worst, found.harmonic, found.per_class, found.groups)


@examples(120)
@given(st.sampled_from(PATHS), ODD)
def test_one_altered_value_is_refused_or_changes_no_result(path: tuple[Any, ...], odd: Any) -> None:
    value = copy.deepcopy(BASE)
    assume(_at(value, path) != odd or type(_at(value, path)) is not type(odd))
    _at(value, path[:-1])[path[-1]] = odd
    try:
        found = records.loads(json.dumps(value))
    except IntegrityError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    # a smaller set of conventions or other names may be stated; numbers follow from the counts
    assert _results(found)[:5] == _results(make_record())[:5]
    (table,) = build([found])
    json.loads(json_table.render(table))


@examples(80)
@given(st.sampled_from(sorted(_nodes(OLDEST), key=str)), ODD | st.just("delete"))
def test_an_old_record_is_brought_up_once_and_keeps_its_results(
    path: tuple[Any, ...], odd: Any
) -> None:
    value = copy.deepcopy(OLDEST)
    if odd == "delete":
        del _at(value, path[:-1])[path[-1]]
    else:
        _at(value, path[:-1])[path[-1]] = odd
    before = copy.deepcopy(value)
    try:
        newest = migrations.migrate(value)
    except IntegrityError:
        return
    assert value == before
    assert migrations.migrate(newest) is newest
    for block in ("metrics", "dataset", "seed", "predictions", "protocol"):
        assert newest.get(block) == value.get(block)


@examples(30)
@given(st.sampled_from(PATHS))
def test_one_lost_value_is_refused_or_has_a_neutral_default(path: tuple[Any, ...]) -> None:
    value = copy.deepcopy(BASE)
    del _at(value, path[:-1])[path[-1]]
    try:
        found = records.loads(json.dumps(value))
    except BenchError:
        return
    assert _results(found) == _results(make_record()) or path[0] == "dataset"
