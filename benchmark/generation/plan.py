"""Every intended image, written down before one is drawn.

A pool is identified by what its images look like, not by how many there are: the counts of a
budget are left out of its key, so a larger budget extends the pool of a smaller one.
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import IntegrityError, UsageError
from benchmark.files import canonical_json, content_hash, write_text
from benchmark.generation.generator import Generator
from benchmark.generation.prompts import PromptSpec, prompt
from benchmark.generation.seeding import image_seeds

POOL_SCHEMA = 1
_ID_DIGITS = 24


@dataclass(frozen=True, kw_only=True)
class PoolSpec:
    """What decides the images of a pool.

    Attributes:
        dataset: name of the data set whose classes are drawn.
        classes: readable class names, in label order.
        generator: fingerprint of the generator; JSON values.
        prompts: how prompts are written.
        pool_seed: replicates the pool: another seed gives other images.
        predicted_calls: network calls for one image; not part of the key.
    """

    dataset: str
    classes: tuple[str, ...]
    generator: Mapping[str, Any]
    prompts: PromptSpec
    pool_seed: int
    predicted_calls: int = 0

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The JSON value whose hash is the key."""
        return {
            "schema": POOL_SCHEMA,
            "dataset": self.dataset,
            "classes": list(self.classes),
            "generator": dict(self.generator),
            "template": self.prompts.template,
            "modifiers": list(self.prompts.modifiers),
            "pool_seed": self.pool_seed,
        }

    @cached_property
    def key(self) -> str:
        """Content hash, 16 hex digits; the name of the pool's folder."""
        return content_hash(self.identity, 16)

    @cached_property
    def generator_hash(self) -> str:
        """Content hash of the generator's fingerprint."""
        return content_hash(dict(self.generator), 16)


def pool_spec(
    generator: Generator,
    *,
    dataset: str,
    classes: Sequence[str],
    prompts: PromptSpec,
    pool_seed: int,
) -> PoolSpec:
    """The spec of the pool that ``generator`` would draw for a data set."""
    return PoolSpec(
        dataset=dataset,
        classes=tuple(classes),
        generator=generator.fingerprint(),
        prompts=prompts,
        pool_seed=pool_seed,
        predicted_calls=generator.predicted_calls,
    )


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """One intended image.

    Attributes:
        image_id: hash of all that decides the image, 24 hex digits.
        label: class label.
        class_name: readable class name.
        slot: number of the image within its class, from 0.
        attempt: 0, or how many draws for this slot were rejected before.
        seed: 32-bit seed of its noise.
        prompt: what the generator is asked for.
        modifier_id: index of its modifier, or None.
        predicted_calls: network calls it should take.
    """

    image_id: str
    label: int
    class_name: str
    slot: int
    attempt: int
    seed: int
    prompt: str
    modifier_id: int | None
    predicted_calls: int


def check_counts(spec: PoolSpec, counts: Sequence[int]) -> None:
    """Refuse counts that are not one non-negative number a class (UsageError)."""
    if len(counts) != spec.n_classes or min(counts, default=0) < 0:
        raise UsageError(
            f"Expected {spec.n_classes} counts of at least 0, but got {list(counts)}",
            where=f"pool {spec.key}",
        )


def _rows(spec: PoolSpec, labels: Any, slots: Any, attempt: int) -> list[PlanRow]:
    seeds = image_seeds(spec.pool_seed, labels, slots, spec.n_classes, attempt)
    triples = zip(labels.tolist(), slots.tolist(), seeds.tolist(), strict=True)
    return [_row(spec, label, slot, attempt, seed) for label, slot, seed in triples]


def _row(spec: PoolSpec, label: int, slot: int, attempt: int, seed: int) -> PlanRow:
    name = spec.classes[label]
    text, modifier_id = prompt(spec.prompts, name, slot)
    identity = {"generator": spec.generator_hash, "prompt": text, "seed": seed}
    return PlanRow(
        image_id=content_hash(identity, _ID_DIGITS),
        label=label,
        class_name=name,
        slot=slot,
        attempt=attempt,
        seed=seed,
        prompt=text,
        modifier_id=modifier_id,
        predicted_calls=spec.predicted_calls,
    )


def build_plan(spec: PoolSpec, counts: Sequence[int]) -> list[PlanRow]:
    """The first attempts of ``counts[k]`` images of each class k.

    Rows are sorted by slot, then label: the plan of a smaller uniform budget is a prefix of the
    plan of a larger one, and that of any smaller budget a subset.

    Raises:
        UsageError: the counts do not fit the classes.
    """
    check_counts(spec, counts)
    sizes = np.asarray(counts, dtype=np.int64)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    slots = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.lexsort((labels, slots))
    return _rows(spec, labels[order], slots[order], attempt=0)


def retry(spec: PoolSpec, row: PlanRow, attempt: int) -> PlanRow:
    """The row of another attempt at the slot of ``row``: same prompt, another seed."""
    labels, slots = np.asarray([row.label]), np.asarray([row.slot])
    return _rows(spec, labels, slots, attempt)[0]


def write_plan(path: Path, rows: Iterable[PlanRow]) -> None:
    """Write a plan, one JSON object a line, whole or not at all."""
    write_text(path, "".join(canonical_json(dataclasses.asdict(row)) + "\n" for row in rows))


def read_plan(path: Path) -> list[PlanRow]:
    """Read a plan.

    Raises:
        IntegrityError: the file is not a plan.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [PlanRow(**json.loads(line)) for line in lines]
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"Expected a plan of one JSON row a line, but got {error}",
            where=path,
            todo="delete the file; it is written again and no image is lost",
        ) from error


def planned_counts(rows: Iterable[PlanRow], n_classes: int) -> list[int]:
    """How many images of each class a plan holds."""
    counts = [0] * n_classes
    for row in rows:
        counts[row.label] = max(counts[row.label], row.slot + 1)
    return counts
