"""Leaderboards: what shares a table, ranks, differences, rendering."""

import csv
import io
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmark.boards import leaderboard
from benchmark.boards.leaderboard import build
from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.cost import GenerationCost
from benchmark.recording.record_models import Record
from benchmark.report import blocks, cost_table, csv_table, markdown
from benchmark.report.chain import chain_table
from benchmark.report.console import console_table
from benchmark.report.tables import file_stem, render_all
from benchmark.system.files import content_hash
from tests.fixtures.boards import COST, GENERATED, POOL, board, one, runs
from tests.fixtures.records import make_record


def test_tracks_are_ranked_within_and_shown_across() -> None:
    table = one(board())
    assert table.rows[0].label == "single"
    assert [row.track for row in table.rows] == ["real"] * 4 + ["synthetic"]
    ranks = {row.label: row.ranks for row in table.rows}
    assert ranks == {
        "single": None, "better": (1, 2), "close": (1, 2), "plain": (3, 3), "drawn": (1, 1),
    }  # fmt: skip
    letters = {row.label: row.letters for row in table.rows}
    assert letters["better"] == letters["close"] == "a" and letters["plain"] == "b"


def test_reference_is_the_simplest_real_row_or_the_one_named() -> None:
    table = one(board())
    assert table.reference is not None and table.reference.label == "plain"
    rows = {row.label: row for row in table.rows}
    assert rows["plain"].difference is None
    assert rows["drawn"].differs and rows["better"].differs
    assert rows["drawn"].difference is not None
    assert rows["drawn"].difference.mean == pytest.approx(0.3, abs=0.01)
    named = one(board(), reference="drawn")
    assert named.reference is not None and named.reference.label == "drawn"
    assert one(board(), reference="absent").reference is None
    assert one(runs("drawn", 90, **GENERATED)).reference is None


@pytest.mark.parametrize(
    "change",
    [
        {"dataset__name": "other"},
        {"protocol": 2},
        {"dataset__split__rule_hash": "other"},
        {"recipe__name": "long"},
        {"recipe__config": {"lr": 0.2}},
        {"recipe__steps_rule": "epochs"},
        {"backbone__name": "large"},
        {"selection": "val"},
        {"budget__protocol": "iso_training"},
        {"budget__protocol": "iso_nfe", "budget__limit": 5000},
        {"experiment__config": {"backbone": {"options": {"width": 64}}}},
        {"experiment__config": {"dataset": {"size": 32}}},
        {"experiment__config": {"dataset": {"mean": [0.5]}}},
        {"experiment__config": {"content": "1a2b3c4d5e"}},
        {"experiment__config": {"protocol": 2}},
    ],
)
def test_different_settings_never_share_a_table(change: dict[str, Any]) -> None:
    tables = build([*runs("plain", 60), *runs("other", 60, **change)])
    assert len(tables) == 2
    assert len({table.key.short_hash for table in tables}) == 2


def test_split_replicates_do_share_a_table() -> None:
    assert len(build([*runs("a", 60), *runs("b", 60, dataset__split__replicate=3)])) == 1


def test_equal_calls_are_equal_at_one_limit_and_equal_seconds_on_one_device() -> None:
    spent = {**GENERATED, "budget__protocol": "iso_nfe", "budget__limit": 5000}
    apart = {**spent, "budget__limit": 6000}
    assert len(build([*runs("a", 60, **spent), *runs("b", 60, **apart)])) == 2
    seconds = {**spent, "budget__protocol": "iso_seconds", "budget__limit": 90}
    other = {**seconds, "cost__generation": replace(COST, device="other card")}
    first, second = build([*runs("a", 60, **seconds), *runs("b", 60, **other)])
    assert first.key.budget_rule == "iso_seconds 90 s on card"
    assert second.key.budget_rule == "iso_seconds 90 s on other card"
    assert "Device-seconds measured: a 3.0." in markdown.render(first)


def test_who_draws_nothing_stands_beside_those_who_spend_equal_seconds() -> None:
    seconds = {"budget__protocol": "iso_seconds", "budget__limit": 90}
    drawn = {
        **GENERATED,
        "cost__generation": replace(COST, device=runs("a", 60)[0].cost.training.device),
    }
    table = one([*runs("a", 60, **seconds), *runs("b", 90, **drawn, **seconds)])
    assert table.reference is not None and table.reference.label == "a"
    assert table.rows[1].difference is not None


def test_options_and_images_are_in_the_title() -> None:
    config = {
        "backbone": {"options": {"width": 64}},
        "dataset": {"size": 32},
        "content": "1a2b3c4d5e",
    }
    table = one(runs("a", 60, experiment__config=config))
    assert table.key.backbone == "small (width=64)"
    assert markdown.render(table).startswith("# shapes, 32 px, images 1a2b3c4d: short")


def test_the_reference_is_the_newest_version() -> None:
    def version(number: int) -> list[Record]:
        part = {"name": "plain", "version": number, "origin": "o", "settings": {}}
        return runs("plain", 60, method__stack=(part,), experiment__hash=f"h{9 - number}")

    found = one([*version(1), *version(2)]).reference
    assert found is not None and found.first.method.stack[0].version == 2


def test_a_noisy_row_of_two_seeds_lends_no_variance() -> None:
    quiet = [*runs("a", 60), *runs("b", 64)]
    noisy = [*runs("n", 40, 1), *runs("n", 90, 2)[1:]]
    alone, beside = one(quiet).rows[0], one([*quiet, *noisy]).rows
    assert next(row for row in beside if row.label == "b").difference == alone.difference


def test_what_is_equal_is_in_the_title_the_notes_and_the_file_name() -> None:
    spent = {**GENERATED, "budget__protocol": "iso_nfe", "budget__limit": 5000}
    table = one(runs("drawn", 90, **spent))
    text = markdown.render(table)
    assert text.startswith("# shapes: short, iso_nfe 5000 network calls\n")
    assert "Protocol `iso_nfe 5000 network calls`: every method spends the same" in text
    assert "-small-iso-nfe-5000-network-calls-" in file_stem(table)
    assert "iso_nfe 5000 network calls" in render_all(runs("drawn", 90, **spent))["README.md"]
    (row, *_) = csv.DictReader(io.StringIO(csv_table.render(table)))
    assert row["budget_rule"] == "iso_nfe 5000 network calls"
    assert "budget_rule" not in csv_table.render(one(board()))


def test_a_neutral_protocol_leaves_the_keys_hash_as_it_was() -> None:
    key = one(board()).key
    assert key.short_hash == content_hash(
        [key.dataset, "1", key.split_rule, key.recipe, key.recipe_hash, key.steps_rule,
         key.backbone, key.selection], 8,
    )  # fmt: skip


@pytest.mark.parametrize("track", ["synthetic", "web"])
def test_an_accuracy_without_its_cost_is_refused(track: str) -> None:
    free = {**GENERATED, "method__track": track, "cost__generation": None}
    with pytest.raises(
        IntegrityError,
        match=r"Expected the generation cost of 40 added images, but got none \[drawn",
    ):
        build(runs("drawn", 90, **free))
    # nothing was drawn for held-out real images, nor where nothing was added
    assert build(runs("oracle", 90, **{**free, "method__track": "oracle"}))
    assert build(runs("plain", 90, method__track=track))


def test_calls_that_were_not_predicted_are_marked() -> None:
    odd = {**GENERATED, "cost__generation": replace(COST, network_calls_measured=816)}
    text = markdown.render(one([*board(), *runs("odd", 50, **odd)]))
    assert "| 816 † |" in text and "| 800 |" in text
    assert (
        "†: network calls differ from those predicted: odd (800 predicted, 816 measured)." in text
    )
    assert "†" not in markdown.render(one(board()))


def test_a_supply_that_does_not_say_what_it_took_is_named() -> None:
    silent = {**GENERATED, "cost__generation": GenerationCost(known=False)}
    table = one([*board(), *runs("silent", 50, **silent)])
    assert "Cost not stated by the supply: silent." in markdown.render(table)
    lines = cost_table.render(table, "x.md").splitlines()
    assert next(line for line in lines if "| silent |" in line).count("| n/a ") == 7
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(cost_table.render_csv(table)))}
    assert (rows["silent"]["known"], rows["silent"]["network_calls"]) == ("0", "")


FITTED = replace(
    COST, fit_network_calls=300, fit_seconds=1.5, fit_flops=1e9, web_images=7, pool_key="q",
)  # fmt: skip


def test_costs_count_fitting_and_pools_once() -> None:
    records = [*board(), *runs("fitted", 85, **{**GENERATED, "cost__generation": FITTED})]
    table = one(records)
    assert "| 1100 |" in markdown.body(table)
    text = cost_table.render(table, "x.md")
    assert "| 40 | 40 | 1100 | 300 | 4.5 | 3e+09 | 7 |" in text
    assert "2, with 120 candidates, 2,400 network calls and 9.0 device-seconds." in text
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(cost_table.render_csv(table)))}
    assert rows["fitted"]["network_calls_predicted"] == rows["fitted"]["network_calls"] == "1100"
    assert rows["plain"]["network_calls"] == "0"


def test_cost_files_stand_beside_tables_whose_images_took_something() -> None:
    names = set(render_all(board()))
    (cost,) = (name for name in names if name.endswith(".cost.md"))
    assert {cost.replace(".cost", ""), cost.replace(".md", ".csv")} < names
    assert not [name for name in render_all(runs("plain", 60)) if ".cost." in name]


def test_order_of_records_does_not_matter() -> None:
    records = board()
    shuffled = random.Random(1).sample(records, len(records))
    assert markdown.render(one(records)) == markdown.render(one(shuffled))
    assert csv_table.render(one(records)) == csv_table.render(one(shuffled))


def test_blocked_design_pairs_by_seed() -> None:
    records = [
        make_record((base + 8 * seed,) * 4, seed, experiment__label=label, experiment__hash=label,
                    dataset__design="blocked")
        for label, base in (("low", 20), ("high", 22))
        for seed in range(4)
    ]  # fmt: skip
    table = one(records)
    assert [row.ranks for row in table.rows] == [(1, 1), (2, 2)]
    assert "blocked design: paired t tests on common seeds" in markdown.render(table)
    independent = [
        r.model_copy(update={"dataset": r.dataset.model_copy(update={"design": "independent"})})
        for r in records
    ]
    assert [row.ranks for row in one(independent).rows] == [(1, 2), (1, 2)]


def test_duplicates_count_once_and_contradictions_are_errors() -> None:
    records = runs("plain", 60)
    assert one(records + records).rows[0].accuracy.n == 4
    again = make_record((61, 50, 40, 30), 0, experiment__hash="h-plain")
    with pytest.raises(IntegrityError, match="Expected one record of experiment h-plain at seed 0"):
        build([*records, again])


def test_one_table_has_one_design() -> None:
    mixed = [*runs("a", 60), *runs("b", 60, dataset__design="blocked")]
    with pytest.raises(IntegrityError, match="Expected one design in a table"):
        build(mixed)


def test_markdown_says_what_a_reader_needs() -> None:
    text = markdown.render(one(board()))
    assert "Conditional on one pool: drawn." in text
    assert "Outside knowledge: drawn (outside images)." in text
    assert "convention lt20" in text and "Seeds: 0, 1, 2, 3." in text
    assert "`python -m benchmark report`" in text and "run seed=0" in text
    line = next(line for line in text.splitlines() if "**drawn**" in line)
    assert "| **1 a** |" in line and "| 800 |" in line and "| 40 |" in line
    assert next(line for line in text.splitlines() if "single" in line).startswith("| - |")


def test_replicated_pools_are_not_called_conditional() -> None:
    replicated = {**GENERATED, "pool": {**POOL, "replicated_with_seed": True}}
    assert "Conditional" not in markdown.render(one(runs("drawn", 90, **replicated)))


def test_every_markdown_row_has_as_many_cells() -> None:
    lines = markdown.body(one(board())).splitlines()
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 7


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_table.render(one(board())))))
    drawn = next(row for row in rows if row["method"] == "drawn")
    assert drawn["rank_low"] == "1" and drawn["one_pool"] == "1" and drawn["wins"] == "4"
    assert float(drawn["accuracy"]) == pytest.approx(0.755, abs=0.01)


def test_empty_groups_print_as_not_available() -> None:
    table = one(
        [
            record.model_copy(
                update={"dataset": record.dataset, "metrics": _without_medium(record)}
            )
            for record in runs("plain", 60)
        ]
    )
    assert table.rows[0].groups[1] is None
    assert "| n/a |" in markdown.render(table)


def _without_medium(record: Record) -> Any:
    groups = {n: replace(g, medium=None) for n, g in record.metrics.groups.items()}
    return replace(record.metrics, groups=groups)


def test_chain_of_differences() -> None:
    lines = chain_table(board(), ["plain", "better", "drawn"]).splitlines()
    assert len(lines) == 5
    assert lines[2].startswith("| plain → better |") and lines[2].endswith("| 4 of 4 |")
    assert lines[4].startswith("| plain → drawn |")


def test_a_block_takes_the_table_that_has_most_runs_of_all_its_rows() -> None:
    page = "<!-- chain of shapes: plain; better -->\n<!-- end -->"
    short = runs("plain", 30, 1, experiment__hash="short", recipe__config={"steps": 2})
    assert blocks.render(page, [*short, *board()]) == blocks.render(page, board())


def test_a_broken_block_names_its_page(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- chain of shapes: plain; bettre -->\n<!-- end -->")
    with pytest.raises(
        UsageError, match=r"In a block of this page: Unknown row 'bettre'.*page\.md"
    ):
        blocks.rebuilt(path, board())


def test_chain_errors_name_what_is_wrong() -> None:
    with pytest.raises(UsageError, match=r"Unknown row 'plane'.*did you mean plain"):
        chain_table(board(), ["plane", "better"])
    with pytest.raises(UsageError, match="Expected at least two labels"):
        chain_table(board(), ["plain"])
    twice = [*board(), *runs("plain", 50, experiment__hash="h2")]
    with pytest.raises(UsageError, match="Expected one experiment labelled 'plain', but got 2"):
        chain_table(twice, ["plain", "better"])
    assert chain_table(twice, ["h2", "better"])
    apart = [*board(), *runs("far", 50, dataset__name="other")]
    with pytest.raises(UsageError, match="Expected rows of one table"):
        chain_table(apart, ["plain", "far"])


def shown(records: list[Record], **options: Any) -> str:
    console = Console(width=80, file=io.StringIO(), color_system=None)
    console.print(console_table(records, **options))
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_console_table_fits_and_names_the_convention() -> None:
    label = "a+very+long+stack+of+components+with+names"
    text = shown([*runs("plain", 60, seeds=1), *runs(label, 80, seeds=1, **GENERATED)])
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "lt20" in text and "40" in text and "15.5 s" in text
    assert "n/a" in shown(runs("plain", 60, seeds=1), convention="le20")
    with pytest.raises(UsageError, match=r"Unknown convention 'lt2'.*lt20"):
        shown(runs("plain", 60, seeds=1), convention="lt2")


def test_console_labels_are_no_markup() -> None:
    assert "[red]x" in shown(runs("[red]x", 60, seeds=1))


def test_pick_by_label_or_hash() -> None:
    rows = leaderboard.rows_of(board())
    assert leaderboard.pick(rows, "plain") is leaderboard.pick(rows, "h-plain")
