"""What the page is made from: the same numbers as the tables, small, and the same every time."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.boards import tail, text
from benchmark.boards.leaderboard import build, rows_of
from benchmark.boards.published import PublishedTable, Reading
from benchmark.errors import IntegrityError
from benchmark.report.page import boards, classes, from_published, pages, rows, sheets
from benchmark.report.page.build import ASSETS, render
from benchmark.report.page.details import RUN_FIELDS, Details, facts
from benchmark.report.page.encoding import Shared, Strings, centi, tenths
from benchmark.report.page.payload import payload
from benchmark.report.page.static import grid_lines
from tests.fixtures.records import make_record
from tests.page import sample

TABLE = max(sample.tables(), key=lambda table: len(table.rows))


def row_of(label: str) -> Any:
    return next(row for row in TABLE.rows if row.label == label)


@given(st.floats(-1, 1))
def test_shares_print_as_the_tables_print_them(share: float) -> None:
    assert f"{(centi(share) or 0) / 100:.2f}" == text.percent(share)


@given(st.floats(0, 1e6))
def test_tenths_print_as_the_tables_print_them(value: float) -> None:
    assert f"{tenths(value) / 10:.1f}" == text.number(value, 1)


def test_nothing_stays_nothing() -> None:
    assert centi(None) is None


def test_texts_and_values_are_stored_once() -> None:
    strings, shared = Strings(), Shared()
    assert strings.add_all(["a", "b", "a"]) == [0, 1, 0] and strings.all == ["a", "b"]
    assert [shared.add([1, 2]), shared.add({"a": 1}), shared.add([1, 2])] == [0, 1, 0]
    assert shared.all == [[1, 2], {"a": 1}]


def test_a_row_has_all_fields_in_order() -> None:
    strings, details = Strings(), Details()
    row = row_of("drawn")
    found = dict(zip(rows.FIELDS, rows.encode(row, strings, details), strict=True))
    assert found["label"] == "drawn" and strings.all[found["track"]] == "synthetic"
    assert (found["all"], found["width"]) == (
        centi(row.accuracy.mean),
        centi(row.accuracy.half_width),
    )
    assert (found["low"], found["high"]) == row.ranks
    assert (found["added"], found["calls"], found["odd"]) == (40, 800, 0)
    assert found["few"] == centi(row.groups[2]) and found["differs"] == 1
    assert [strings.all[each] for each in found["components"]] == ["drawn", "extra"]


def test_costs_that_nobody_stated_are_not_zero() -> None:
    silent = replace(sample.COST, known=False)
    (row,) = rows_of(sample.runs("drawn", method__track="synthetic",
                                 **{**sample.ADDED, "cost__generation": silent}))  # fmt: skip
    found = dict(zip(rows.FIELDS, rows.encode(row, Strings(), Details()), strict=True))
    assert found["calls"] is None
    assert "not stated by the supply" in facts(row)[2]
    assert boards.glance([row])[6] == "not stated"


def test_details_keep_every_run_and_command() -> None:
    details = Details()
    row = row_of(sample.HOSTILE)
    found = details.add(row)
    plain = details.payload()
    entry = plain["details"][found]
    runs = [dict(zip(RUN_FIELDS, run, strict=True)) for run in entry["runs"]]
    assert [run["seed"] for run in runs] == [0, 1, 2, 3]
    assert plain["strings"][entry["command"]] == sample.HOSTILE_COMMAND.removesuffix("seed=")
    assert details.add(row) == found and len(plain["details"]) == 1


def test_commands_that_differ_are_kept_whole() -> None:
    records = [make_record(seed=seed, command=f"run seed={seed} --x{seed}") for seed in (0, 1)]
    details = Details()
    details.add(rows_of(records)[0])
    found = details.payload()
    numbers = found["details"][0]["command"]
    assert [found["strings"][number] for number in numbers] == [
        "run seed=0 --x0",
        "run seed=1 --x1",
    ]


def test_curves_follow_the_tail() -> None:
    records = row_of("plain").records
    means, widths = classes.curve(records)
    expected = tail.along_tail(records)
    assert means == [centi(place.accuracy.mean) for place in expected]
    assert widths == [centi(place.accuracy.half_width) for place in expected]


def test_a_class_without_test_rows_leaves_a_gap() -> None:
    record = make_record()
    counts = replace(record.metrics.per_class, n=(100, 0, 100, 100), correct=(90, 0, 30, 20))
    changed = record.model_copy(update={"metrics": replace(record.metrics, per_class=counts)})
    assert classes.curve([changed])[0] == [9000, None, 3000, 2000]


@pytest.mark.parametrize("count", [1, 7, 100, 101, 1000])
def test_places_cover_all_classes_once(count: int) -> None:
    parts = classes.spans(count)
    assert [label for part in parts for label in part] == list(range(count))
    assert len(parts) == min(count, classes.MAX_PLACES) and all(parts)


def test_names_stand_only_where_they_are_the_same_in_every_seed() -> None:
    one = make_record(seed=0)
    other = make_record(seed=1, dataset__classes=("b", "a", "c", "d"))
    assert classes.places([one], "lt20")["names"] == ["one", "two", "three", "four"]
    assert classes.places([one, other], "lt20")["names"] is None
    assert classes.places([one], "lt20")["groups"] == ["many", "medium", "few", "few"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["close", "better", "plain"], "yes, alone among 3"),
        (["close"], "the only ranked row"),
        (["single"], "not ranked: fewer than 3 seeds"),
    ],
)
def test_the_verdict_of_a_track(labels: list[str], said: str) -> None:
    ranked = [row for row in map(row_of, labels) if row.ranks is not None]
    assert boards.verdict(ranked) == said


def test_no_winner_is_named_where_ranges_overlap() -> None:
    pair = [replace(row_of(label), ranks=(1, 2)) for label in ("close", "better")]
    assert boards.verdict(pair) == "not alone: 2 of 2 may be first"
    assert boards.gain(pair[0]).endswith(", significant")
    assert "not significant" in boards.gain(replace(pair[0], differs=False))


def test_the_leader_of_a_track_is_ranked() -> None:
    part = [row for row in TABLE.rows if row.track == "real"]
    assert part[0].label == "single" and boards.glance(part)[1] == "close"


def test_the_table_with_most_records_is_shown_first() -> None:
    main, _ = payload(sample.tables(), [])
    assert main["first"] == TABLE.key.short_hash
    assert payload([], [])[0]["first"] == ""


def test_the_page_is_the_same_every_time_and_whatever_the_order() -> None:
    first = sample.page()
    records = sample.records()
    again = render(build(records[::-1]), sample.grids(), [sample.published()], [sample.picture()])
    assert again == first


def test_an_empty_page_says_so() -> None:
    assert "There are no records yet." in render([])


def test_no_day_and_no_machine_stands_outside_the_records() -> None:
    shell = re.sub(
        r'<script type="application/json".*?</script>', "", sample.page(), flags=re.DOTALL
    )
    assert not re.search(r"20\d\d-\d\d|/home/|/root/|/tmp/", shell)


def test_the_script_cannot_end_early() -> None:
    parts = sorted((ASSETS / "js").glob("*.js"))
    assert len(parts) > 5
    for path in parts:
        content = path.read_text(encoding="utf-8")
        assert "</script" not in content and "innerHTML" not in content
        assert not re.search(r"\beval\(|new Function|https?:(?!//www\.w3\.org)", content), path
        assert max(map(len, content.splitlines())) <= 100, path


def test_functions_of_the_script_are_small() -> None:
    for path in (ASSETS / "js").glob("*.js"):
        for body in re.findall(r"^(?:async )?function .*?^}", path.read_text("utf-8"), re.M | re.S):
            assert body.count("\n") <= 40, (path.name, body.splitlines()[0])


def test_grids_as_text() -> None:
    both, curve, listing = map(grid_lines, sample.grids())
    assert both[0] == ["", "none", "some"] and both[2][2] == "-"
    assert [line[:2] for line in curve[1:]] == [["more", "100"], ["more", "200"], ["more", "400"]]
    assert [line[0] for line in listing] == ["", "plain", sample.HOSTILE]


def published_table() -> PublishedTable:
    path = Path("leaderboards/paper.json")
    return PublishedTable.model_validate_json(
        json.dumps(json.loads(path.read_text("utf-8"))["tables"][0]), strict=True
    )


def test_published_figures_as_printed() -> None:
    table = published_table()
    (view,) = from_published.views([table])
    assert {len(line) for line in view.rows} == {len(view.header)}
    first = dict(zip(view.header, view.rows[0], strict=True))
    assert (first["Method"], first["All IF 100"], first["Few IF 100"]) == ("CE", "37.96", "4.87")
    assert first["All IF 50"] == "43.54" and "Few IF 50" not in first
    assert view.header[min(view.numeric)] == "All IF 100"
    assert view.notes == table.notes


def test_figures_without_numbers_have_a_table_of_their_own() -> None:
    reading = Reading(name="Figure 2", data_set="x", what="y", says="z")
    (view,) = from_published.views([], [reading])
    assert view.rows == (("Figure 2", "x", "y", "z"),)


def test_pictures_are_found_in_order_and_checked(tmp_path: Path) -> None:
    for name in ("b/steps_3.png", "a/sheet.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (5, 4)).save(tmp_path / name)
    (tmp_path / "a" / "large.png").write_bytes(bytes(sheets.MAX_BYTES + 1))
    found = sheets.find([tmp_path, tmp_path / "missing", tmp_path / "a" / "sheet.png"])
    assert [sheet.alt for sheet in found] == [
        "Generated images: a, sheet",
        "Generated images: b, steps 3",
    ]
    assert found[0].size == (5, 4)
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(IntegrityError, match="Expected a PNG") as caught:
        sheets.find([tmp_path])
    assert "broken.png" in str(caught.value)


def test_the_page_stands_beside_the_leaderboards(tmp_path: Path) -> None:
    ((path, content),) = pages.pages(tmp_path, sample.tables(), []).items()
    assert path == tmp_path / "index.html"
    assert "Published figures" not in content
