"""What a text-to-image generator is asked for: a template, class names and modifiers.

Modifier sets are frozen, versioned files; nothing is fetched or invented at run time.
"""

import hashlib
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.config import parse
from benchmark.errors import IntegrityError, UsageError, nearest, unknown
from benchmark.generation.modifiers import ModifierSet
from benchmark.system.yaml_text import read_yaml

NO_MODIFIERS = "none"
_FIELDS = ("class", "modifier")


@dataclass(frozen=True, kw_only=True)
class PromptSpec:
    """How the prompts of a pool are written.

    Attributes:
        template: text with "{class}" and, if there are modifiers, "{modifier}".
        modifiers: words that take turns over the slots of a class; empty for plain prompts.
        modifier_set: name of the set they came from.
        modifier_hash: hash of the set, empty without one.
        class_modifiers: words of single classes, which take the place of ``modifiers``.
        knowledge: outside knowledge in the words, as tags; in no hash.

    Raises:
        UsageError: a template without "{class}", with other fields, or at odds with modifiers.
    """

    template: str = "a photo of {modifier} {class}"
    modifiers: tuple[str, ...] = ()
    modifier_set: str = NO_MODIFIERS
    modifier_hash: str = ""
    class_modifiers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    knowledge: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields = _template_fields(self.template)
        for name in fields:
            if name not in _FIELDS:
                raise unknown("field", name, _FIELDS, where=f"template '{self.template}'")
        if "class" not in fields:
            raise _bad_template("class", self.template)
        if (self.modifiers or self.class_modifiers) and "modifier" not in fields:
            raise _bad_template("modifier", self.template)

    def identity(self) -> dict[str, Any]:
        """What decides the prompts, as JSON values; part of a pool's key."""
        found: dict[str, Any] = {"template": self.template, "modifiers": list(self.modifiers)}
        if self.class_modifiers:
            found["class_modifiers"] = {
                name: list(words) for name, words in self.class_modifiers.items()
            }
        return found

    def words(self, class_name: str) -> tuple[str, ...]:
        """The modifiers of a class: its own, or the general ones.

        Raises:
            UsageError: other classes have words, but this one has not.
        """
        if self.class_modifiers and not self.modifiers and class_name not in self.class_modifiers:
            raise unknown("class", class_name, self.class_modifiers, where=self.modifier_set)
        return self.class_modifiers.get(class_name, self.modifiers)


def _bad_template(name: str, template: str) -> UsageError:
    return UsageError(
        f"Expected '{{{name}}}' in the prompt template, but got '{template}'",
        todo="e.g. 'a photo of {modifier} {class}'",
    )


def _template_fields(template: str) -> list[str]:
    try:
        fields = [each for each in string.Formatter().parse(template) if each[1] is not None]
        if any(spec or conversion for _, _, spec, conversion in fields):
            raise ValueError("a width or a conversion")
        return [str(name) for _, name, _, _ in fields]
    except ValueError as error:
        raise UsageError(
            f"Expected a template with fields in braces, but got '{template}' ({error})"
        ) from error


def prompt_spec(
    template: str,
    modifiers: ModifierSet | None = None,
    classes: Sequence[str] | None = None,
    limit: int | None = None,
) -> PromptSpec:
    """The prompts of ``template``, varied by a modifier set if one is given.

    Args:
        template: text with "{class}" and, for a set, "{modifier}".
        modifiers: the set; None for plain prompts.
        classes: readable names of the data set's classes, which the set must cover; None takes
            all classes of the set.
        limit: use only the first ``limit`` words (of each class); None for all.

    Raises:
        UsageError: a class has no words, or ``limit`` is not between 1 and the number of words.
    """
    if modifiers is None:
        return PromptSpec(template=template)
    own = modifiers.classes
    if classes is not None:
        _check_covered(modifiers, classes)
        own = {name: own[name] for name in classes if name in own}
    _check_limit(limit, [words for words in (modifiers.words, *own.values()) if words])
    return PromptSpec(
        template=template,
        modifiers=modifiers.words[:limit],
        modifier_set=modifiers.name,
        modifier_hash=modifiers.hash,
        class_modifiers={name: words[:limit] for name, words in own.items()},
        knowledge=modifiers.knowledge,
    )


def _check_covered(modifiers: ModifierSet, classes: Sequence[str]) -> None:
    missing = [name for name in classes if name not in modifiers.classes]
    if not missing or modifiers.words:
        return
    shown = [_with_nearest(name, modifiers.classes) for name in missing[:5]]
    more = " ..." if len(missing) > 5 else ""
    raise UsageError(
        f"Expected modifiers for all {len(classes)} classes, but got none for {len(missing)}: "
        f"{', '.join(shown)}{more}",
        where=f"modifier set {modifiers.name}",
        todo="choose the data set's own set, add the classes, or add general words",
    )


def _with_nearest(name: str, allowed: Iterable[str]) -> str:
    close = nearest(name, allowed)
    return f"'{name}' (nearest: {' or '.join(close)})" if close else f"'{name}'"


def _check_limit(limit: int | None, lists: Sequence[Sequence[str]]) -> None:
    shortest = min(map(len, lists), default=0)
    if limit is not None and not 1 <= limit <= shortest:
        raise UsageError(
            f"Expected a limit from 1 to {shortest}, but got {limit}",
            where="modifiers",
            todo="use the whole set, or modifiers=none for plain prompts",
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
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise IntegrityError(f"Expected a mapping, but got {type(values).__name__}", where=path)
    loaded = parse(ModifierSet, values, path.name)
    _check_words(loaded, path)
    return loaded


def _check_words(loaded: ModifierSet, path: Path) -> None:
    if loaded.name != path.stem:
        raise IntegrityError(f"Expected name '{path.stem}', but got '{loaded.name}'", where=path)
    general = {} if loaded.classes and not loaded.words else {"words": loaded.words}
    for name, words in {**loaded.classes, **general}.items():
        clean = [" ".join(word.split()).lower() for word in words]
        if not clean or not all(clean) or len(set(clean)) < len(clean):
            raise IntegrityError(
                f"Expected unique, non-empty words, but got {list(words)}", where=f"{path}: {name}"
            )


def _offset(class_name: str, n: int) -> int:
    digest = hashlib.blake2b(class_name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % n


def prompt(
    spec: PromptSpec, class_name: str, slot: int, shown: str | None = None
) -> tuple[str, int | None]:
    """The prompt of image number ``slot`` of a class, and the index of its modifier.

    Modifiers take turns from an offset of the class's own, so in the first n slots of a class any
    two modifiers differ by at most one use.

    Args:
        spec: how prompts are written.
        class_name: readable name, which decides the words and their order.
        slot: number of the image within its class, from 0.
        shown: name to write instead, e.g. a token that a fitted generator learnt.
    """
    words, name = spec.words(class_name), class_name if shown is None else shown
    if not words:
        return fill(spec.template, name, ""), None
    index = (slot + _offset(class_name, len(words))) % len(words)
    return fill(spec.template, name, words[index]), index


def fill(template: str, class_name: str, modifier: str) -> str:
    """The text of a prompt, with single spaces where there is no modifier."""
    text = template.format_map({"class": class_name, "modifier": modifier})
    return " ".join(text.split())


def clashes(spec: PromptSpec, class_names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Prompts that several classes would share, each with the labels concerned.

    Two classes of one readable name (ImageNet has two cranes) get the same pictures under
    different labels; a caller should warn. They are listed once, under their plain prompt; what
    only a modifier makes the same ("old oak" + "tree", "old" + "oak tree") is listed by itself.
    """
    plain = _shared([{fill(spec.template, name, "")} for name in class_names])
    same = [set(labels) for labels in plain.values()]
    varied = _shared([_prompts(spec, name) for name in class_names])
    return plain | {
        text: labels
        for text, labels in varied.items()
        if not any(group.issuperset(labels) for group in same)
    }


def _prompts(spec: PromptSpec, class_name: str) -> set[str]:
    return {fill(spec.template, class_name, word) for word in spec.words(class_name) or ("",)}


def _shared(texts: Iterable[Iterable[str]]) -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for label, own in enumerate(texts):
        for text in sorted({each.lower() for each in own}):
            found.setdefault(text, []).append(label)
    return {text: tuple(labels) for text, labels in found.items() if len(labels) > 1}
