"""The words of `generate` that say who draws: engine=ray workers=2..16 gpus=0.5."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, get_args

from benchmark.config import parse
from benchmark.errors import UsageError, nearest, unknown
from benchmark.generation.engines import HERE, Engine
from benchmark.generation.scale.array_engine import ArrayEngine, Cluster, Split
from benchmark.generation.scale.ray_engine import RayEngine
from benchmark.system.yaml_text import parse_yaml

ENGINE = "engine"
_SLURM = "slurm."
_COMMON = ("workers", "cpus", "gpus")
_CHOICES = {"cluster": get_args(Cluster), "split": get_args(Split)}
# words of each engine, besides the engine's own name
WORDS: dict[str, tuple[str, ...]] = {
    "here": (),
    "ray": (*_COMMON, "address", "block"),
    "submitit": (*_COMMON, "cluster", "split", "memory", "minutes", "partition"),
}
ALL_WORDS = (ENGINE, *sorted({word for words in WORDS.values() for word in words}))


def split_words(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The overrides of a run, and the words about the engine as text by name."""
    rest: list[str] = []
    own: dict[str, str] = {}
    for word in words:
        key, _, value = word.partition("=")
        if key in ALL_WORDS or key.startswith(_SLURM):
            own[key] = value
        else:
            rest.append(word)
    return rest, own


def engine_of(own: Mapping[str, str]) -> Engine:
    """The engine that the words name; this process without any.

    Raises:
        UsageError: an unknown engine, a word of another engine, or an impossible value.
    """
    given = dict(own)
    name = given.pop(ENGINE, "here")
    if name not in WORDS:
        raise unknown(ENGINE, name, WORDS)
    _check_words(name, given)
    if name == "here":
        return HERE
    values = {key: parse_yaml(text, f"{key}={text}", UsageError) for key, text in given.items()}
    where = f"engine={name}"
    return _ray(values, where) if name == "ray" else _array(values, where)


@contextmanager
def mistyped(words: Sequence[str]) -> Iterator[None]:
    """Words that no configuration knows, with the nearest words about the engine.

    Raises:
        UsageError: whatever was raised inside, or that of a mistyped word.
    """
    try:
        yield
    except UsageError as error:
        for word in words:
            key = word.partition("=")[0]
            if error.problem == f"Unknown key '{key}'" and nearest(key, ALL_WORDS):
                raise unknown("word", key, ALL_WORDS, where=word) from error
        raise


def _check_words(name: str, given: Mapping[str, str]) -> None:
    for key in given:
        fits = key in WORDS[name] or (name == "submitit" and key.startswith(_SLURM))
        if fits:
            continue
        takers = [each for each, words in WORDS.items() if key in words] or ["submitit"]
        raise UsageError(
            f"Expected {key}= with another engine, but got engine={name}",
            where=f"{key}={given[key]}",
            todo=f"add engine={' or engine='.join(takers)}, or leave {key} out",
        )


def _ray(values: dict[str, Any], where: str) -> Engine:
    least, most = _range(values.pop("workers", 1), where)
    engine = parse(RayEngine, {**values, "least": least, "most": most}, where)
    gpus = engine.gpus or 0
    if gpus > 1 and gpus != int(gpus):
        raise UsageError(
            f"Expected whole GPUs, or a share of one such as 0.5, but got gpus={gpus}", where=where
        )
    return engine


def _range(value: Any, where: str) -> tuple[int, int]:
    """4 is 4 to 4; "2..16" is 2 to 16."""
    found = re.fullmatch(r"(\d+)(?:\.\.(\d+))?", str(value))
    least = int(found[1]) if found else 0
    most = int(found[2] or found[1]) if found else 0
    if not 1 <= least <= most:
        raise UsageError(
            f"Expected workers=4 or workers=2..16, but got workers={value}", where=where
        )
    return least, most


def _array(values: dict[str, Any], where: str) -> Engine:
    slurm = {key.removeprefix(_SLURM): value for key, value in values.items() if "." in key}
    plain = {key: value for key, value in values.items() if "." not in key}
    for name, allowed in _CHOICES.items():
        if name in plain and plain[name] not in allowed:
            raise unknown(name, str(plain[name]), allowed, where=where)
    if slurm and plain.get("cluster") != "slurm":
        raise UsageError(f"Expected cluster=slurm with {_SLURM}{next(iter(slurm))}", where=where)
    return parse(ArrayEngine, {**plain, "slurm": slurm}, where)
