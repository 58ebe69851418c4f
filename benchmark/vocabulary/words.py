"""Words of the command line: flags, names and key=value overrides."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import fields
from functools import cache
from typing import NoReturn

from benchmark.errors import UsageError, unknown

DRY_RUN, ON, WRITE = "--dry-run", "--on", "--write"


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are ours.

    Args:
        verb: the words before the arguments.
        usage: the arguments.
        summary: what the verb does.
        notes: lines that end the help, as they are.
    """

    def __init__(self, verb: str, usage: str, summary: str = "", notes: str = "") -> None:
        plain = argparse.RawDescriptionHelpFormatter if notes else argparse.HelpFormatter
        super().__init__(
            prog=f"python -m benchmark {verb}",
            usage=f"%(prog)s {usage}",
            description=summary,
            epilog=notes or None,
            formatter_class=plain,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Refuse the words; see --help."""
        raise UsageError(message[:1].upper() + message[1:], where=self.prog, todo="see --help")

    def strict(self, args: Sequence[str]) -> argparse.Namespace:
        """Parse all of ``args``; an unknown flag is refused with the nearest ones."""
        found, rest = self.parse_known_args(args)
        for word in rest:
            raise unknown("argument", word, self._option_string_actions, where=self.prog)
        return found

    def overrides(self, args: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """Parse ``args``, keeping words of the form key=value as overrides."""
        words = [word for word in args if "=" in word and not word.startswith("--")]
        return self.strict([word for word in args if word not in words]), words


def take_flag(words: Sequence[str], flag: str, wanted: str, example: str) -> tuple[list[str], str]:
    """The words without ``flag VALUE`` or ``flag=VALUE``, and the value; "" where it is not there.

    Args:
        words: of a command line.
        flag: with its dashes.
        wanted: what the value is, for the error.
        example: a value.

    Raises:
        UsageError: the flag without a value.
    """
    kept, found = list(words), ""
    for word in words:
        name, _, value = word.partition("=")
        if name != flag:
            continue
        at = kept.index(word)
        found = value or next(iter(kept[at + 1 : at + 2]), "")
        if not found:
            raise UsageError(
                f"Expected {wanted}, but got none", where=flag, todo=f"{flag} {example}"
            )
        del kept[at : at + (1 if value else 2)]
    return kept, found


def unknown_flag(
    words: Sequence[str], flag: str, allowed: Iterable[str], keys: Iterable[str], where: str
) -> UsageError:
    """The error for a flag that ``run`` does not take: what it lacks, or what was meant by it.

    Args:
        words: of the command line.
        flag: the one among them, perhaps with "=VALUE".
        allowed: flags that are offered instead.
        keys: settings and groups, which are written without dashes.
        where: the verb.
    """
    name, _, value = flag.partition("=")
    key = name.lstrip("-")
    if name in (ON, WRITE):
        return UsageError(f"{name} needs {DRY_RUN}", where=where, todo=f"add {DRY_RUN}")
    if name.startswith("--") and key.partition(".")[0] in keys:
        after = next(iter(words[words.index(flag) + 1 :]), "")
        given = value or (after if after and "=" not in after and after[0] != "-" else "VALUE")
        todo = f"write it without dashes: {key}={given}"
        return UsageError(f"Unknown flag '{name}'", where=where, todo=todo)
    return unknown("flag", flag, allowed, where=where)


def launcher_words(words: Sequence[str]) -> list[str]:
    """The words that are Hydra's own: they choose and set a launcher, and nothing that is run."""
    return [word for word in words if word.lstrip("+~").startswith("hydra")]


@cache
def plumbing_names() -> frozenset[str]:
    """Keys of the command line that change no number."""
    from benchmark.config import PlumbingConfig

    return frozenset(field.name for field in fields(PlumbingConfig))
