"""The search of settings as pure functions: what may be tried, and what is tried.

Settings go by "component.setting". Every method gets the same number of trials, the first with the
settings as configured; a method that has fewer combinations tries all of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from benchmark.component import Component, fills
from benchmark.config import parse
from benchmark.errors import UsageError
from benchmark.seeds import numpy_generator
from benchmark.vocabulary.presets import word

Values = dict[str, Any]
Space = Mapping[str, tuple[Any, ...]]
OWN = ("score_on", "search_trials", "search_on")


def space(
    parts: Sequence[Component], fixed: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, tuple[Any, ...]]:
    """The values that a stack's components declare, checked, in stack order.

    Args:
        parts: the components.
        fixed: by component, the settings that make the stack the method it is: those that a preset
            sets itself. They are not varied.

    Raises:
        UsageError: a component that requests images declares some, or one is not possible.
    """
    return {
        f"{part.name}.{key}": _checked(part, key, values)
        for part in parts
        for key, values in _declared(part).items()
        if key not in (fixed or {}).get(part.name, {})
    }


def _declared(part: Component) -> Space:
    if part.search and fills(part, "request_images"):
        raise UsageError(
            f"'{part.name}' requests images and declares a search space; every trial would draw "
            "images of its own",
            where=f"method.{part.name}",
            todo="take `search` out of the component",
        )
    return part.search


def _checked(part: Component, key: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """The values as the component's settings hold them."""
    where, given = f"method.{part.name}", asdict(part.config)
    found = [getattr(parse(part.Config, given | {key: value}, where), key) for value in values]
    if not found or any(value in found[:place] for place, value in enumerate(found)):
        raise UsageError(
            f"Expected different values to try, but got {tuple(values)}",
            where=f"{where}.{key}",
            todo="correct `search` in the component",
        )
    return tuple(found)


def configured(parts: Sequence[Component], allowed: Space) -> Values:
    """What the stack's settings are now, for every setting that may be varied."""
    configs = {part.name: part.config for part in parts}
    pairs = ((path, path.partition(".")) for path in allowed)
    return {path: getattr(configs[name], key) for path, (name, _, key) in pairs}


def candidates(first: Values, allowed: Space, trials: int, seed: int) -> list[Values]:
    """The settings to try: ``first``, then other combinations, drawn without replacement.

    Their order depends on the seed and the shape of the grid alone, so a larger number of trials
    only adds some at the end.

    Args:
        first: the settings as configured, which need not be among ``allowed``.
        allowed: values of each setting; all combinations may be tried.
        trials: settings to try, ``first`` included, at least 1.
        seed: of the run.

    Returns:
        ``trials`` different settings, or all there are if they are fewer.
    """
    size = math.prod(len(values) for values in allowed.values())
    order = numpy_generator(seed, "search").permutation(size)
    others = (each for each in _combinations(allowed, order) if each != first)
    return [first, *islice(others, trials - 1)]


def _combinations(allowed: Space, places: Sequence[int] | np.ndarray) -> Iterator[Values]:
    """The combinations at ``places``, counted with the last setting changing fastest."""
    for place in places:
        rest, found = int(place), []
        for path, values in reversed(list(allowed.items())):
            rest, at = divmod(rest, len(values))
            found.append((path, values[at]))
        yield dict(reversed(found))


def words(overrides: Sequence[str], changes: Values, on: str) -> tuple[str, ...]:
    """The command line of a trial.

    Args:
        overrides: the words of the experiment that searches.
        changes: the settings in which the trial differs from it.
        on: the rows that are scored.
    """
    own = {*OWN, *(f"method.{path}" for path in changes)}
    kept = [text for text in overrides if text.lstrip("+").partition("=")[0] not in own]
    changed = [f"method.{path}={word(value)}" for path, value in changes.items()]
    return (*kept, *changed, f"score_on={on}")


def note(trials: int, on: str) -> str:
    """How a label says that settings were searched."""
    return f"search {trials} on {on}" if trials else ""
