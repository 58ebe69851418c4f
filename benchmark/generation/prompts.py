"""What a text-to-image generator is asked for: a template, class names and modifiers.

Modifier sets are frozen, versioned files; nothing is fetched or invented at run time.
"""

import hashlib
import string
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmark.config import parse
from benchmark.errors import IntegrityError, UsageError, unknown
from benchmark.files import content_hash

NO_MODIFIERS = "none"
_FIELDS = ("class", "modifier")


@dataclass(frozen=True, kw_only=True)
class ModifierSet:
    """A versioned list of words that vary a prompt.

    Attributes:
        name: the file's name without its suffix.
        version: raised whenever ``words`` change.
        licence: of the list.
        written_by: who or what wrote the words (a language model is outside knowledge).
        description: what the words are for.
        words: unique modifiers, words or short phrases, in the order in which they are used.
    """

    name: str
    version: int
    licence: str
    written_by: str
    description: str
    words: tuple[str, ...]

    @property
    def hash(self) -> str:
        """Hash of the words and their order."""
        return content_hash(list(self.words))


@dataclass(frozen=True, kw_only=True)
class PromptSpec:
    """How the prompts of a pool are written.

    Attributes:
        template: text with "{class}" and, if there are modifiers, "{modifier}".
        modifiers: words that take turns over the slots of a class; empty for plain prompts.
        modifier_set: name of the set they came from.
        modifier_hash: hash of the set, empty without one.

    Raises:
        UsageError: a template without "{class}", with other fields, or at odds with modifiers.
    """

    template: str = "a photo of {modifier} {class}"
    modifiers: tuple[str, ...] = ()
    modifier_set: str = NO_MODIFIERS
    modifier_hash: str = ""

    def __post_init__(self) -> None:
        fields = _template_fields(self.template)
        for field in fields:
            if field not in _FIELDS:
                raise unknown("field", field, _FIELDS, where=f"template '{self.template}'")
        if "class" not in fields:
            raise _bad_template("{class}", self.template)
        if self.modifiers and "modifier" not in fields:
            raise _bad_template("{modifier}", self.template)

    def identity(self) -> dict[str, Any]:
        """What decides the text of a prompt; hashed into a pool's key."""
        return {"template": self.template, "modifiers": list(self.modifiers)}


def _bad_template(field: str, template: str) -> UsageError:
    return UsageError(
        f"Expected '{field}' in the prompt template, but got '{template}'",
        todo="e.g. 'a photo of {modifier} {class}'",
    )


def _template_fields(template: str) -> list[str]:
    try:
        return [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(
            f"Expected a template with fields in braces, but got '{template}' ({error})"
        ) from error


def prompt_spec(template: str, modifiers: ModifierSet | None = None) -> PromptSpec:
    """The prompts of ``template``, varied by a modifier set if one is given."""
    if modifiers is None:
        return PromptSpec(template=template)
    return PromptSpec(
        template=template,
        modifiers=modifiers.words,
        modifier_set=modifiers.name,
        modifier_hash=modifiers.hash,
    )


def modifier_names(folder: Path) -> list[str]:
    """Names of the modifier sets in ``folder``, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_modifiers(name: str, folder: Path) -> ModifierSet:
    """Read the modifier set ``folder/<name>.yaml``.

    Raises:
        UsageError: no set of that name (the nearest ones are given), or a wrong field.
        IntegrityError: the file is no YAML mapping, or its words repeat or are empty.
    """
    if name not in modifier_names(folder):
        raise unknown("modifier set", name, modifier_names(folder), where=folder.name)
    path = folder / f"{name}.yaml"
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IntegrityError(f"Expected valid YAML, but got {error}", where=path) from error
    if not isinstance(values, dict):
        raise IntegrityError(f"Expected a mapping, but got {type(values).__name__}", where=path)
    loaded = parse(ModifierSet, values, path.name)
    _check_words(loaded, path)
    return loaded


def _check_words(loaded: ModifierSet, path: Path) -> None:
    if loaded.name != path.stem:
        raise IntegrityError(f"Expected name '{path.stem}', but got '{loaded.name}'", where=path)
    clean = [" ".join(word.split()).lower() for word in loaded.words]
    if not clean or not all(clean) or len(set(clean)) < len(clean):
        raise IntegrityError(
            f"Expected unique, non-empty words, but got {list(loaded.words)}", where=path
        )


def _offset(class_name: str, n: int) -> int:
    digest = hashlib.blake2b(class_name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % n


def prompt(spec: PromptSpec, class_name: str, slot: int) -> tuple[str, int | None]:
    """The prompt of image number ``slot`` of a class, and the index of its modifier.

    Modifiers take turns from an offset of the class's own, so in the first n slots of a class any
    two modifiers differ by at most one use.
    """
    if not spec.modifiers:
        return _fill(spec.template, class_name, ""), None
    index = (slot + _offset(class_name, len(spec.modifiers))) % len(spec.modifiers)
    return _fill(spec.template, class_name, spec.modifiers[index]), index


def _fill(template: str, class_name: str, modifier: str) -> str:
    text = template.format_map({"class": class_name, "modifier": modifier})
    return " ".join(text.split())


def clashes(spec: PromptSpec, class_names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Prompts that several classes would share, each with the labels concerned.

    Two classes of one readable name (ImageNet has two cranes) get the same pictures under
    different labels; a caller should warn.
    """
    plain: dict[str, list[int]] = {}
    for label, name in enumerate(class_names):
        plain.setdefault(_fill(spec.template, name, "").lower(), []).append(label)
    return {text: tuple(labels) for text, labels in plain.items() if len(labels) > 1}
