"""Prompts, modifier sets and their files."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from benchmark.errors import BenchError, IntegrityError, UsageError
from benchmark.generation.modifiers import ModifierSet
from benchmark.generation.prompts import (
    PromptSpec,
    clashes,
    load_modifiers,
    prompt,
    prompt_spec,
)
from benchmark.system.files import content_hash

SHIPPED = Path(__file__).parents[2] / "synaug" / "modifiers"
THREE = PromptSpec(modifiers=("bold", "thin", "wide"))


def _write(folder: Path, **changes: object) -> None:
    values = {
        "name": "mine",
        "version": 1,
        "licence": "CC0-1.0",
        "written_by": "a test",
        "description": "words",
        "words": ["a", "b"],
        **changes,
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(values))


def test_a_plain_prompt_has_clean_white_space() -> None:
    assert prompt(PromptSpec(), "seven", 0) == ("a photo of seven", None)


def test_any_prefix_is_balanced_and_classes_start_apart() -> None:
    for n in range(1, 12):
        used = Counter(prompt(THREE, "seven", slot)[1] for slot in range(n))
        uses = [used[index] for index in range(3)]
        assert max(uses) - min(uses) <= 1
    assert len({prompt(THREE, str(name), 0)[1] for name in range(30)}) == 3


def test_modifier_id_names_the_word_in_the_text() -> None:
    text, index = prompt(THREE, "two words", 4)
    assert index is not None
    assert text == f"a photo of {THREE.modifiers[index]} two words"


def test_braces_in_a_class_name_are_plain_text() -> None:
    assert prompt(PromptSpec(), "a{modifier}b", 0)[0] == "a photo of a{modifier}b"


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a photo", "Expected '{class}'"),
        ("a {class}", "Expected '{modifier}'"),
        ("a {clas} {modifier}", "did you mean class"),
        ("a {class", "fields in braces"),
        ("a {} {class} {modifier}", "Unknown field ''"),
    ],
)
def test_bad_templates(template: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        PromptSpec(template=template, modifiers=("bold",))


def test_classes_with_the_same_name_are_flagged() -> None:
    assert clashes(THREE, ["crane", "kite", "Crane"]) == {"a photo of crane": (0, 2)}


def test_prompts_that_only_a_modifier_makes_the_same_are_flagged() -> None:
    own = {"tree": ("old oak", "tall"), "oak tree": ("old", "tall"), "Tree": ("big",)}
    assert clashes(PromptSpec(class_modifiers=own), ["tree", "oak tree", "Tree"]) == {
        "a photo of tree": (0, 2),
        "a photo of old oak tree": (0, 1),
    }


def test_a_class_uses_its_own_words_and_others_the_general_ones() -> None:
    spec = PromptSpec(modifiers=("bold",), class_modifiers={"seven": ("thin", "wide")})
    assert {prompt(spec, "seven", slot)[0] for slot in range(2)} == {
        "a photo of thin seven",
        "a photo of wide seven",
    }
    assert prompt(spec, "eight", 5) == ("a photo of bold eight", 0)


def test_a_learnt_name_is_shown_in_place_of_the_class() -> None:
    spec = PromptSpec(class_modifiers={"seven": ("thin", "wide")})
    text, index = prompt(spec, "seven", 3)
    assert prompt(spec, "seven", 3, "<c7>") == (text.replace("seven", "<c7>"), index)


def test_identity_of_general_words_is_what_pools_have_always_hashed() -> None:
    assert THREE.identity() == {
        "template": "a photo of {modifier} {class}",
        "modifiers": ["bold", "thin", "wide"],
    }
    own = PromptSpec(class_modifiers={"seven": ("thin",)})
    assert own.identity() == {
        "template": "a photo of {modifier} {class}",
        "modifiers": [],
        "class_modifiers": {"seven": ["thin"]},
    }


def _own(**changes: object) -> ModifierSet:
    values: dict[str, object] = {
        "name": "mine",
        "version": 1,
        "licence": "CC0-1.0",
        "written_by": "a test",
        "description": "words",
        "classes": {"maple tree": ("red", "old"), "oak tree": ("green", "tall"), "sea": ("a", "b")},
    }
    return ModifierSet(**(values | changes))  # type: ignore[arg-type]


def test_a_spec_holds_the_words_of_the_data_sets_classes_only() -> None:
    spec = prompt_spec("{modifier} {class}", _own(), ["sea", "maple tree"], limit=1)
    assert spec.class_modifiers == {"sea": ("a",), "maple tree": ("red",)}
    assert hash(spec) == hash(spec)
    assert prompt_spec("{modifier} {class}", _own()).class_modifiers == _own().classes


def test_missing_classes_are_named_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError) as caught:
        prompt_spec("{modifier} {class}", _own(), ["maple_tree", "sea", "xylophone"])
    text = str(caught.value)
    assert "modifiers for all 3 classes, but got none for 2: 'maple_tree' (nearest: maple" in text
    assert "'xylophone' [modifier set mine]; choose the data set's own set" in text
    mixed = prompt_spec("{modifier} {class}", _own(words=("old",)), ["maple_tree", "sea"])
    assert (mixed.words("maple_tree"), mixed.words("sea")) == (("old",), ("a", "b"))


def test_a_class_without_words_is_an_error_not_a_plain_prompt() -> None:
    spec = prompt_spec("{modifier} {class}", _own())
    with pytest.raises(UsageError, match=r"Unknown class 'maple'.*did you mean maple tree"):
        prompt(spec, "maple", 0)


@pytest.mark.parametrize("limit", [0, -1, 3])
def test_limits_beyond_the_set_are_refused(limit: int) -> None:
    with pytest.raises(UsageError, match=f"limit from 1 to 2, but got {limit}"):
        prompt_spec("{modifier} {class}", _own(), limit=limit)


def test_hash_covers_the_words_of_classes() -> None:
    one, two = _own(), _own(classes={"sea": ("b", "a")})
    assert len({one.hash, two.hash, _own(words=("a",)).hash}) == 3
    assert _own(words=("a", "b"), classes={}).hash == content_hash(["a", "b"])


def test_a_spec_passes_the_knowledge_of_its_set_on() -> None:
    assert prompt_spec("{modifier} {class}", _own()).knowledge == ()
    told = prompt_spec("{modifier} {class}", _own(knowledge=("llm-modifiers",)))
    assert told.knowledge == ("llm-modifiers",)
    assert told.identity() == prompt_spec("{modifier} {class}", _own()).identity()


def test_a_limit_keeps_the_first_words() -> None:
    loaded = load_modifiers("digits", SHIPPED)
    assert prompt_spec("a {modifier} {class}", loaded, limit=3).modifiers == loaded.words[:3]


def test_spec_carries_name_and_hash_of_its_set() -> None:
    loaded = load_modifiers("digits", SHIPPED)
    spec = prompt_spec("a {modifier} {class}", loaded)
    assert (spec.modifier_set, spec.modifier_hash) == ("digits", loaded.hash)
    assert prompt_spec("a {class}").modifiers == ()


def test_unknown_set_gives_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="did you mean digits"):
        load_modifiers("digit", SHIPPED)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"words": ["a", " A "]}, IntegrityError, "unique, non-empty"),
        ({"words": []}, IntegrityError, "unique, non-empty"),
        ({"words": [], "classes": {"a": []}}, IntegrityError, r"mine\.yaml: a"),
        ({"classes": {"a": ["b", "B"]}}, IntegrityError, r"mine\.yaml: a"),
        ({"classes": {1: ["b"]}}, UsageError, "valid string"),
        ({"source": {"model": "x"}}, UsageError, "mine.yaml.source"),
        ({"name": "yours"}, IntegrityError, "Expected name 'mine'"),
        ({"wrods": []}, UsageError, "did you mean words"),
    ],
)
def test_bad_files(
    tmp_path: Path, changes: dict[str, object], error: type[BenchError], words: str
) -> None:
    _write(tmp_path, **changes)
    with pytest.raises(error, match=words):
        load_modifiers("mine", tmp_path)


@pytest.mark.parametrize("text", ["words: [", "- a\n- b\n"])
def test_files_that_are_no_mapping(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(IntegrityError):
        load_modifiers("mine", tmp_path)
