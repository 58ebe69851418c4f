"""Which key was meant: found by its last name wherever it stands in the composed configuration."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from benchmark.errors import UsageError, nearest, unknown
from benchmark.vocabulary.presets import Preset

# what other projects call a setting of ours
_KNOWN_AS = {
    "epochs": "recipe.steps.amount",
    "iterations": "recipe.steps.amount",
    "steps": "recipe.steps.amount",
    "optimizer": "recipe.optimizer.name",
    "bs": "recipe.batch_size",
    "if": "dataset.imbalance",
    "imb": "dataset.imbalance",
    "imb_factor": "dataset.imbalance",
    "imbalance_factor": "dataset.imbalance",
}
_LENGTHS = ("epochs", "iterations")
_BESIDE = "with -m: run -m ... --dry-run --write jobs.jsonl, then work jobs.jsonl"
# words that are not of one run
_OF_A_GRID = {
    "workers": f"{_BESIDE} --workers N",
    "shard": f"{_BESIDE} --shard I/N",
    "seeds": "with -m: run -m ... 'seed=range(3)'",
    "rows": "name a grid: run grid=table1 rows=NAME",
    "columns": "name a grid: run grid=matrix columns=NAME",
}


def leaves(values: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """The full key of every value that holds no further keys."""
    for name, value in values.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield from leaves(value, key)
        else:
            yield key


def elsewhere(key: str, known: Iterable[str]) -> list[str]:
    """Full keys that end as ``key`` does; where its group has some, those of its group.

    The group may be misspelt.
    """
    group, dot, _ = key.partition(".")
    name = key.rpartition(".")[2]
    options = list(known)
    ending = [each for each in options if each.endswith(f".{key}")]
    named = ending or [each for each in options if each.rpartition(".")[2] == name]
    found = sorted({*named, *([_KNOWN_AS[name]] if name in _KNOWN_AS else [])})
    groups = nearest(group, {each.partition(".")[0] for each in found}, limit=1) if dot else []
    inside = [each for each in found if each.partition(".")[0] in groups]
    return inside or found


def unknown_key(key: str, siblings: Sequence[str], known: Iterable[str], where: str) -> UsageError:
    """The error for a key that is not there: where else it stands, or the nearest names.

    Args:
        key: all of it.
        siblings: keys of the level that it was looked for at.
        known: the full keys of all values.
        where: the word or the level.
    """
    name = key.rpartition(".")[2]
    if key in _OF_A_GRID:
        return UsageError(f"'{key}' goes with grid=NAME", where=where, todo=_OF_A_GRID[key])
    # a whole word is compared whole, the last part of a key with what stands beside it
    shown = key if where.partition("=")[0].lstrip("+~") == key else name
    found = elsewhere(key, known)
    if not found:
        return unknown("key", shown, siblings or ["(none: it takes no settings)"], where=where)
    unit = f", with recipe.steps.unit={name}" if name in _LENGTHS else ""
    todo = f"did you mean {' or '.join(found[:3])}{unit}?"
    return UsageError(f"Unknown key '{shown}'", where=where, todo=todo)


def unknown_setting(
    name: str, setting: str, stack: Sequence[str], preset: Preset | None, own: Iterable[str]
) -> UsageError:
    """The error for a setting of what is no component in the method's stack.

    Args:
        name: what was set, ``method.NAME.SETTING``.
        setting: of it.
        stack: names of the method's components.
        preset: the named stack called so, if there is one.
        own: the settings of the components of that stack, as "component.key".
    """
    if preset is None:
        return UsageError(
            f"'{name}' is set, but it is not in the method's stack ({', '.join(stack)})",
            where=f"method.{name}",
            todo=f"add it: 'method=[...,{name}]'",
        )
    keys = list(own)
    exact = [key for key in keys if key.partition(".")[2] == setting]
    alike = nearest(setting, {key.partition(".")[2] for key in keys}, limit=1)
    close = exact or [key for key in keys if key.partition(".")[2] in alike]
    wanted = [f"method.{key}=..." for key in close or [f"{part}.KEY" for part in preset.stack]]
    chosen = "" if set(preset.stack) <= set(stack) else f"choose method={name} and "
    return UsageError(
        f"'{name}' is a preset of {' and '.join(preset.stack)}, without settings of its own",
        where=f"method.{name}",
        todo=f"{chosen}set {' or '.join(wanted)}",
    )
