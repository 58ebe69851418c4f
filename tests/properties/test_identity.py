"""Hashes: what is neutral or plumbing moves none, what is science moves one, order never does."""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import identity
from benchmark.config import PlumbingConfig
from benchmark.experiments import compose, experiment
from benchmark.system.files import canonical_json, content_hash, layout_json
from tests.properties.amount import examples

TEXT = st.text(max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False)
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def _shuffled(value: Any, rng: Any) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: _shuffled(value[key], rng) for key in keys}
    return [_shuffled(item, rng) for item in value] if isinstance(value, list) else value


@examples(100)
@given(PLAIN, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter_and_nothing_is_lost(value: Any, rng: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(_shuffled(value, rng)) == text
    assert json.loads(text) == value and text.isascii() and "\n" not in text
    assert canonical_json(json.loads(text)) == text
    assert json.loads(layout_json(value)) == value


@examples(80)
@given(PLAIN, PLAIN)
def test_other_values_have_other_hashes(first: Any, second: Any) -> None:
    same = canonical_json(first) == canonical_json(second)
    assert (content_hash(first) == content_hash(second)) == same


@examples(60)
@given(
    TEXT.filter(lambda text: text.encode("utf-8", "ignore").decode() == text), st.integers(1, 64)
)
def test_hashes_take_any_text_and_are_prefixes_of_one(text: str, length: int) -> None:
    found = content_hash({"name": text}, length)
    assert len(found) == length and content_hash({"name": text}, 64).startswith(found)


@dataclass(frozen=True, kw_only=True)
class Some:
    """A configuration with a required, two neutral and a nested setting."""

    needed: int
    scale: float = 1.0
    words: tuple[str, ...] = ()
    inner: dict[str, Any] = field(default_factory=dict)


@examples(80)
@given(st.integers(), st.floats(0, 9), st.lists(TEXT, max_size=3), st.dictionaries(TEXT, SCALARS))
def test_only_what_is_not_neutral_is_hashed(
    needed: int, scale: float, words: list[str], inner: dict[str, Any]
) -> None:
    found = Some(needed=needed, scale=scale, words=tuple(words), inner=inner)
    values = identity.plain(found)
    assert set(values) == {"needed"} | {
        name
        for name, value in (("scale", scale != 1.0), ("words", words), ("inner", inner))
        if value
    }
    again = Some(**values | {"words": tuple(values.get("words", ()))})
    assert again == found and content_hash(identity.plain(again)) == content_hash(values)


WORDS = ("method=[t2i,ldam]", "budget=uniform", "budget.amount=7", "seed=3", "recipe.ema=0.9",
         "dataset.imbalance=20", "generator.steps=5")  # fmt: skip


def _hash(*words: str) -> str:
    return experiment.resolve(compose.settings(words)).hash


@pytest.fixture(scope="module")
def base() -> str:
    """The hash of the words."""
    return _hash(*WORDS)


@examples(5)
@given(st.permutations(WORDS))
def test_the_order_of_words_does_not_matter(words: list[str]) -> None:
    # groups are chosen first, whatever stands first
    assert _hash(*words) == _hash(*WORDS)


def _another(value: Any, hint: Any) -> str:
    """A value of a setting other than ``value``, as a word has it."""
    if isinstance(value, bool):
        return str(not value).lower()
    if isinstance(value, int | float):
        return str(value + 1)
    if isinstance(value, tuple):
        return "[ce]"
    options = [each for each in get_args(hint) if each != value and each != "cuda"]
    return str(options[0]) if get_origin(hint) is Literal else "elsewhere"


def test_plumbing_moves_no_hash(base: str) -> None:
    plumbing, hints = compose.settings(WORDS).plumbing, get_type_hints(PlumbingConfig)
    words = [
        f"{each.name}={_another(getattr(plumbing, each.name), hints[each.name])}"
        for each in dataclasses.fields(PlumbingConfig)
    ]
    assert compose.settings([*WORDS, *words]).plumbing != plumbing
    assert _hash(*WORDS, *words) == base
    assert _hash(*WORDS[:3], "seed=5", *WORDS[4:]) == base


@pytest.mark.parametrize(
    "word",
    ["recipe.batch_size=7", "recipe.optimizer.lr=0.2", "budget.amount=8", "dataset.imbalance=30",
     "generator.steps=6", "method.ldam.scale=3", "backbone=resnet32", "modifiers=none",
     "score_on=heldout", "recipe.steps.amount=9", "pool_seed=4"],
)  # fmt: skip
def test_science_moves_the_hash(base: str, word: str) -> None:
    key = word.partition("=")[0]
    words = [each for each in WORDS if each.partition("=")[0] != key]
    assert _hash(*words, word) != base
