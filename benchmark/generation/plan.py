"""Every intended image, written down before one is drawn.

A pool is identified by what its images look like, not by how many there are: the counts of a
budget are left out of its key, so a larger budget extends the pool of a smaller one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.errors import IntegrityError, UsageError
from benchmark.generation.generator import Generator
from benchmark.generation.guides import GuideSet, choose
from benchmark.generation.prompts import PromptSpec, prompt
from benchmark.generation.seeding import image_seeds
from benchmark.generation.sources import Guides
from benchmark.generation.typed_rows import row_of
from benchmark.system.files import content_hash, write_atomic

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
        calls: network calls for one image, taking turns over the slots as strengths do; not part
            of the key.
        guides: real images that generated ones start from; None for text-to-image.
        guide_rows: the rows that may guide.
        fit: key of the fit whose adapters are drawn with; None without one.
        names: what prompts call the classes, where a fit brought names of its own.
    """

    dataset: str
    classes: tuple[str, ...]
    generator: Mapping[str, Any]
    prompts: PromptSpec
    pool_seed: int
    calls: tuple[int, ...] = (0,)
    guides: Guides | None = None
    guide_rows: GuideSet | None = None
    fit: str | None = None
    names: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """The JSON value whose hash is the key."""
        values: dict[str, Any] = {
            "schema": POOL_SCHEMA,
            "dataset": self.dataset,
            "classes": list(self.classes),
            "generator": dict(self.generator),
            **self.prompts.identity(),
            "pool_seed": self.pool_seed,
        }
        if self.guides is not None and self.guide_rows is not None:
            values["guides"] = {
                "pairing": self.guides.pairing,
                "strengths": list(self.guides.strengths),
                "over": self.guides.over,
                "rows": self.guide_rows.hash,
            }
        if self.fit is not None:
            values |= {"fit": self.fit, "names": list(self.names)}
        return values

    @cached_property
    def key(self) -> str:
        """Content hash, 16 hex digits; the name of the pool's folder."""
        return content_hash(self.identity, 16)

    @cached_property
    def generator_hash(self) -> str:
        """Content hash of the generator's fingerprint."""
        return content_hash(dict(self.generator), 16)

    def strength(self, slot: int) -> float | None:
        """How far the image of a slot leaves its guide; None without guides."""
        return self.guides.strengths[slot % len(self.guides.strengths)] if self.guides else None


def pool_spec(
    generator: Generator,
    *,
    dataset: str,
    classes: Sequence[str],
    prompts: PromptSpec,
    pool_seed: int,
    guides: Guides | None = None,
    guide_rows: GuideSet | None = None,
    fit: str | None = None,
    names: Sequence[str] = (),
) -> PoolSpec:
    """The spec of the pool that ``generator`` would draw for a data set; see ``PoolSpec``."""
    return PoolSpec(
        dataset=dataset,
        classes=tuple(classes),
        generator=generator.fingerprint(),
        prompts=prompts,
        pool_seed=pool_seed,
        calls=calls_of_slots(generator, guides),
        guides=guides,
        guide_rows=guide_rows,
        fit=fit,
        names=tuple(names),
    )


def calls_of_slots(generator: Generator, guides: Guides | None) -> tuple[int, ...]:
    """Network calls of the images of a class, as they take turns over the slots."""
    strengths = guides.strengths if guides else (None,)
    return tuple(generator.predicted_calls(strength) for strength in strengths)


class PlanRow(NamedTuple):
    """One intended image; a tuple, because there may be millions.

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
        guide: position of its guide among the real training rows, or None.
        guide_label: class of its guide.
        guide_sha256: of the guide's pixels.
        strength: how far it leaves its guide.
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
    guide: int | None = None
    guide_label: int | None = None
    guide_sha256: str | None = None
    strength: float | None = None


def row_values(row: PlanRow) -> dict[str, Any]:
    """The JSON values of a row; what a text-to-image row does not have is left out."""
    values = row._asdict()
    return {key: item for key, item in values.items() if item is not None or key == "modifier_id"}


def check_counts(spec: PoolSpec, counts: Sequence[int]) -> None:
    """Refuse counts that are not one non-negative number a class (UsageError)."""
    if len(counts) != spec.n_classes or min(counts, default=0) < 0:
        raise UsageError(
            f"Expected {spec.n_classes} counts of at least 0, but got {list(counts)}",
            where=f"pool {spec.key}",
        )


def _rows(
    spec: PoolSpec, labels: NDArray[np.int64], slots: NDArray[np.int64], attempt: int
) -> list[PlanRow]:
    seeds = image_seeds(spec.pool_seed, labels, slots, spec.n_classes, attempt).tolist()
    guides = _guides(spec, labels, slots)
    writer = _RowWriter(spec, attempt)
    places = zip(labels.tolist(), slots.tolist(), seeds, guides, strict=True)
    return [writer.row(label, slot, seed, guide) for label, slot, seed, guide in places]


def _guides(
    spec: PoolSpec, labels: NDArray[np.int64], slots: NDArray[np.int64]
) -> Sequence[int | None]:
    if spec.guides is None or spec.guide_rows is None:
        return [None] * len(labels)
    found = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = labels == label
        found[own] = choose(spec.guides, spec.guide_rows, spec.pool_seed, int(label), slots[own])
    return list(found.tolist())


class _RowWriter:
    """Rows of one spec and attempt; a prompt is written once for each class and modifier."""

    def __init__(self, spec: PoolSpec, attempt: int) -> None:
        self.spec, self.attempt = spec, attempt
        self.periods = [max(len(spec.prompts.words(name)), 1) for name in spec.classes]
        self.head = _identity_head(spec)
        self._known: dict[tuple[int, int], tuple[str, int | None, str]] = {}

    def _prompt(self, label: int, slot: int) -> tuple[str, int | None, str]:
        """Prompt, modifier and the prompt as JSON; modifiers take turns, so few differ."""
        place = (label, slot % self.periods[label])
        if place not in self._known:
            shown = self.spec.names[label] if self.spec.names else None
            text, modifier = prompt(self.spec.prompts, self.spec.classes[label], slot, shown)
            self._known[place] = (text, modifier, json.dumps(text))
        return self._known[place]

    def row(self, label: int, slot: int, seed: int, guide: int | None) -> PlanRow:
        spec = self.spec
        text, modifier_id, quoted = self._prompt(label, slot)
        guided: tuple[Any, ...] = ()
        if guide is None or spec.guide_rows is None:
            identity = f'{self.head}"prompt":{quoted},"seed":{seed}}}'
        else:
            digest, strength = spec.guide_rows.hashes[guide], spec.strength(slot)
            guided = (guide, spec.guide_rows.labels[guide], digest, strength)
            identity = (
                f'{self.head}"guide":"{digest}","prompt":{quoted},"seed":{seed},'
                f'"strength":{json.dumps(strength)}}}'
            )
        return PlanRow(
            hashlib.sha256(identity.encode()).hexdigest()[:_ID_DIGITS],
            label,
            spec.classes[label],
            slot,
            self.attempt,
            seed,
            text,
            modifier_id,
            spec.calls[slot % len(spec.calls)],
            *guided,
        )


def image_identity(spec: PoolSpec, row: PlanRow) -> dict[str, Any]:
    """What an image's id is the content hash of; rows are written by an equal, faster rule."""
    identity: dict[str, Any] = {
        "generator": spec.generator_hash,
        "prompt": row.prompt,
        "seed": row.seed,
    }
    if spec.fit is not None:
        identity["fit"] = spec.fit
    if row.guide is not None:
        identity |= {"guide": row.guide_sha256, "strength": row.strength}
    return identity


def _identity_head(spec: PoolSpec) -> str:
    """The canonical JSON of ``image_identity`` up to what differs between rows."""
    fit = f'"fit":"{spec.fit}",' if spec.fit is not None else ""
    return f'{{{fit}"generator":"{spec.generator_hash}",'


def build_plan(spec: PoolSpec, counts: Sequence[int]) -> list[PlanRow]:
    """The first attempts of ``counts[k]`` images of each class k.

    Rows are sorted by slot, then label: the plan of a smaller uniform budget is a prefix of the
    plan of a larger one, and that of any smaller budget a subset.

    Raises:
        UsageError: the counts do not fit the classes, or a class has no guide.
    """
    check_counts(spec, counts)
    sizes = np.asarray(counts, dtype=np.int64)
    labels = np.repeat(np.arange(len(sizes)), sizes)
    slots = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    order = np.lexsort((labels, slots))
    return _rows(spec, labels[order], slots[order], attempt=0)


def retry(spec: PoolSpec, row: PlanRow, attempt: int) -> PlanRow:
    """The row of another attempt at the slot of ``row``: same prompt and guide, another seed."""
    labels, slots = np.asarray([row.label]), np.asarray([row.slot])
    return _rows(spec, labels, slots, attempt)[0]


def write_plan(path: Path, rows: Sequence[PlanRow]) -> None:
    """Write a plan, one JSON object a line, whole or not at all."""
    write_atomic(path, lambda file: file.writelines(_line(row).encode() for row in rows))


_quoted = lru_cache(100_000)(json.dumps)


def _line(row: PlanRow) -> str:
    """One row as JSON; text-to-image rows, of which there may be millions, by a template."""
    if row.guide is not None:
        return json.dumps(row_values(row), separators=(",", ":")) + "\n"
    modifier = "null" if row.modifier_id is None else row.modifier_id
    return (
        f'{{"image_id":"{row.image_id}","label":{row.label},"class_name":{_quoted(row.class_name)},'
        f'"slot":{row.slot},"attempt":{row.attempt},"seed":{row.seed},'
        f'"prompt":{_quoted(row.prompt)},"modifier_id":{modifier},'
        f'"predicted_calls":{row.predicted_calls}}}\n'
    )


def read_plan(path: Path) -> list[PlanRow]:
    """Read a plan.

    Raises:
        IntegrityError: the file is not a plan.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return [row_of(PlanRow, line) for line in file]
    except (ValueError, TypeError) as error:
        raise IntegrityError(
            f"Expected a plan of one JSON row a line, but got {error}",
            where=path,
            todo="delete the file; it is written again and no image is lost",
        ) from error


def planned_counts(rows: Iterable[PlanRow], n_classes: int) -> list[int]:
    """How many images of each class a plan holds.

    Raises:
        IntegrityError: a row of a class that there is not.
    """
    counts = [0] * n_classes
    for row in rows:
        if row.label >= n_classes:
            raise IntegrityError(
                f"Expected a plan of {n_classes} classes, but got label {row.label}",
                todo="delete plan.jsonl; it is written again and no image is lost",
            )
        counts[row.label] = max(counts[row.label], row.slot + 1)
    return counts
