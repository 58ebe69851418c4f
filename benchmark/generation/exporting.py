"""A pool's images for other tools: class folders with metadata, or numbered tar files."""

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import UsageError
from benchmark.generation.collections.naming import class_folder
from benchmark.generation.plan import PlanRow, row_values
from benchmark.generation.results import PoolRow
from benchmark.generation.stored import StoredPool
from benchmark.system.files import storage_error, write_atomic, write_json, write_text
from benchmark.system.progress import Tracker

Format = Literal["folder", "tar"]
TAR_ABOVE = 100_000
SHARD = 10_000


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: where.
        format: class folders or tar files.
        images: how many.
    """

    folder: Path
    format: Format
    images: int


def export(
    stored: StoredPool, folder: Path, form: Format | None = None, *, progress: bool = False
) -> Exported:
    """Write the accepted images of a pool with their metadata.

    Class folders are read by torchvision, timm and the datasets library as they are; tar files
    follow WebDataset's naming. Each image carries its label, prompt, seed and cost.

    Args:
        stored: the pool.
        folder: a new or empty folder.
        form: None takes class folders up to ``TAR_ABOVE`` images.
        progress: whether to show a bar.

    Raises:
        UsageError: the folder is not empty.
        IntegrityError: an image is not what was drawn.
    """
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(
            "Expected a new or empty folder, but got one with files", where=folder,
            todo="name another folder",
        )  # fmt: skip
    pairs = [
        (plan, row) for plan in stored.plan if (row := stored.accepted.get((plan.label, plan.slot)))
    ]
    chosen: Format = form or ("tar" if len(pairs) > TAR_ABOVE else "folder")
    bar = Tracker("exporting", len(pairs), "images", enabled=progress)
    with bar:
        if chosen == "tar":
            _tars(stored, folder, pairs, bar)
        else:
            _folders(stored, folder, pairs, bar)
    write_json(folder / "pool.json", {"key": stored.spec.key, **stored.spec.identity})
    return Exported(folder, chosen, len(pairs))


def metadata(stored: StoredPool, plan: PlanRow, row: PoolRow) -> dict[str, Any]:
    """What is told of an image: its plan, and what drawing it took."""
    drawn = {
        "image_id": row.image_id,
        "attempt": row.attempt,
        "seed": row.seed,
        "sha256": row.sha256,
        "network_calls": row.calls,
        "seconds": row.seconds,
        "pool": stored.spec.key,
    }
    return row_values(plan) | drawn


def _folders(
    stored: StoredPool, folder: Path, pairs: Sequence[tuple[PlanRow, PoolRow]], bar: Tracker
) -> None:
    lines = []
    for plan, row in pairs:
        name = f"{class_folder(row.label, plan.class_name)}/{row.image_id}.png"
        stored.pool.read(row)
        _link(stored.pool.image_path(row), folder / name)
        lines.append(json.dumps({"file_name": name} | metadata(stored, plan, row)) + "\n")
        bar.advance()
    write_text(folder / "metadata.jsonl", "".join(lines))


def _link(source: Path, target: Path) -> None:
    """A second name of the same bytes where the file system allows, else a copy."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError as error:
        raise storage_error(target, error) from error


def _tars(
    stored: StoredPool, folder: Path, pairs: Sequence[tuple[PlanRow, PoolRow]], bar: Tracker
) -> None:
    for number, start in enumerate(range(0, len(pairs), SHARD)):
        part = pairs[start : start + SHARD]
        path = folder / f"{number:05d}.tar"
        write_atomic(path, lambda file, part=part: _tar(file, stored, part, bar))  # type: ignore[misc]


def _tar(
    file: Any, stored: StoredPool, pairs: Sequence[tuple[PlanRow, PoolRow]], bar: Tracker
) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        for plan, row in pairs:
            for suffix, content in _members(stored, plan, row):
                member = tarfile.TarInfo(f"{row.image_id}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            bar.advance()


def _members(stored: StoredPool, plan: PlanRow, row: PoolRow) -> Iterator[tuple[str, bytes]]:
    yield "png", stored.pool.read(row)
    yield "cls", str(row.label).encode()
    yield "json", json.dumps(metadata(stored, plan, row)).encode()
