"""The search of settings: what is tried, what it is called, what is refused, what is recorded."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from benchmark.component import Component, ImageRequest, Task, space
from benchmark.config import Probability
from benchmark.errors import Diverged, IntegrityError, Interrupted, UsageError
from benchmark.experiments import search
from benchmark.experiments.compose import settings
from benchmark.experiments.experiment import Experiment, choose_rows, resolve
from benchmark.experiments.runner import run_experiment
from benchmark.experiments.trials import STATE, searched, trials
from benchmark.identity import shipped_settings
from benchmark.recording import records
from benchmark.recording.record_models import Record, Search, Trial, best_trial
from benchmark.registry import COMPONENTS
from benchmark.report import markdown
from benchmark.report.console import console_table
from benchmark.tiny import Piece
from benchmark.verbs.show import show
from tests.fixtures.records import make_record

GRID: dict[str, tuple[Any, ...]] = {"a.x": (1, 2, 3), "a.y": ("p", "q"), "b.z": (0.1, 0.2)}
FIRST: dict[str, Any] = {"a.x": 2, "a.y": "p", "b.z": 0.1}
WORDS = ("method=[ldam,drw]", "search_trials=5", "search_on=heldout")


@cache
def resolved(*words: str) -> Experiment:
    return resolve(settings(words))


def found(trials_: int = 100, seed: int = 0, first: dict[str, Any] = FIRST) -> list[dict[str, Any]]:
    return search.candidates(first, GRID, trials_, seed)


def distinct(tried: list[dict[str, Any]]) -> set[str]:
    return {json.dumps(each, sort_keys=True) for each in tried}


# what is tried


@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_as_many_different_settings_as_asked_for_the_configured_ones_first(number: int) -> None:
    tried = found(number)
    assert tried[0] == FIRST
    assert len(tried) == len(distinct(tried)) == number


def test_a_small_grid_is_tried_whole() -> None:
    tried = found(100)
    assert len(tried) == len(distinct(tried)) == 12
    assert {(each["a.x"], each["a.y"], each["b.z"]) for each in tried} == {
        (x, y, z) for x in (1, 2, 3) for y in ("p", "q") for z in (0.1, 0.2)
    }


def test_configured_settings_may_lie_outside_the_grid() -> None:
    own = FIRST | {"a.x": 9}
    tried = found(100, first=own)
    assert tried[0] == own
    assert len(tried) == 13


def test_the_seed_decides_the_draw_and_nothing_else_does() -> None:
    assert found(6, seed=3) == found(6, seed=3)
    draws = [json.dumps(found(6, seed=seed)) for seed in range(10)]
    assert len(set(draws)) > 5
    # a method of other names whose grid has the same shape is drawn alike
    other = {key.upper(): values for key, values in GRID.items()}
    first = {key.upper(): value for key, value in FIRST.items()}
    renamed = [{key.upper(): v for key, v in each.items()} for each in found(6, seed=3)]
    assert search.candidates(first, other, 6, 3) == renamed


def test_more_trials_only_add_some_at_the_end() -> None:
    assert found(9)[:4] == found(4)


def test_every_combination_is_as_likely_as_another() -> None:
    second = [distinct(found(2, seed=seed)[1:]).pop() for seed in range(1100)]
    counts = [second.count(each) for each in set(second)]
    assert len(counts) == 11
    # 100 expected of each; the standard deviation is below 10
    assert min(counts) > 60 and max(counts) < 140


def test_nothing_to_vary_leaves_the_configured_settings() -> None:
    assert search.candidates({}, {}, 8, 0) == [{}]


# what components declare


@pytest.mark.parametrize("name", COMPONENTS.names())
def test_a_component_declares_few_possible_values_around_its_own(name: str) -> None:
    shipped = shipped_settings(name)
    part = Piece(COMPONENTS.load(name), shipped, name).build()
    for path, values in search.space((part,)).items():
        assert 2 <= len(values) <= 4
        assert search.configured((part,), {path: values})[path] in values


class Scaled(Component):
    """A setting to vary."""

    search = space(share=(0, 0.5, 1))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings."""

        share: Probability = 0.5


class Supplies(Component):
    """Requests images and wants them searched."""

    search = space(share=(0.1, 0.2))
    Config = Scaled.Config

    def request_images(self, task: Task) -> ImageRequest | None:
        """None, but it might."""
        return None


def declaring(**values: tuple[Any, ...]) -> Component:
    part = Scaled(Scaled.Config(), "scaled")
    part.search = space(**values)  # type: ignore[misc]
    return part


def test_declared_values_take_the_type_of_their_setting() -> None:
    (values,) = search.space((Scaled(Scaled.Config(), "scaled"),)).values()
    assert values == (0.0, 0.5, 1.0) and all(isinstance(value, float) for value in values)


def test_a_space_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Scaled.search["share"] = (1,)  # type: ignore[index]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (declaring(share=(0.5, 2)), r"less than or equal to 1, but got 2 \[method.scaled.share\]"),
        (declaring(shade=(0.5, 1)), r"Unknown key 'shade' \[method.scaled\]; did you mean share"),
        (declaring(share=(0.5, 0.5)), r"different values to try, but got \(0.5, 0.5\)"),
        (declaring(share=()), r"different values to try, but got \(\) \[method.scaled.share\]"),
        (Supplies(Scaled.Config(), "supplies"), "'supplies' requests images and declares a search"),
    ],
)
def test_an_impossible_space_is_refused(part: Component, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        search.space((part,))


def test_what_a_preset_sets_itself_is_not_varied() -> None:
    free = resolved("method=drw", "search_trials=9", "search_on=heldout")
    assert list(free.search_space) == ["drw.start", "drw.beta"]
    # the preset is drw from the first epoch on
    pinned = resolved("method=reweighting", "search_trials=9", "search_on=heldout")
    assert list(pinned.search_space) == ["drw.beta"]
    assert all(each.label.startswith("reweighting") for each in trials(pinned))


# identity


def test_the_search_is_part_of_the_identity_and_of_the_label() -> None:
    plain, some = resolved("method=[ldam,drw]"), resolved(*WORDS)
    assert some.label == f"{plain.label} (search 5 on heldout)"
    others = [
        resolved("method=[ldam,drw]", "search_trials=7", "search_on=heldout"),
        resolved("method=[ldam,drw]", "search_trials=5", "search_on=val"),
        resolved(*WORDS, "method.drw.beta=0.99"),
    ]
    assert len({each.hash for each in (plain, some, *others)}) == 5
    assert some.dataset_name == plain.dataset_name == "digitslt"


def test_rows_to_search_on_alone_move_nothing() -> None:
    plain = resolved("method=ldam")
    assert resolved("method=ldam", "search_on=heldout").hash == plain.hash
    assert "search" not in plain.science


def test_the_space_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resolved(*WORDS).hash
    monkeypatch.setattr(COMPONENTS.load("ldam"), "search", space(max_margin=(0.1, 0.2)))
    after = resolve(settings(WORDS))
    assert after.hash != before
    assert after.science["search"]["space"]["ldam.max_margin"] == [0.1, 0.2]


def test_seeds_share_an_experiment_though_they_may_try_other_settings() -> None:
    first, second = resolved(*WORDS, "seed=0"), resolved(*WORDS, "seed=1")
    assert first.hash == second.hash
    assert [each.hash for each in trials(first)] != [each.hash for each in trials(second)]


def test_labels_keep_changed_settings_and_the_budget() -> None:
    method = ("method=[t2i,ldam]", "method.ldam.max_margin=0.4")
    budget = ("budget=uniform", "budget.amount=20")
    label = resolved(*method, *budget, "search_trials=3", "search_on=heldout").label
    assert label == "t2i + ldam (ldam.max_margin=0.4, search 3 on heldout) @ uniform(20)"


# trials


@pytest.mark.parametrize(
    "words",
    [
        ("method=[ldam,drw]", "search_trials=3", "search_on=heldout", "method.drw.beta=0.9",
         "seed=4", "recipe.steps.amount=20"),
        ("method=synaug", "search_trials=2", "search_on=heldout", "generator.steps=3"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_trial_is_the_run_that_its_words_give(words: tuple[str, ...]) -> None:
    for trial in trials(resolved(*words)):
        again = settings(trial.settings.overrides)
        assert again.values | {"search_on": "heldout"} == trial.settings.values
        assert resolve(again).science == trial.science
        assert resolve(again).folder == trial.folder


def test_the_first_trial_is_as_configured_and_none_scores_test_rows_or_searches() -> None:
    tried = trials(resolved(*WORDS, "method.ldam.max_margin=0.4"))
    assert len(tried) == len({each.hash for each in tried}) == 5
    assert tried[0].settings.stack.components[0].config.max_margin == 0.4
    assert {each.settings.score_on for each in tried} == {"heldout"}
    assert {each.dataset_name for each in tried} == {"digitslt@heldout"}
    assert {each.settings.search_trials for each in tried} == {0}


def test_rows_to_choose_on_are_carved_from_training_and_missing_from_the_scored_run_too() -> None:
    words = ("dataset=cifar10lt", "method=ldam", "search_trials=3")
    experiment = resolved(*words, "dataset.val=carve")
    tried = trials(experiment)
    assert {each.dataset_name for each in tried} == {"cifar10lt@val"}
    assert {each.task for each in tried} == {experiment.task}
    carved = experiment.card.carved
    assert sum(carved) > 0
    whole = resolved("dataset=cifar10lt", "method=ldam").task.counts_train
    assert whole == tuple(map(sum, zip(experiment.task.counts_train, carved, strict=True)))


def test_every_method_may_try_as_much() -> None:
    numbers = {
        method: len(trials(resolved(f"method={method}", "search_trials=4", "search_on=heldout")))
        for method in ("ce", "ldam", "mixup", "ldam_drw", "synaug")
    }
    assert numbers == {"ce": 1, "ldam": 3, "mixup": 3, "ldam_drw": 4, "synaug": 4}
    assert trials(resolved("method=ldam")) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search_trials=-1",), r"integer in \[0, 2\^31\), but got -1 \[search_trials\]"),
        (("search_trials=some",), r"but got 'some' \[search_trials\]"),
        (("search_on=test",), r"rows to search 'test' \[search_on\]; allowed: heldout, val"),
        (("search_on=vall",), "did you mean val"),
        (
            ("search_trials=2", "search_on=heldout", "score_on=heldout"),
            r"search on other rows than those scored, but got heldout for both \[search_on\]; "
            "set search_on=val",
        ),
        (
            ("method=heldout_real", "search_trials=2", "search_on=heldout"),
            r"trains on held-out rows, so nothing can be chosen on them \[search_on\]",
        ),
    ],
)
def test_a_search_that_cannot_be_meant_is_refused(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolved(*words)


@pytest.mark.parametrize(
    ("words", "todo"),
    [
        (("method=ldam", "search_trials=4"), "set search_on=heldout"),
        (("method=ldam", "score_on=val"), "set score_on=heldout"),
        # what the other setting, or the method, has taken already is not offered
        (("method=ldam", "search_trials=4", "score_on=heldout"), "set search_trials=0"),
        (("method=heldout_real", "search_trials=4"), "set search_trials=0"),
        (("method=heldout_real", "score_on=val"), "set score_on=test"),
    ],
)
def test_rows_that_a_data_set_cannot_carve_are_not_advised(
    words: tuple[str, ...], todo: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=rf"digitslt has no val rows \[s\w+_on\]; {todo}$"):
        run_experiment(resolved(*words, f"out={tmp_path}"))
    # followed, it can be run
    assert resolved(*words, todo.removeprefix("set ")).settings


@pytest.mark.parametrize(
    ("val", "advice"),
    [(True, "set search_on=val and dataset.val=carve"), (False, "set search_on=heldout")],
)
def test_a_data_set_that_can_carve_is_told_so_once(val: bool, advice: str) -> None:
    carving = SimpleNamespace(config=SimpleNamespace(val="none"))
    given: Any = SimpleNamespace(search_trials=4, score_on="test", search_on="val", dataset=carving)
    assert choose_rows(given, None, "search_on", heldout=True, val=val) == advice


def test_scoring_on_the_rows_of_a_search_that_is_off_is_fine() -> None:
    assert resolved("score_on=val", "search_on=val").settings.search_trials == 0


# outcome


def scoring(accuracies: list[int | None], stop_at: int | None = None) -> Callable[..., Record]:
    """Runs whose classes have so many of 100 rows right; None diverges."""
    left = list(accuracies)

    def run(experiment: Experiment) -> Record:
        if stop_at is not None and len(accuracies) - len(left) == stop_at:
            raise Interrupted("Stopped")
        right = left.pop(0)
        if right is None:
            raise Diverged("The loss became nan")
        return make_record((right,) * 4)

    return run


def searching(out: Path) -> Experiment:
    return resolved(*WORDS, f"out={out}")


def outcome(out: Path, run: Callable[..., Record]) -> Search:
    done = searched(searching(out), run)
    assert done.chosen
    return done.chosen.search


def test_the_best_on_the_held_rows_wins_and_its_settings_are_trained(tmp_path: Path) -> None:
    experiment = searching(tmp_path)
    done = searched(experiment, scoring([50, 40, 70, 70, 60]))
    assert done.chosen
    block = done.chosen.search
    assert (block.on, block.allowed, block.chosen) == ("heldout", 5, 2)
    assert [each.accuracy for each in block.tried] == [0.5, 0.4, 0.7, 0.7, 0.6]
    assert [each.hash for each in block.tried] == [each.hash for each in trials(experiment)]
    # seconds of a fixture's record: training and scoring
    assert [each.seconds for each in block.tried] == [13.0] * 5
    assert block.seconds == 65.0
    trained = {part.name: part.config for part in done.stack.components}
    chosen = block.tried[2].settings
    assert trained["ldam"].max_margin == chosen["ldam.max_margin"]
    assert (trained["drw"].start, trained["drw"].beta) == (chosen["drw.start"], chosen["drw.beta"])
    # the choice is an outcome: it moves neither hash, label nor folder
    assert (done.hash, done.label) == (experiment.hash, experiment.label)
    assert done.folder == experiment.folder
    assert done.settings.stack is experiment.settings.stack


def test_a_trial_that_diverges_is_not_chosen(tmp_path: Path) -> None:
    block = outcome(tmp_path, scoring([None, 40, None, 50, 50]))
    assert block.chosen == 3
    assert [each.accuracy for each in block.tried] == [None, 0.4, None, 0.5, 0.5]


def test_a_search_of_nothing_but_divergence_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="in each of 5 trials"):
        outcome(tmp_path, scoring([None] * 5))


def test_what_a_search_came_to_is_kept_until_the_run_is_done(tmp_path: Path) -> None:
    first = outcome(tmp_path, scoring([10, 20, 30, 20, 10]))
    # no run is asked for again
    assert outcome(tmp_path, scoring([])) == first


def test_nothing_is_kept_of_a_search_that_was_stopped(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        outcome(tmp_path, scoring([10, 20, 30, 20, 10], stop_at=3))
    assert not list(tmp_path.rglob(STATE))


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"on": "test"}'])
def test_a_broken_outcome_is_refused(text: str, tmp_path: Path) -> None:
    outcome(tmp_path, scoring([10, 20, 30, 20, 10]))
    (path,) = tmp_path.rglob(STATE)
    path.write_text(text)
    with pytest.raises(IntegrityError, match=STATE):
        outcome(tmp_path, scoring([]))


def test_the_outcome_of_other_trials_is_refused(tmp_path: Path) -> None:
    outcome(tmp_path, scoring([10, 20, 30, 20, 10]))
    (path,) = tmp_path.rglob(STATE)
    path.write_text(path.read_text().replace('"hash": "', '"hash": "f', 1))
    with pytest.raises(IntegrityError, match="the outcome of this search"):
        outcome(tmp_path, scoring([]))


# record


def trial(accuracy: float | None, seconds: float = 2.0, **values: Any) -> dict[str, Any]:
    return {"settings": {"a.x": 1, **values}, "accuracy": accuracy, "seconds": seconds, "hash": "h"}


def block(*tried: dict[str, Any], chosen: int = 0, **changes: Any) -> dict[str, Any]:
    took = sum(each["seconds"] for each in tried)
    own = {"on": "val", "allowed": 4, "tried": tried, "chosen": chosen, "seconds": took}
    return own | changes


def test_a_record_keeps_what_was_tried() -> None:
    record = make_record(search=block(trial(0.5), trial(0.25, **{"a.y": [1, 2]}), trial(None)))
    again = records.loads(records.dumps(record))
    assert again == record
    assert again.search and again.search.tried[1].settings == {"a.x": 1, "a.y": [1, 2]}


def test_a_record_of_before_there_were_searches_is_valid() -> None:
    value = json.loads(records.dumps(make_record()))
    assert value.pop("search") is None
    assert records.loads(json.dumps(value)).search is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (block(trial(0.5), trial(0.6)), "search.chosen 1, but got 0"),
        (block(trial(0.5), trial(0.5), chosen=1), "search.chosen 0, but got 1"),
        (block(trial(None)), "search.chosen None"),
        (block(trial(0.5), allowed=0), "greater than 0"),
        (block(*[trial(0.5)] * 5), "search.tried of at most 4, but got 5"),
        (block(trial(0.5), seconds=9.0), "search.seconds 2.0, but got 9.0"),
        (block(), "at least 1"),
        (block(trial(1.5)), "less than or equal to 1"),
        (block(trial(0.5), on="test"), "'val' or 'heldout'"),
    ],
)
def test_a_search_that_does_not_add_up_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_record(search=changes)


def test_equal_accuracies_do_not_hang_on_their_last_bits() -> None:
    scores = (0.3, 0.1 + 0.2, None, 0.29)
    tried = [Trial(settings={}, accuracy=each, seconds=1.0, hash="h") for each in scores]
    assert best_trial(tried) == 0


def test_reports_say_what_a_search_took() -> None:
    searched_ = make_record(search=block(trial(0.5), trial(0.25)), experiment__label="m (search 4)")
    plain = make_record(seed=1, experiment__hash="fff", experiment__label="p")
    rows = markdown.search_notes([_row(searched_), _row(plain)])
    assert rows == [
        "Settings tried before the scored run, and the time that took for each seed: "
        "m (search 4): 2 of 4 allowed, 4.0 s."
    ]
    assert markdown.search_notes([_row(plain)]) == []
    caption = str(console_table([searched_, plain]).caption)
    assert caption.endswith("m (search 4), seed 0: 2 tried in 4.0 s")
    assert "\n" not in str(console_table([plain]).caption)


def _row(record: Record) -> Any:
    from benchmark.boards.leaderboard import rows_of

    return rows_of([record])[0]


def test_show_lists_what_a_search_may_try() -> None:
    lines = show("method=drw").splitlines()
    at = lines.index("tried by a search")
    assert [line.split() for line in lines[at + 1 : at + 3]] == [
        ["start", "0.6,", "0.8"],
        ["beta", "0.99,", "0.999,", "0.9999"],
    ]
    assert "tried by a search" not in show("method=t2i")


@pytest.mark.parametrize("name", COMPONENTS.names())
def test_source_and_class_agree_on_the_space(name: str) -> None:
    shown = show(f"method={name}")
    assert ("tried by a search" in shown) == bool(COMPONENTS.load(name).search)


def test_replacing_the_outcome_replaces_the_stack(tmp_path: Path) -> None:
    done = searched(searching(tmp_path), scoring([10, 20, 30, 20, 10]))
    assert done.stack is not done.settings.stack
    assert replace(done, chosen=None).stack is done.settings.stack
