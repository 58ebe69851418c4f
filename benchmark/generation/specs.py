"""The spec of a pool in its folder, so that a pool can be read without its generator."""

from pathlib import Path
from typing import Any

from benchmark.errors import IntegrityError
from benchmark.generation.guides import GuideSet
from benchmark.generation.plan import PoolSpec
from benchmark.generation.prompts import PromptSpec
from benchmark.generation.sources import Guides
from benchmark.system.files import read_json, write_json

SPEC, GUIDES = "pool.json", "guides.json"
_PROMPTS = ("template", "modifiers", "class_modifiers")


def spec_values(spec: PoolSpec) -> dict[str, Any]:
    """The JSON values of ``pool.json``."""
    return {"key": spec.key, **spec.identity}


def write_spec(folder: Path, spec: PoolSpec) -> None:
    """Write ``pool.json``, and before it the guide rows where there are any."""
    if spec.guide_rows is not None:
        rows = {"labels": list(spec.guide_rows.labels), "sha256": list(spec.guide_rows.hashes)}
        write_json(folder / GUIDES, rows)
    write_json(folder / SPEC, spec_values(spec))


def read_spec(folder: Path, calls: tuple[int, ...] = (0,)) -> PoolSpec:
    """The spec of a stored pool; its key is computed again and compared.

    Args:
        folder: of the pool.
        calls: network calls of an image, which a spec does not store.

    Raises:
        IntegrityError: ``pool.json`` is no pool's, or was edited.
    """
    path = folder / SPEC
    values = read_json(path)
    try:
        spec = _spec(folder, dict(values), calls)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"Expected a pool, but got {error!r}", where=path) from error
    if spec_values(spec) != values:
        raise IntegrityError(
            f"Expected the pool {values.get('key')}, but its content gives the key {spec.key}",
            where=path,
            todo="move the folder away; it was edited or made by another version",
        )
    return spec


def _spec(folder: Path, values: dict[str, Any], calls: tuple[int, ...]) -> PoolSpec:
    prompts = {name: values[name] for name in _PROMPTS if name in values}
    guides = values.get("guides")
    return PoolSpec(
        dataset=values["dataset"],
        classes=tuple(values["classes"]),
        generator=values["generator"],
        prompts=PromptSpec(**{name: _frozen(item) for name, item in prompts.items()}),
        pool_seed=values["pool_seed"],
        calls=calls,
        guides=_guides(guides) if guides else None,
        guide_rows=_guide_rows(folder) if guides else None,
        fit=values.get("fit"),
        names=tuple(values.get("names", ())),
    )


def _frozen(item: Any) -> Any:
    if isinstance(item, dict):
        return {name: tuple(words) for name, words in item.items()}
    return tuple(item) if isinstance(item, list) else item


def _guides(values: dict[str, Any]) -> Guides:
    strengths = tuple(values["strengths"])
    return Guides(pairing=values["pairing"], strengths=strengths, over=values["over"])


def _guide_rows(folder: Path) -> GuideSet:
    rows = read_json(folder / GUIDES)
    return GuideSet(tuple(rows["labels"]), tuple(rows["sha256"]))
