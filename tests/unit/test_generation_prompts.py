"""Prompts, modifier sets and their files."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from benchmark.errors import BenchError, IntegrityError, UsageError
from benchmark.generation.prompts import (
    PromptSpec,
    clashes,
    load_modifiers,
    modifier_names,
    prompt,
    prompt_spec,
)

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


def test_shipped_sets_are_valid() -> None:
    assert modifier_names(SHIPPED) == ["digits", "general"]
    for name in modifier_names(SHIPPED):
        assert len(load_modifiers(name, SHIPPED).words) == 20


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
