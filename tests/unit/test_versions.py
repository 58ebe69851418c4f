"""Protocols and component versions keep rows apart, and old ones are counted."""

from pathlib import Path

import pytest

from benchmark.boards import leaderboard
from benchmark.component import Component
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import resolve
from benchmark.recording import checking, records, versions
from benchmark.recording.record_models import Record
from benchmark.recording.table_key import key_of
from benchmark.registry import BUILT_IN, COMPONENTS, DATASETS
from tests.fixtures.records import make_record


def part(version: int, name: str = "plain", **settings_: object) -> dict[str, object]:
    return {"name": name, "version": version, "origin": "here 1", "settings": settings_}


def versioned(version: int, seed: int = 0, hashed: str = "", **changes: object) -> Record:
    changes = {"method__stack": (part(version),)} | changes
    return make_record(seed=seed, experiment__hash=hashed or f"hash{version}", **changes)


def test_a_raised_version_gives_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("method=ldam", "dataset=digitslt")
    first = resolve(settings(words))
    before = (first.label, first.hash)
    monkeypatch.setattr(COMPONENTS.load("ldam"), "version", 7)
    second = resolve(settings(words))
    assert second.label == before[0] and second.hash != before[1]
    assert [part["version"] for part in second.science["method"]] == [7]


def test_a_raised_version_of_one_part_changes_the_hash_of_every_stack_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = [("method=[ldam,drw]",), ("method=drw",), ("method=ldam",)]
    before = [resolve(settings(each)).hash for each in words]
    monkeypatch.setattr(COMPONENTS.load("drw"), "version", 7)
    after = [resolve(settings(each)).hash for each in words]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]


def test_a_raised_protocol_gives_another_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resolve(settings(("method=ce",))).hash
    monkeypatch.setattr("benchmark.identity.PROTOCOL", 2)
    assert resolve(settings(("method=ce",))).hash != before


def test_two_versions_under_one_label_are_two_rows() -> None:
    found = [versioned(v, seed) for v in (1, 2) for seed in range(3)]
    (table,) = leaderboard.build(found)
    assert [(row.label, row.accuracy.n) for row in table.rows] == [("plain", 3), ("plain", 3)]
    assert {part.version for row in table.rows for part in row.first.method.stack} == {1, 2}


def test_protocols_of_harness_and_data_have_tables_of_their_own() -> None:
    plain = make_record()
    config = {"a": 1, "protocol": 2}
    newer = make_record(experiment__config=config, experiment__hash="n")
    data = make_record(protocol=2, experiment__hash="d")
    assert len(leaderboard.build([plain, newer, data])) == 3
    keys = {key_of(record).short_hash for record in (plain, newer, data)}
    assert len(keys) == 3
    same = make_record(experiment__config={"a": 1, "protocol": 1})
    assert key_of(same) == key_of(plain), "records without the key are of the first protocol"


def test_versions_are_read_from_the_source_as_they_are() -> None:
    names = [name for name in COMPONENTS.names() if COMPONENTS.entry(name).origin == BUILT_IN]
    read = {name: versions.component_version(name) for name in names}
    assert read == {name: COMPONENTS.load(name).version for name in names}
    assert versions.component_version("nobody") is None


def test_a_version_written_in_a_class_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "class {0}(Component):\n    {1}\n"
    lines = [("A", "version = 3"), ("B", "version: ClassVar[int] = 4"), ("C", "other = 3")]
    (tmp_path / "some_versions.py").write_text("".join(text.format(*each) for each in lines))
    monkeypatch.syspath_prepend(tmp_path)
    for name, expected in (("A", 3), ("B", 4), ("C", Component.version)):
        entry = type(COMPONENTS.entry("ce"))(name, f"some_versions:{name}")
        monkeypatch.setitem(COMPONENTS.entries, f"made_{name}", entry)
        assert versions.component_version(f"made_{name}") == expected


def test_protocols_of_cards_are_read_from_the_source_as_they_are() -> None:
    kinds = [name for name, entry in DATASETS.entries.items() if entry.origin == BUILT_IN]
    read = {kind: versions.card_protocol(kind) for kind in kinds}
    assert None not in read.values() and versions.card_protocol("nobody") is None
    chosen = settings(("dataset=digitslt",))
    assert read["digits"] == chosen.dataset.card(0).protocol


def test_outdated_names_each_older_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "PROTOCOL", 3)
    monkeypatch.setattr(versions, "card_protocol", {"kind": 2}.get)
    monkeypatch.setattr(versions, "component_version", {"old": 4, "new": 1}.get)
    record = versioned(
        1, method__stack=(part(2, "old"), part(1, "new"), part(1, "gone")),
        experiment__config={"protocol": 1, "dataset": {"kind": "kind"}},
    )  # fmt: skip
    assert versions.outdated(record) == (
        "protocol of the harness 1, now 3",
        "protocol of the data set 1, now 2",
        "version of old 2, now 4",
    )
    assert versions.outdated(make_record()) == ()


def test_superseded_experiments_are_named_with_what_is_newer() -> None:
    found = versions.superseded([versioned(1), versioned(2, hashed="later"), versioned(1, 1)])
    assert found == {"hash1": "version 1 of plain, superseded by 2"}
    # another setting is another method, and another table another comparison
    other = versioned(3, hashed="o", method__stack=(part(3, alpha=1),))
    table = versioned(3, hashed="t", recipe__name="long", recipe__config={"lr": 1})
    assert versions.superseded([versioned(1), other, table]) == {}


def test_check_records_counts_what_is_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "component_version", {"plain": 2}.get)
    for seed in range(3):
        records.save(tmp_path / str(seed) / "record.json", versioned(1 + seed // 2, seed))
    found = checking.check_records(tmp_path)
    assert dict(found.outdated) == {"version of plain 1, now 2": 2}
