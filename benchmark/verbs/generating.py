"""What `generate` can do with pools that are there: list, show, verify, export, clean up."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from benchmark.errors import BenchError, IntegrityError
from benchmark.generation.cost import GenerationCost
from benchmark.generation.exporting import Exported, Format, export
from benchmark.generation.plan import PlanRow
from benchmark.generation.quality.pictures import write_modifiers
from benchmark.generation.stored import (
    StoredPool,
    pool_folder,
    pool_folders,
    read_pool,
    readable,
)
from benchmark.generation.verify import Verified, orphan_files, verify
from benchmark.paths import cache_root
from benchmark.system.console import duration
from benchmark.vocabulary.listing import bold, table

LOCKS, COLLECTIONS = "claims", "collections"


def listing(width: int | None) -> str:
    """One line a pool: key, data set, generator, supply, images, network calls."""
    rows: list[tuple[str, ...]] = [("pool", "data set", "generator", "supply", "images", "calls")]
    for folder, found in readable(pool_folders()):
        rows.append(_line(found) if isinstance(found, StoredPool) else _broken(folder, found))
    if len(rows) == 1:
        return "no pools yet; draw one: python -m benchmark generate"
    return "\n".join(table(rows, width))


def _line(pool: StoredPool) -> tuple[str, ...]:
    spec = pool.spec
    total = sum(row.calls for row in pool.rows)
    images = f"{len(pool.accepted):,} of {len(pool.plan):,}"
    return spec.key, spec.dataset, _generator(spec.generator), _supply(pool), images, f"{total:,}"


def _broken(folder: Path, error: BenchError) -> tuple[str, ...]:
    return folder.name, "cannot be read", error.problem, "", "", ""


def _generator(values: Any) -> str:
    steps, guidance = values.get("steps", "?"), values.get("guidance", "?")
    name = values.get("scheduler", values.get("kind", "?"))
    return f"{str(values.get('weights', '?'))[:6]} {name} {steps} steps, guidance {guidance}"


def _supply(pool: StoredPool) -> str:
    guides = pool.spec.guides
    kind = f"{guides.pairing} {'/'.join(map(str, guides.strengths))}" if guides else "text"
    return f"{kind}, fitted" if pool.spec.fit else kind


def has_collections() -> bool:
    """Whether any images of others are stored."""
    return bool(_collection_keys())


def collection_key(key: str) -> str | None:
    """The only stored collection whose key begins so; None if there is none or several."""
    found = [name for name in _collection_keys() if key and name.startswith(key)]
    return found[0] if len(found) == 1 else None


def _collection_keys() -> list[str]:
    return sorted(
        path.parent.name for path in (cache_root() / COLLECTIONS).glob("*/collection.json")
    )


def show(key: str, width: int | None) -> str:
    """A pool in full: its specification, its classes, and what it took."""
    pool = read_pool(pool_folder(key))
    cost = pool.ledger.cost(pool.plan)
    lines = [f"{bold('pool')} {pool.spec.key}  {pool.folder}", ""]
    lines += table([(name, _text(value)) for name, value in _facts(pool)], width, wrap=True)
    lines += ["", bold("classes"), *table(list(_classes(pool)), width)]
    lines += ["", bold("cost"), *table(list(_cost(cost)), width, wrap=True)]
    return "\n".join(lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _facts(pool: StoredPool) -> Iterator[tuple[str, Any]]:
    for name, value in pool.spec.identity.items():
        if name not in ("classes", "schema", "class_modifiers", "names"):
            yield name, value


def _classes(pool: StoredPool) -> Iterator[tuple[str, ...]]:
    drawn = [0] * pool.spec.n_classes
    for label, _ in pool.accepted:
        drawn[label] += 1
    yield "class", "drawn", "planned"
    for name, have, planned in zip(pool.spec.classes, drawn, pool.counts, strict=True):
        if planned:
            yield name, f"{have:,}", f"{planned:,}"


def _cost(cost: GenerationCost) -> Iterator[tuple[str, str]]:
    each = cost.device_seconds / max(cost.candidates, 1)
    yield "images", f"{cost.accepted:,} accepted, {cost.rejected:,} rejected, {cost.failed:,} lost"
    calls = f"{cost.network_calls_measured:,} measured, {cost.network_calls_predicted:,} predicted"
    yield "network calls", calls
    yield "device", f"{cost.device or '-'}, {cost.dtype or '-'}"
    yield "seconds", f"{duration(cost.device_seconds)}, {each:.4f} s an image"
    yield "FLOPs", f"{cost.flops:.3g}"
    yield "knowledge", ", ".join(cost.knowledge) or "-"


@dataclass(frozen=True)
class Checked:
    """A pool that was verified."""

    key: str
    found: Verified

    def __str__(self) -> str:
        found = self.found
        state = "sound" if not found.problems else f"{len(found.problems)} problems"
        extra = f"; {found.orphans} files without a row (generate gc)" if found.orphans else ""
        return f"{self.key}: {found.accepted:,} of {found.planned:,} images, {state}{extra}"


def verify_pools(key: str | None, *, files: bool, progress: bool) -> list[Checked]:
    """Verify one pool, or all of them where ``key`` is None.

    Raises:
        IntegrityError: a pool cannot even be read.
    """
    folders = [pool_folder(key)] if key else pool_folders()
    pools = (read_pool(folder) for folder in folders)
    return [Checked(pool.spec.key, verify(pool, files=files, progress=progress)) for pool in pools]


def refuse_problems(checked: Sequence[Checked]) -> None:
    """End with an error if a pool has problems.

    Raises:
        IntegrityError: it has.
    """
    bad = [each.key for each in checked if each.found.problems]
    if bad:
        raise IntegrityError(
            f"Expected sound pools, but got problems in {', '.join(bad)}",
            where="generate verify",
            todo="draw again: missing and altered images are replaced",
        )


def export_pool(key: str, folder: Path, form: Format | None, *, progress: bool) -> Exported:
    """Export one pool; see ``exporting.export``."""
    return export(read_pool(pool_folder(key)), folder, form, progress=progress)


def write_modifier_sheet(key: str, out: Path | None) -> Path:
    """Write a sheet with a row for each class and a column for each modifier; returns its path."""
    pool = read_pool(pool_folder(key))
    classes: dict[str, dict[str, Image.Image]] = {}
    for row in pool.plan:
        done = pool.accepted.get((row.label, row.slot))
        title = _modifier(pool, row)
        if done is not None and title not in classes.setdefault(row.class_name, {}):
            with Image.open(pool.pool.image_path(done), formats=["PNG"]) as image:
                classes[row.class_name][title] = image.convert("RGB")
    path = out or pool.folder / "modifier_sheet.png"
    write_modifiers(path, classes)
    return path


def _modifier(pool: StoredPool, row: PlanRow) -> str:
    words = pool.spec.prompts.words(row.class_name)
    return words[row.modifier_id] if row.modifier_id is not None else "(none)"


def debris() -> list[Path]:
    """Files that no pool needs: images without a row, temporary files, locks that nobody holds."""
    found: list[Path] = []
    for _, pool in readable(pool_folders()):
        if isinstance(pool, StoredPool):
            found += orphan_files(pool)
            found += [path for path in pool.folder.rglob(".*.tmp") if path not in found]
            found += sorted((pool.folder / LOCKS).glob("*.lock"))
    return found


def clean(paths: Sequence[Path]) -> int:
    """Delete files; returns the bytes freed."""
    freed = 0
    for path in paths:
        freed += path.stat().st_size
        path.unlink()
    return freed
