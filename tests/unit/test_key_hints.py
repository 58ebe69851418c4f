"""A key at the wrong level is answered with the whole key that was meant; following it works."""

import re

import pytest

from benchmark.errors import UsageError
from benchmark.experiments.compose import settings
from benchmark.vocabulary.key_hints import elsewhere, leaves


def refusal(*words: str) -> str:
    with pytest.raises(UsageError) as caught:
        settings(list(words))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_leaves_are_the_full_keys_of_all_values() -> None:
    assert list(leaves({"a": {"b": {"c": 1}, "d": {}}, "e": None})) == ["a.b.c", "a.d", "e"]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("lr", ["b.opt.lr"]),
        ("a.lr", ["b.opt.lr"]),
        ("opt.lr", ["b.opt.lr"]),
        ("size", ["aaa.size", "b.size"]),
        ("aab.size", ["aaa.size"]),
        ("r", []),
    ],
)
def test_a_key_is_found_by_how_it_ends(key: str, found: list[str]) -> None:
    assert elsewhere(key, ["b.opt.lr", "b.size", "aaa.size", "b.opt.name"]) == found


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("lr=0.1", "recipe.optimizer.lr?"),
        ("recipe.lr=0.1", "recipe.optimizer.lr?"),
        ("optimizer.lr=0.1", "recipe.optimizer.lr?"),
        ("+lr=0.1", "recipe.optimizer.lr?"),
        ("dataset.lr=0.1", "recipe.optimizer.lr?"),
        ("imbalance=50", "dataset.imbalance?"),
        ("precision=bf16", "recipe.precision?"),
        ("recip.batch_size=3", "recipe.batch_size?"),
        ("epochs=10", "recipe.steps.amount, with recipe.steps.unit=epochs?"),
        ("recipe.epochs=10", "recipe.steps.amount, with recipe.steps.unit=epochs?"),
        ("steps=10", "generator.steps or recipe.steps.amount?"),
        ("recipe.steps=10", "recipe.steps.amount=10?"),
        ("recipe.optimizer=adamw,sgd", "recipe.optimizer.name=adamw,sgd?"),
        ("method.scale=3", "method.ldam.scale?"),
        ("method.ldamm.scale=3", "ldam?"),
        ("method.ldam.scal=3", "scale?"),
    ],
)
def test_the_whole_key_is_named(word: str, meant: str) -> None:
    assert refusal("method=ldam", word).endswith(f"; did you mean {meant}")


def test_the_settings_of_a_level_may_be_given_at_once() -> None:
    given = settings(["method=ce", "recipe.steps={unit:epochs,amount:3}"])
    assert (given.recipe.steps.unit, given.recipe.steps.amount) == ("epochs", 3)


def test_of_methods_in_a_sweep_the_first_is_looked_at() -> None:
    assert refusal("method=ldam,ce", "scale=3").endswith("did you mean method.ldam.scale?")


@pytest.mark.parametrize(
    ("stack", "key", "todo"),
    [
        ("ldam_drw", "beta", "set method.drw.beta=..."),
        ("ldam_drw", "bta", "set method.drw.beta=..."),
        ("ldam_drw", "zzz", "set method.ldam.KEY=... or method.drw.KEY=..."),
        ("ce", "beta", "choose method=ldam_drw and set method.drw.beta=..."),
    ],
)
def test_a_preset_has_the_settings_of_its_components(stack: str, key: str, todo: str) -> None:
    said = refusal(f"method={stack}", f"method.ldam_drw.{key}=0.9")
    assert said == (
        "'ldam_drw' is a preset of ldam and drw, without settings of its own "
        f"[method.ldam_drw]; {todo}"
    )


def test_what_is_said_about_a_preset_works() -> None:
    said = refusal("method=ce", "method.ldam_drw.beta=0.9")
    words = re.findall(r"\S+=\S+", said.partition("; ")[2].replace("...", "0.9"))
    assert settings(words).values["method"]["drw"]["beta"] == 0.9


@pytest.mark.parametrize("word", ["workers=2", "seeds=2", "shard=0/2", "rows=CE", "columns=IF"])
def test_a_word_of_grids_is_no_misspelt_setting(word: str) -> None:
    said = refusal(word, "method=ce")
    assert f"'{word.partition('=')[0]}' goes with grid=NAME [{word}]; " in said
    assert "did you mean" not in said
