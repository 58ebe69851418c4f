"""What is hashed of a configuration, and how stacks are called."""

import shlex
from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from benchmark.component import Component
from benchmark.config import BackboneConfig
from benchmark.experiments.compose import settings
from benchmark.identity import describe_component, label, plain, presets, shipped_settings, slug
from benchmark.registry import COMPONENTS
from benchmark.system.files import content_hash
from benchmark.tiny import Piece, tiny_recipe
from benchmark.vocabulary.presets import Preset


@dataclass(frozen=True, kw_only=True)
class Old:
    size: int
    shape: tuple[int, ...] = (1, 2)


@dataclass(frozen=True, kw_only=True)
class New:
    size: int
    shape: tuple[int, ...] = (1, 2)
    added_later: bool = False
    table: dict[str, Any] = field(default_factory=dict)


def part(name: str, **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


SYNAUG = ("t2i", "domain_mixup", "retrain_head")


def stack(*names: str) -> tuple[Component, ...]:
    return tuple(part(name) for name in names)


def test_an_option_added_later_does_not_change_the_hash() -> None:
    assert content_hash(plain(Old(size=3))) == content_hash(plain(New(size=3)))


@pytest.mark.parametrize("changed", [New(size=4), New(size=3, added_later=True),
                                     New(size=3, shape=(2, 1)),
                                     New(size=3, table={"a": 1})])  # fmt: skip
def test_any_setting_that_is_not_neutral_changes_the_hash(changed: New) -> None:
    assert content_hash(plain(changed)) != content_hash(plain(New(size=3)))


def test_a_required_setting_is_always_kept() -> None:
    assert plain(Old(size=0)) == {"size": 0}


def test_tuples_and_nested_settings_become_plain_values() -> None:
    value = plain({"a": (Old(size=1, shape=(3,)), None)})
    assert value == {"a": [{"size": 1, "shape": [3]}, None]}


def test_switched_off_features_of_a_recipe_are_neutral() -> None:
    assert "ema" not in plain(tiny_recipe())
    assert plain(tiny_recipe(ema=0.99))["ema"] == 0.99
    assert plain(BackboneConfig(name="x")) == {"name": "x"}


def test_a_recipe_hash_follows_every_required_field() -> None:
    base = tiny_recipe()
    changed = [
        replace(base, batch_size=33),
        replace(base, precision="bf16"),
        replace(base, optimizer=replace(base.optimizer, lr=0.06)),
        replace(base, schedule=replace(base.schedule, warmup=1)),
    ]
    assert len({content_hash(plain(recipe)) for recipe in [base, *changed]}) == 5


def test_a_component_is_hashed_with_its_version() -> None:
    class Bumped(Component):
        version = 2

    found = describe_component(Bumped(Bumped.Config(), "bumped"))
    assert found == {"name": "bumped", "version": 2, "settings": {}}


def test_every_setting_of_a_shipped_component_is_hashed() -> None:
    for name in COMPONENTS.names():
        hashed, shipped = describe_component(part(name))["settings"], shipped_settings(name)
        neutral = {each.name: each.default for each in fields(COMPONENTS.load(name).Config)}
        assert {key: shipped[key] for key in hashed} == hashed
        # what is not hashed is at the value that changes nothing
        assert all(neutral[key] == shipped[key] for key in shipped if key not in hashed)


def test_the_paper_method_is_a_preset_of_three_components() -> None:
    assert presets()["synaug"] == Preset("synaug", ("t2i", "domain_mixup", "retrain_head"), {})


def test_a_preset_may_set_what_its_components_leave_open() -> None:
    found = presets()["square_root_sampling"]
    assert found == Preset("square_root_sampling", ("oversample",), {"oversample": {"power": 0.5}})
    assert found.words == "'method=[oversample]' method.oversample.power=0.5"


@pytest.mark.parametrize("name", ["synaug", "square_root_sampling", "synaug_ldam_drw_train"])
def test_a_preset_in_other_words_is_the_same_stack(name: str) -> None:
    one = settings([f"method={name}"]).stack.components
    other = settings(shlex.split(presets()[name].words)).stack.components
    assert list(map(describe_component, one)) == list(map(describe_component, other))


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_a_preset_is_called_by_its_name(preset: Preset) -> None:
    parts = tuple(part(name, **preset.settings.get(name, {})) for name in preset.stack)
    assert label(parts) == preset.name


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (stack("ce"), "ce"),
        (stack("ldam", "mixup"), "ldam + mixup"),
        (stack("ldam", "drw"), "ldam_drw"),
        (stack("t2i", "domain_mixup", "retrain_head"), "synaug"),
        (stack("t2i", "domain_mixup"), "t2i + domain_mixup"),
        ((part("ldam", prior="train"),), "ldam (prior=train)"),
        ((part("ldam"), part("drw", prior="train")), "ldam_drw (drw.prior=train)"),
        (stack("oversample"), "oversample"),
        ((part("oversample", power=0.3),), "oversample (power=0.3)"),
        ((part("oversample", power=0.5),), "square_root_sampling"),
        ((part("oversample", power=0.5), part("ce")), "oversample + ce (oversample.power=0.5)"),
        ((part("drw", start=0.0, beta=0.99),), "reweighting (beta=0.99)"),
        ((part("drw", start=0.5),), "drw (start=0.5)"),
        ((*map(part, SYNAUG), part("ldam")), "synaug_ldam"),
        ((*map(part, SYNAUG), part("ldam", prior="train")), "synaug_ldam_train"),
        (
            (*map(part, SYNAUG), part("ldam", prior="train", scale=10.0)),
            "synaug_ldam_train (ldam.scale=10.0)",
        ),
        (
            (part("t2i"), part("domain_mixup", pairing="free"), part("retrain_head")),
            "synaug (domain_mixup.pairing=free)",
        ),
        ((), "empty"),
    ],
)
def test_labels_name_presets_and_changed_settings(
    parts: tuple[Component, ...], expected: str
) -> None:
    assert label(parts) == expected


def test_a_plugin_at_its_defaults_has_a_bare_label() -> None:
    class Plugin(Component):
        @dataclass(frozen=True, kw_only=True)
        class Config:
            gamma: float = 2.0
            on: bool = False

    assert label((Plugin(Plugin.Config(), "plugin"),)) == "plugin"
    changed = Plugin(Plugin.Config(gamma=1.0, on=True), "plugin")
    assert label((changed,)) == "plugin (gamma=1.0, on=true)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ldam + drw", "ldam_drw"),
        ("ldam (prior=train)", "ldam_prior=train"),
        ("../../etc", ".._.._etc"),
        ("x" * 100, "x" * 80),
    ],
)
def test_slugs_are_safe_folder_names(text: str, expected: str) -> None:
    assert slug(text) == expected
    assert "/" not in slug(text)
