"""Sets of words that vary a prompt, and what makes a usable word: short and naming no class."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from benchmark.system.files import content_hash

MAX_LENGTH = 60
_MARKS = " -'\u2019,"


@dataclass(frozen=True, kw_only=True)
class Source:
    """The language model that answered a modifier set, and what it was asked.

    Attributes:
        model: name that was asked for.
        reported: names under which the endpoint answered, sorted.
        endpoint: its host.
        date: day of the last answer, ISO 8601, UTC.
        query: the question, with "{class}" and "{n}".
        query_hash: hash of question, model, number of words, temperature and seed.
        temperature: as sent.
        seed: as sent.
        answer_hashes: SHA-256 of the accepted answer's text, by class.
    """

    model: str
    reported: tuple[str, ...]
    endpoint: str
    date: str
    query: str
    query_hash: str
    temperature: float
    seed: int
    answer_hashes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ModifierSet:
    """A versioned file of words that vary a prompt.

    Attributes:
        name: the file's name without its suffix.
        version: raised whenever ``words`` or ``classes`` change.
        licence: of the list.
        written_by: who or what wrote the words.
        description: what the words are for.
        words: unique modifiers for any class, in the order in which they are used.
        classes: modifiers of single classes by readable name; they take the place of ``words``.
        knowledge: outside knowledge in the words, as tags ("llm-modifiers").
        source: where they were asked for, of a set that ``prompt_writer`` froze.
    """

    name: str
    version: int
    licence: str
    written_by: str
    description: str
    words: tuple[str, ...] = ()
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    knowledge: tuple[str, ...] = ()
    source: Source | None = field(default=None, hash=False)

    @property
    def hash(self) -> str:
        """Hash of the words and their order."""
        words = list(self.words)
        both = {"words": words, "classes": dict(self.classes)}
        return content_hash(both if self.classes else words)


@cache
def _naming(class_name: str) -> re.Pattern[str]:
    words = re.findall(r"\w+", class_name.lower()) or [re.escape(class_name.lower())]
    return re.compile(r"(?<!\w)" + r"\W+".join(words) + r"(e?s)?(?!\w)")


def names_class(modifier: str, class_name: str) -> bool:
    """Whether a modifier contains the class's name or its plural, as whole words."""
    return bool(_naming(class_name).search(modifier.lower()))


def fault(modifier: object, classes: Iterable[str]) -> str | None:
    """Why a modifier cannot be used, or None.

    Args:
        modifier: from an untrusted answer; anything.
        classes: readable names of the data set's classes, none of which it may contain.
    """
    if not isinstance(modifier, str):
        return "is not a text"
    if not 0 < len(modifier) <= MAX_LENGTH:
        return f"has {len(modifier)} characters instead of 1 to {MAX_LENGTH}"
    if not all(_is_plain(character) for character in modifier):
        return "has other characters than letters, digits, spaces, hyphens, apostrophes, commas"
    if not any(character.isalnum() for character in modifier):
        return "has no letter"
    named = next((name for name in classes if names_class(modifier, name)), None)
    return f"contains the class name '{named}'" if named is not None else None


def _is_plain(character: str) -> bool:
    return character in _MARKS or unicodedata.category(character)[0] in "LMN"
