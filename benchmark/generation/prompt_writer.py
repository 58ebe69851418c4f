"""Modifiers asked of a language model once, checked, and frozen in a versioned file."""

import hashlib
import json
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmark.config import NonNegativeFloat, NonNegativeInt, PositiveInt, parse
from benchmark.errors import DataError, UsageError, unknown
from benchmark.generation.chat import Answer, Endpoint, ask
from benchmark.generation.modifiers import ModifierSet, Source, fault
from benchmark.generation.prompts import load_modifiers
from benchmark.system.files import content_hash, read_json, write_json, write_text

QUERY = (
    'Give {n} different modifiers for pictures of "{class}", to be used in "a photo of MODIFIER '
    '{class}": visible properties such as colour, age, material, pose, part, setting, weather, '
    "light or viewpoint, one to four words each, none naming another object, a person or a place. "
    "Do not repeat the name itself. Answer with a JSON list of {n} strings and nothing else."
)
KNOWLEDGE = "llm-modifiers"
ASKED = 3
_FIELDS = ("class", "n")
_ECHOED = 4_000


@dataclass(frozen=True, kw_only=True)
class PromptQuery:
    """What is asked, of whom, and how the file describes itself.

    Attributes:
        endpoint: where the model answers.
        n: modifiers a class.
        query: the question, with "{class}" and "{n}".
        temperature: as sent.
        seed: as sent; few endpoints are exactly repeatable, so the answers are frozen.
        version: of the modifier set.
        licence: of the words, by the terms of whoever runs the model.
        description: what the words are for.

    Raises:
        UsageError: a question without "{class}" or with other fields.
    """

    endpoint: Endpoint
    n: PositiveInt = 12
    query: str = QUERY
    temperature: NonNegativeFloat = 0.7
    seed: NonNegativeInt = 0
    version: PositiveInt = 1
    licence: str = "not stated"
    description: str = "Modifiers of single classes, written by a language model."

    def __post_init__(self) -> None:
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(self.query) if name]
        except ValueError as error:
            raise UsageError(
                f"Expected a question with fields in braces, but got {error}", where="query"
            ) from error
        for name in fields:
            if name not in _FIELDS:
                raise unknown("field", name, _FIELDS, where="query")
        if "class" not in fields:
            raise UsageError(
                f"Expected '{{class}}' in the question, but got '{self.query}'",
                where="query",
                todo="e.g. 'Give {n} modifiers of {class} as a JSON list of strings.'",
            )

    @property
    def hash(self) -> str:
        """Hash of what decides an answer."""
        own = (self.query, self.endpoint.model, self.n, self.temperature, self.seed)
        names = ("query", "model", "n", "temperature", "seed")
        return content_hash(dict(zip(names, own, strict=True)))


@dataclass(frozen=True, kw_only=True)
class ClassWords:
    """The accepted words of one class, the SHA-256 of the answer, and who gave it."""

    words: tuple[str, ...]
    answer_hash: str
    model: str


@dataclass(frozen=True, kw_only=True)
class Partial:
    """What a started file holds beside it.

    Attributes:
        query_hash: of the question; another question starts another file.
        finished: accepted words by class.
        failed: by class, why the last answer was refused; asked again by the next call.
    """

    query_hash: str
    finished: dict[str, ClassWords] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def write_prompts(config: PromptQuery, classes: Sequence[str], path: Path) -> ModifierSet:
    """Ask for modifiers of every class and freeze them in ``path``.

    Classes that are done stay in ``<path>.part.json``, so a stopped call goes on where it was. A
    file that answers the same question for the same classes is read, and nothing is asked.

    Args:
        config: what is asked of whom.
        classes: readable names; a name that occurs twice is asked once.
        path: the modifier set to write, NAME.yaml.

    Raises:
        UsageError: another set stands in ``path``, or the key is missing or refused.
        DataError: the endpoint cannot be used, or gave no usable words for some classes.
        StorageError: the file cannot be written.
    """
    names = list(dict.fromkeys(classes))
    if path.exists():
        return _frozen(config, names, path)
    _check_request(names, path)
    part = Path(f"{path}.part.json")
    state = _resume(config, part)
    for name in names:
        if name not in state.finished:
            _ask_into(state, config, name, names)
            write_json(part, asdict(state))
    _check_complete(state, names, part)
    write_text(path, _file_text(config, path.stem, {name: state.finished[name] for name in names}))
    loaded = load_modifiers(path.stem, path.parent)
    part.unlink(missing_ok=True)
    return loaded


def _check_request(names: Sequence[str], path: Path) -> None:
    if path.suffix != ".yaml":
        raise UsageError(
            f"Expected a file name that ends in .yaml, but got '{path.name}'", where="path"
        )
    if not names:
        raise UsageError("Expected at least one class, but got none", where="classes")


def _frozen(config: PromptQuery, names: Sequence[str], path: Path) -> ModifierSet:
    found = load_modifiers(path.stem, path.parent)
    same = found.source is not None and found.source.query_hash == config.hash
    if not same or list(found.classes) != list(names):
        raise UsageError(
            "Expected no file or one of the same question and classes, but got another set",
            where=path,
            todo="sets are frozen: choose another name",
        )
    return found


def _resume(config: PromptQuery, part: Path) -> Partial:
    if not part.exists():
        return Partial(query_hash=config.hash)
    state = parse(Partial, read_json(part), part.name)
    if state.query_hash != config.hash:
        raise UsageError(
            f"Expected answers to question {config.hash}, but got those to {state.query_hash}",
            where=part,
            todo="restore the question, model and settings, or delete the file",
        )
    return state


def _ask_into(state: Partial, config: PromptQuery, name: str, names: Sequence[str]) -> None:
    """Ask for one class, up to three times with the reason, and note how it went."""
    question = config.query.format_map({"class": name, "n": config.n})
    messages = [{"role": "user", "content": question}]
    settings = {"temperature": config.temperature, "seed": config.seed}
    for _ in range(ASKED):
        answer = ask(config.endpoint, messages, settings)
        words, reason = accepted(answer.text, config.n, names)
        if not reason:
            state.finished[name] = _class_words(words, answer)
            state.failed.pop(name, None)
            return
        state.failed[name] = reason
        again = f"That cannot be used: {reason}. Answer with a JSON list of {config.n} strings."
        messages = [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer.text[:_ECHOED]},
            {"role": "user", "content": again},
        ]


def _class_words(words: tuple[str, ...], answer: Answer) -> ClassWords:
    digest = hashlib.sha256(answer.text.encode()).hexdigest()
    return ClassWords(words=words, answer_hash=digest, model=answer.model)


def accepted(text: str, n: int, classes: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The first ``n`` usable modifiers of an untrusted answer, and why there are not enough.

    Args:
        text: a JSON list of strings, possibly with other text around it.
        n: how many are needed.
        classes: readable names of the data set's classes, none of which a modifier may contain.

    Returns:
        The words and "", or no words and the reason.
    """
    try:
        found = json.loads(text[text.index("[") : text.rindex("]") + 1])
    except (ValueError, RecursionError):
        return (), "it is not a JSON list"
    words: dict[str, str] = {}
    refused = []
    for item in found:
        problem = fault(item, classes)
        if problem is None:
            clean = " ".join(str(item).split())
            words.setdefault(clean.lower(), clean)
        else:
            shown = ascii(item[:60]) if isinstance(item, str) else type(item).__name__
            refused.append(f"{shown} {problem}")
    if len(words) >= n:
        return tuple(words.values())[:n], ""
    return (), "; ".join([f"it has {len(words)} usable different strings", *refused[:5]])


def _check_complete(state: Partial, names: Sequence[str], part: Path) -> None:
    missing = [name for name in names if name not in state.finished]
    if missing:
        shown = "; ".join(f"{name}: {state.failed[name][:200]}" for name in missing[:3])
        raise DataError(
            f"Expected usable modifiers of {len(names)} classes, but got none for "
            f"{len(missing)}: {shown}" + (" ..." if len(missing) > 3 else ""),
            where=part,
            todo="run again to ask for these only, or change the question or the model",
        )


def _file_text(config: PromptQuery, name: str, found: dict[str, ClassWords]) -> str:
    head = f"# {config.n} modifiers for each of {len(found)} classes, answered by "
    lines = [head + ascii(config.endpoint.model)]
    return "\n".join([*lines, *_yaml_lines(_values(config, name, found))])


def _values(config: PromptQuery, name: str, found: dict[str, ClassWords]) -> dict[str, Any]:
    source = Source(
        model=config.endpoint.model,
        reported=tuple(sorted({each.model for each in found.values() if each.model})),
        endpoint=config.endpoint.host,
        date=datetime.now(UTC).date().isoformat(),
        query=config.query,
        query_hash=config.hash,
        temperature=config.temperature,
        seed=config.seed,
        answer_hashes={label: each.answer_hash for label, each in found.items()},
    )
    return {
        "name": name,
        "version": config.version,
        "licence": config.licence,
        "written_by": f"the language model {config.endpoint.model}, unedited",
        "knowledge": [KNOWLEDGE],
        "description": config.description,
        "source": {**asdict(source), "reported": list(source.reported)},
        "classes": {label: list(each.words) for label, each in found.items()},
    }


def _yaml_lines(values: dict[str, Any]) -> Iterator[str]:
    # lists in one line each, so that a class is a line
    yield yaml.safe_dump(
        values, default_flow_style=None, sort_keys=False, allow_unicode=True, width=100_000
    )
