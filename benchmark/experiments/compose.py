"""Overrides in, checked settings out: Hydra composes, this module refuses what cannot be meant.

Plugins are imported only when the command line selects them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields
from functools import cache
from itertools import islice, product
from math import prod
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from benchmark.component import Component
from benchmark.config import BackboneConfig, PlumbingConfig, RecipeConfig, parse
from benchmark.data.dataset import Dataset
from benchmark.errors import UsageError, unknown
from benchmark.generation.budget import Budget
from benchmark.generation.generator import Generator, build_generator
from benchmark.generation.protocols import Protocol, named
from benchmark.identity import plain, presets, shipped_settings
from benchmark.paths import config_dir
from benchmark.registry import (
    BACKBONES,
    BUILT_IN,
    COMPONENTS,
    DATASETS,
    GENERATORS,
    yaml_names,
)
from benchmark.stack import Stack
from benchmark.vocabulary.hydra_words import parse as parse_word
from benchmark.vocabulary.hydra_words import refuse_unsafe
from benchmark.vocabulary.key_hints import leaves, unknown_key, unknown_setting
from benchmark.vocabulary.source import read_class

PLUGINS = {
    "method": COMPONENTS,
    "dataset": DATASETS,
    "generator": GENERATORS,
    "backbone": BACKBONES,
}
MAX_POINTS = 100_000
SCORED = ("test", "val", "heldout")
SEARCHED = ("val", "heldout")
GROUPS = ("method", "dataset", "budget", "generator", "recipe", "backbone")
# a level of settings that is taken for the setting in it
_LEVELS = {"recipe.steps": "amount", "recipe.optimizer": "name", "recipe.schedule": "name"}


@dataclass(frozen=True)
class Settings:
    """A checked configuration: types parsed, names resolved, components built.

    Attributes:
        stack: the method.
        dataset: the data set object.
        budget: as configured; "auto" is resolved with the method's request.
        generator: the generator object, not loaded.
        recipe: what all methods share.
        backbone: the model.
        plumbing: what changes no number.
        seed: of the run.
        pool_seed: a number, or "seed".
        modifiers: name of the data set's modifier set.
        score_on: rows that are scored: "test", or training rows outside the subset.
        search_trials: settings that are tried before the scored run; 0 for no search.
        search_on: rows that the search chooses on; never those that are scored.
        protocol: what is equal across methods: images, network calls, device time or steps.
        values: the composed configuration as plain values.
        overrides: the command line's own words.
    """

    stack: Stack
    dataset: Dataset
    budget: Budget
    generator: Generator
    recipe: RecipeConfig
    backbone: BackboneConfig
    plumbing: PlumbingConfig
    seed: int
    pool_seed: int | str
    modifiers: str
    score_on: str
    search_trials: int
    search_on: str
    protocol: Protocol
    values: dict[str, Any]
    overrides: tuple[str, ...]


def settings(overrides: Sequence[str] = ()) -> Settings:
    """Compose the configuration for ``overrides`` and check all of it.

    Raises:
        UsageError: unknown group, choice or key, wrong type, impossible value, clashing stack.
    """
    overrides = with_neutral(overrides)
    check_overrides(overrides)
    with hydra_session():
        values = _compose(overrides)
    return from_values(values, tuple(overrides))


def with_neutral(overrides: Sequence[str]) -> list[str]:
    """The overrides, with Hydra's "+" before settings that a component has but its YAML leaves out.

    Those are the neutral ones, whose values are the defaults of ``Config``.
    """
    return [f"+{text}" if _is_neutral(text.partition("=")[0]) else text for text in overrides]


def _is_neutral(key: str) -> bool:
    group, _, rest = key.partition(".")
    name, _, setting = rest.partition(".")
    if group != "method" or not setting or name not in COMPONENTS.entries:
        return False
    return (
        setting in _neutral(name)
        and name in yaml_names("method")
        and (setting not in shipped_settings(name))
    )


def _neutral(name: str) -> set[str]:
    """Settings of a component that have a default."""
    source = read_class(COMPONENTS.entry(name).target)
    return {each.name for each in source.settings if each.default} if source else set()


def from_values(values: dict[str, Any], overrides: tuple[str, ...] = ()) -> Settings:
    """Check composed values and build the objects they name."""
    _check_whole(values)
    names = [field.name for field in fields(PlumbingConfig)]
    return Settings(
        stack=Stack(tuple(_components(values.get("method") or {}))),
        dataset=_dataset(values["dataset"]),
        budget=parse(Budget, values["budget"], "budget"),
        generator=build_generator(values["generator"], str(values["device"])),
        recipe=parse(RecipeConfig, values["recipe"], "recipe"),
        backbone=parse(BackboneConfig, values["backbone"], "backbone"),
        plumbing=parse(PlumbingConfig, {name: values[name] for name in names}, ""),
        seed=_integer(values["seed"], "seed"),
        pool_seed=_pool_seed(values["pool_seed"]),
        modifiers=str(values["modifiers"]),
        score_on=_rows("score_on", values, SCORED),
        search_trials=_integer(values["search_trials"], "search_trials"),
        search_on=_search_on(values),
        protocol=named(str(values["protocol"])),
        values=values,
        overrides=overrides,
    )


def _check_whole(values: Mapping[str, Any]) -> None:
    """Refuse a configuration of which words such as ``~recipe`` or ``recipe=[]`` took a part."""
    kinds = [f"{group}.kind" for group in ("dataset", "generator")]
    for key in (*GROUPS[1:], *_top_level(), *kinds):
        group, _, inner = key.partition(".")
        held = values.get(group)
        if group not in values or (inner and not (isinstance(held, Mapping) and inner in held)):
            raise UsageError(
                "Expected a value, but it was taken away",
                where=key,
                todo=f"leave ~{group} out, or choose one: {group}=NAME",
            )


def _components(method: Mapping[str, Any]) -> Iterator[Component]:
    for name, given in method.items():
        cls = COMPONENTS.load(name)
        yield cls(parse(cls.Config, given or {}, f"method.{name}"), name)


def _dataset(given: Mapping[str, Any]) -> Dataset:
    cls = DATASETS.load(str(given["kind"]))
    own = {key: value for key, value in given.items() if key != "kind"}
    dataset: Dataset = cls(parse(cls.Config, own, "dataset"))
    return dataset


def _integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        problem = f"Expected an integer in [0, 2^31), but got {value!r}"
        raise UsageError(problem, where=where, todo=f"set {where}=0")
    return value


def _pool_seed(value: Any) -> int | str:
    return value if value == "seed" else _integer(value, "pool_seed")


def _rows(key: str, values: Mapping[str, Any], allowed: tuple[str, ...]) -> str:
    value, verb = str(values[key]), key.removesuffix("_on")
    if value not in allowed:
        raise unknown(f"rows to {verb}", value, allowed, where=key)
    return value


def _search_on(values: Mapping[str, Any]) -> str:
    """The rows that a search chooses on; those that are scored stay unseen until then."""
    found = _rows("search_on", values, SEARCHED)
    if values["search_trials"] and found == values["score_on"]:
        (other,) = (rows for rows in SEARCHED if rows != found)
        raise UsageError(
            f"Expected a search on other rows than those scored, but got {found} for both",
            where="search_on",
            todo=f"set search_on={other}, or score_on=test",
        )
    return found


@contextmanager
def hydra_session() -> Iterator[None]:
    """Initialise Hydra on the shipped configurations unless a Hydra app is running."""
    if GlobalHydra.instance().is_initialized():
        yield
        return
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield


def _compose(overrides: Sequence[str]) -> dict[str, Any]:
    try:
        values = OmegaConf.to_container(compose("run", overrides=list(overrides)), resolve=True)
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _explain(error, overrides) from None
    assert isinstance(values, dict)
    return values  # type: ignore[return-value]


def _explain(error: Exception, overrides: Sequence[str]) -> UsageError:
    """Hydra's error as one line; for an unknown key, with the nearest ones."""
    key = _unknown_key(overrides)
    if key is None:
        todo = "quote each word in the shell; -m runs every combination of values a,b"
        return UsageError(_one_line(error), where=" ".join(overrides), todo=todo)
    return _refused_key(*key)


def _refused_key(key: str, path: str, allowed: list[str], known: list[str]) -> UsageError:
    """The error for a key of which the part below ``path`` is not there."""
    name, _, setting = key.removeprefix(f"{path}.").partition(".")
    if path != "method" or not (setting or name in COMPONENTS.entries):
        return unknown_key(key, allowed, known, path or key)
    preset = presets().get(name)
    if preset is None and name not in COMPONENTS.entries:
        return unknown("component", name, COMPONENTS.entries, where=f"method.{name}")
    own = [
        f"{part}.{each}"
        for part in (preset.stack if preset else ())
        for each in sorted({*shipped_settings(part), *_neutral(part)})
    ]
    return unknown_setting(name, setting, allowed, preset, own)


def _unknown_key(overrides: Sequence[str]) -> tuple[str, str, list[str], list[str]] | None:
    """The first override whose key does not exist.

    Returns:
        the key, how far of it exists, the names that go on from there, and all full keys.
    """
    parser = OverridesParser.create()
    values = _with_groups(overrides)
    if values is None:
        return None
    for text in overrides:
        key = parser.parse_override(text).key_or_group
        node: Any = values
        walked: list[str] = []
        for part in [] if key in GROUPS else key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                allowed = [str(name) for name in node] if isinstance(node, Mapping) else []
                return key, ".".join(walked), allowed, list(leaves(values))
            walked.append(part)
            node = node[part]
    return None


def _with_groups(overrides: Sequence[str]) -> dict[str, Any] | None:
    """The configuration with the choices of ``overrides`` alone; None where they are wrong.

    Of choices that a sweep makes, the first.
    """
    groups = [text for text in overrides if text.lstrip("+").partition("=")[0] in GROUPS]
    try:
        with hydra_session():
            first = next(iter(every_point(groups)), groups)
            values = OmegaConf.to_container(compose("run", overrides=first))
    except (HydraException, OmegaConfBaseException, UsageError):
        return None
    assert isinstance(values, dict)
    return values  # type: ignore[return-value]


def _one_line(error: BaseException) -> str:
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return " ".join(str(cause).split())


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuse unknown groups, choices and keys with the nearest names; load selected plugins."""
    refuse_unsafe(overrides, launcher=False)
    for text in overrides:
        override = parse_word(text)
        if not override.is_delete():
            _check_override(override, overrides)


def _check_override(override: Override, overrides: Sequence[str]) -> None:
    key = override.key_or_group
    group = key.partition(".")[0]
    allowed = GROUPS if "." in key else (*GROUPS, *_top_level())
    if key in GROUPS:
        for choices in _choices(override):
            for choice in choices:
                _check_choice(key, choice)
            _check_twice(choices, override.input_line)
    elif group not in allowed:
        known = leaves(_with_groups(overrides) or {})
        raise unknown_key(key, allowed, known, override.input_line or key)
    elif key in _LEVELS:
        _check_level(key, override)


def _check_level(key: str, override: Override) -> None:
    """Refuse a plain value in place of settings; a mapping or a reference may be meant."""
    given = (override.input_line or "").partition("=")[2]
    if not isinstance(override.value(), dict) and "${" not in given:
        todo = f"did you mean {key}.{_LEVELS[key]}={given}?"
        raise UsageError(f"Expected settings, but got {given}", where=key, todo=todo)


def _check_choice(group: str, choice: str) -> None:
    names = yaml_names(group)
    if choice in names:
        return
    plugins = _without_yaml(group)
    if choice not in plugins:
        raise unknown(group, choice, [*names, *plugins])
    package = f"{group}.{choice}" if group == "method" else group
    ConfigStore.instance().store(
        group=group,
        name=choice,
        package=package,
        node=_plugin_values(group, choice),
        provider="plugin",
    )


def _plugin_values(group: str, choice: str) -> dict[str, Any]:
    """What would be the YAML file of a plugin's entry."""
    if group == "backbone":
        return {"name": choice, "options": {}}
    values = _defaults(PLUGINS[group].load(choice).Config)
    return values if group == "method" else {"kind": choice, **values}


def _without_yaml(group: str) -> list[str]:
    """Names a group takes besides its YAML files: any component, and what plugins add."""
    entries = PLUGINS[group].entries.values() if group in PLUGINS else ()
    return [each.name for each in entries if group == "method" or each.origin != BUILT_IN]


def _defaults(config: type[Any]) -> dict[str, Any]:
    """Neutral values of a plugin's settings; what has none must be set on the command line.

    Plain values rather than a structured config: OmegaConf knows neither Literal nor Annotated,
    and ``parse`` checks types and ranges anyway.
    """
    values = {}
    for each in fields(config):
        default = each.default if each.default_factory is MISSING else each.default_factory()
        values[each.name] = "???" if default is MISSING else plain(default)
    return values


def _check_twice(choices: list[str], where: str | None) -> None:
    known = presets()
    stacks = [known[each].stack if each in known else (each,) for each in choices]
    parts = [part for stack in stacks for part in stack]
    for part in parts:
        if parts.count(part) > 1:
            todo = "name it once; a preset brings its own components"
            raise UsageError(f"'{part}' stands twice in the stack", where=where, todo=todo)


def _choices(override: Override) -> list[list[str]]:
    """The names that an override of a group selects: one list for each value of a sweep."""
    value = override.value()
    if isinstance(value, Glob):
        raise UsageError(
            "Expected names, but got a pattern",
            where=override.input_line,
            todo=f"write them out: {override.key_or_group}=a,b",
        )
    swept = list(override.sweep_iterator()) if override.is_sweep_override() else [value]
    return [
        [str(part) for part in item] if isinstance(item, list) else _names(str(item)) or [""]
        for item in swept
    ]


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.strip("[]").split(",") if part.strip()]


def every_point(overrides: Sequence[str]) -> list[list[str]]:
    """All command lines of a sweep.

    Raises:
        UsageError: there are more than ``MAX_POINTS``.
    """
    parser = OverridesParser.create()
    values = [_values(parser.parse_override(text)) for text in overrides]
    if prod(map(len, values)) > MAX_POINTS:
        raise UsageError(
            f"Expected a sweep of at most {MAX_POINTS:,} runs, but got more",
            where=" ".join(overrides),
            todo="sweep over fewer values at once",
        )
    return [list(point) for point in product(*values)]


def _values(override: Override) -> list[str]:
    """The override once for each value that it sweeps over."""
    text = override.input_line or ""
    if not override.is_sweep_override():
        return [text]
    key = text.partition("=")[0]
    # one more than allowed tells that there are too many
    found = islice(override.sweep_string_iterator(), MAX_POINTS + 1)
    return [f"{key}={value}" for value in found]


@cache
def _top_level() -> tuple[str, ...]:
    """Keys of ``run.yaml`` besides its groups; asked for by each word and each composition."""
    with (config_dir() / "run.yaml").open(encoding="utf-8") as file:
        return tuple(key for key in yaml.safe_load(file) if key not in ("defaults", "hydra"))


def main_job() -> list[str]:
    """The overrides of a bare ``run``."""
    with (config_dir() / "main_job.yaml").open(encoding="utf-8") as file:
        return [str(item) for item in yaml.safe_load(file)]


def quiet_libraries() -> None:
    """Keep libraries from writing to the terminal or reaching for a network."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
