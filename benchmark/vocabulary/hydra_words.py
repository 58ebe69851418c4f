"""Which words reach Hydra: an allow-list, so that no word names code to run or a secret to read.

Hydra instantiates its launcher, sweeper, callbacks and logging by dotted path, reads folders of
configurations, and resolves ``${oc.env:...}``. Of all that, only the choice of a launcher and the
launcher's plain settings are taken; a value may refer to another one, ``${key}``, and no more.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    OverrideType,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException

from benchmark.errors import UsageError, unknown
from benchmark.vocabulary.launchers import LAUNCHERS

LAUNCHER_GROUP, LAUNCHER = "hydra/launcher", "hydra.launcher"
# the parser takes seconds beyond; a list of a thousand counts has 5,000 characters
MAX_LENGTH, MAX_BRACKETS = 10_000, 500
_QUOTE = "quote brackets: 'method=[a,b]'"
_SET = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
# no part begins with an underscore: those are Hydra's own, such as _target_
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*")
_SETTING = re.compile(r"hydra\.launcher(\.[A-Za-z][A-Za-z0-9_-]*)+")
_REFERENCE = re.compile(r"\$\{[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)*\}")
_PLAIN = (str, bool, int, float, QuotedString, type(None))


def parse(text: str) -> Override:
    """One word of the form key=value, +key=value or ~key.

    Raises:
        UsageError: it is none, or longer and deeper than anything that can be meant.
    """
    if len(text) > MAX_LENGTH or sum(map(text.count, "[{(")) > MAX_BRACKETS:
        raise UsageError(
            f"Expected a word of at most {MAX_LENGTH:,} characters and {MAX_BRACKETS} brackets",
            where=text[:60],
        )
    try:
        return OverridesParser.create().parse_override(text)
    except (HydraException, RecursionError):
        todo = _QUOTE if set(text) & set("[{(") else f"such as method={text}"
        raise UsageError("Expected key=value, but got this", where=text, todo=todo) from None


def refuse_unsafe(overrides: Sequence[str], *, launcher: bool = True) -> None:
    """Refuse words by which Hydra would run or read what the suite does not offer.

    Args:
        overrides: words of the command line, of a grid or of a list of jobs.
        launcher: whether a launcher may be chosen; not by words that come from a file.

    Raises:
        UsageError: names the word and what is allowed instead.
    """
    for text in overrides:
        override = parse(text)
        if override.package is not None:
            raise UsageError(
                "Expected a group without a package, but got one",
                where=text,
                todo="leave '@' and what follows it out",
            )
        key = override.key_or_group
        if re.split(r"[./]", key, maxsplit=1)[0] == "hydra":
            _check_launcher(override, text, launcher)
        elif not _KEY.fullmatch(key):
            raise UsageError(
                f"Expected a key of letters, digits, '_' and dots, but got '{key}'",
                where=text,
                todo="see: python -m benchmark show dataset=NAME, recipe=NAME or method=NAME",
            )
        _check_values(override, text)


def _check_launcher(override: Override, text: str, allowed: bool) -> None:
    key, value = override.key_or_group, override.value() if override.type in _SET else None
    if allowed and key == LAUNCHER_GROUP and override.type is OverrideType.CHANGE:
        if isinstance(value, str) and value in LAUNCHERS:
            return
        raise unknown("launcher", text.partition("=")[2], LAUNCHERS, where=text)
    if allowed and _SETTING.fullmatch(key) and override.type in _SET and _is_plain(value):
        return
    todo = (
        f"allowed: {LAUNCHER_GROUP}={'|'.join(LAUNCHERS)} and plain values of {LAUNCHER}.KEY"
        if allowed
        else "choose the launcher on the command line"
    )
    raise UsageError("Expected no setting of Hydra itself, but got one", where=text, todo=todo)


def _is_plain(value: object) -> bool:
    """A scalar, or a list of scalars; a mapping could name a class, and a sweep is no setting."""
    if isinstance(value, list):
        return all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)


def _check_values(override: Override, text: str) -> None:
    # the text as it is parsed: an escape such as $\{ hides from a search of the word itself
    for found in _texts(override._value):
        if "${" in _REFERENCE.sub("", found):
            raise UsageError(
                "Expected a value or a reference such as ${seed}, but got a call of a resolver",
                where=text,
                todo="write the value itself",
            )


def _texts(value: object) -> Iterator[str]:
    """Every text within a parsed value: of lists, mappings and sweeps too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, QuotedString):
        yield value.text
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts([*value.keys(), *value.values()])
    elif isinstance(value, ChoiceSweep):
        yield from _texts(value.list)
    elif isinstance(value, Glob):
        yield from _texts([*value.include, *value.exclude])
    elif not isinstance(value, bool | int | float | Enum | RangeSweep | IntervalSweep | None):
        # a kind of value that a later Hydra adds
        yield str(value)
