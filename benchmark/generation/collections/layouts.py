"""Which images a folder or archive holds, and of which class each one is."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark.data.archives import Archive, Limits, open_archive
from benchmark.data.prepare import image_names
from benchmark.errors import DataError, UsageError
from benchmark.generation.collections.naming import ClassNames, is_label
from benchmark.generation.collections.tables import Columns, columns, read_tables, side_files
from benchmark.generation.plan import read_plan
from benchmark.generation.results import read_rows

LIMITS = Limits(members=5_000_000, member_bytes=256 << 20, total_bytes=1 << 40)
OWN = ("pool.json", "collection.json")
SHARDS = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True)
class Listed:
    """An image that was found.

    Attributes:
        name: its path in the archive.
        label: its class.
        columns: what metadata says about it.
    """

    name: str
    label: int
    columns: Columns


def open_sources(source: Path) -> list[Archive]:
    """The archives to read: a folder, zip or tar; or each shard in a folder of shards.

    Raises:
        DataError: no such path.
        IntegrityError: damaged or unsafe.
    """
    archive = open_archive(source, limits=LIMITS)
    shards = [name for name in archive.names if name.lower().endswith(SHARDS)]
    if shards and source.is_dir() and not image_names(archive):
        return [open_archive(source / name, limits=LIMITS) for name in shards]
    return [archive]


def list_images(archive: Archive, names: ClassNames) -> list[Listed]:
    """All images with their classes, sorted by path.

    The class is that of a ``.cls`` side file, of the class folder, of a ``class_name`` column, or
    of a ``label`` column where there is nothing else: numbers by others may follow another order.

    Raises:
        DataError: no images, or one of no class.
        UsageError: a folder that is no class; the nearest names are given.
    """
    images = _own_images(archive)
    if not images:
        raise DataError(
            "Expected images in class folders, but got none",
            where=archive.path,
            todo="lay them out as <class>/<file>",
        )
    said = _said(archive, images)
    prefix = _prefix(images, names, archive)
    return [
        Listed(name, _label(name, prefix, said.get(name, {}), names, archive), said.get(name, {}))
        for name in images
    ]


def _own_images(archive: Archive) -> list[str]:
    """All images; of a pool or collection of ours without what lies beside its images."""
    images = image_names(archive)
    for name in archive.names:
        if PurePosixPath(name).name in OWN:
            inside = f"{PurePosixPath(name).parent / 'images'}/"
            return [image for image in images if image.startswith(inside)] or images
    return images


def _said(archive: Archive, images: Iterable[str]) -> dict[str, Columns]:
    said = side_files(archive, images)
    for name, more in [*_pool_rows(archive).items(), *read_tables(archive).items()]:
        said[name] = {**said.get(name, {}), **more}
    return said


def _pool_rows(archive: Archive) -> dict[str, Columns]:
    """What a pool of ours recorded about its images, where the source is a pool's folder."""
    if not (archive.path / "pool.json").is_file():
        return {}
    plan = archive.path / "plan.jsonl"
    facts: dict[str, Columns] = {}
    for planned in read_plan(plan) if plan.is_file() else []:
        facts[planned.image_id] = {"prompt": planned.prompt}
    for row in read_rows(archive.path / "results"):
        cost = {"network_calls": row.calls, "seconds": row.seconds}
        facts[row.image_id] = facts.get(row.image_id, {}) | cost
    found = ((name, facts.get(PurePosixPath(name).stem)) for name in image_names(archive))
    return {name: columns(known, str(archive.path)) for name, known in found if known}


def _prefix(images: list[str], names: ClassNames, archive: Archive) -> str:
    """Folders above the class folders: "", or such as "images/train/"."""
    prefix = ""
    while True:
        inner = {name[len(prefix) :].partition("/")[0] for name in images}
        deep = all(name[len(prefix) :].count("/") > 1 for name in images)
        if not deep or len(inner) > 1 or _is_class(next(iter(inner)), names, archive):
            return prefix
        prefix += inner.pop() + "/"


def _is_class(name: str, names: ClassNames, archive: Archive) -> bool:
    try:
        names.label(name, archive.path)
    except UsageError:
        return False
    return True


def _label(name: str, prefix: str, said: Columns, names: ClassNames, archive: Archive) -> int:
    where = f"{archive.path}: {name}"
    folder, slash, _ = name[len(prefix) :].partition("/")
    if "cls" in said:
        text = str(said["cls"])
        return _number(int(text), names, where) if is_label(text) else names.label(text, where)
    if slash:
        return names.label(folder, where)
    if "class_name" in said:
        return names.label(said["class_name"], where)
    if "label" in said:
        return _number(said["label"], names, where)
    raise DataError(
        "Expected every image in a class folder or in metadata with its class, but got one without",
        where=where,
        todo="lay images out as <class>/<file>, or add metadata.jsonl with file_name, class_name",
    )


def _number(label: int, names: ClassNames, where: str) -> int:
    if label >= len(names.classes):
        raise DataError(
            f"Expected a label below {len(names.classes)}, but got {label}",
            where=where,
            todo="check that both sides mean the same data set",
        )
    return label
