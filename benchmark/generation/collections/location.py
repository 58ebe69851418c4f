"""What a location means: a stored collection, a folder, a list of URLs, or a shipped module."""

import importlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal

from benchmark.errors import DataError, UsageError, nearest
from benchmark.generation.collections import store
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.importing import import_folder
from benchmark.generation.collections.listing import LISTINGS, listing_stamp
from benchmark.paths import PACKAGE
from benchmark.registry import COMPONENT_PACKAGES
from benchmark.system.console import say
from benchmark.system.files import sha256_file
from benchmark.vocabulary.source import module_path

MODULE_PREFIX = "module:"
DATASET = "dataset"
_MODULE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")
_KEY = re.compile(r"[0-9a-f]{4,16}")


@dataclass(frozen=True)
class Located:
    """Where images are.

    Attributes:
        kind: "stored" for a finished collection, "folder" for images to import, "module" for
            ones that a shipped module makes.
        path: the collection's folder, the images, or the module's file.
        module: the module's name, else empty.
    """

    kind: Literal["stored", "folder", "module"]
    path: Path
    module: str = ""


def check_location(location: str, root: Path | None = None) -> None:
    """Refuse a location that leads nowhere; reads no image and makes none.

    Args:
        location: as in ``open_collection``.
        root: where collections are kept; None is the cache.

    Raises:
        DataError: nothing is there, or a list of URLs was not fetched.
        UsageError: a key that is not unique, or a module that is not shipped.
    """
    found = locate(location, root)
    if found.kind == "module":
        check = getattr(_load(found.module), "check", None)
        if check is not None:
            check()


def locate(location: str, root: Path | None = None) -> Located:
    """Where ``location`` leads; see ``open_collection``.

    Raises:
        DataError: nothing is there, or a list of URLs was not fetched.
        UsageError: a key that is not unique, or a module that is not shipped.
    """
    root = root or store.collection_dir()
    if location == DATASET:
        raise DataError(
            "Expected images for this data set, but none come with it",
            where="source",
            todo="set the method's source=PATH: class folders, an archive, a fetched list of URLs "
            "or the key of a collection",
        )
    if location.startswith(MODULE_PREFIX):
        return _shipped(location.removeprefix(MODULE_PREFIX))
    path = Path(location).expanduser()
    if path.is_file() and path.suffix.lower() in LISTINGS:
        return Located("stored", _fetched(path, root))
    if path.exists():
        return Located("folder", path)
    if _KEY.fullmatch(location):
        return Located("stored", _by_key(location, root))
    raise _nothing(location, root)


def _fetched(listing: Path, root: Path) -> Path:
    done = store.recall(root, listing_stamp(listing))
    if done is None:
        raise DataError(
            "Expected the images of this list, but they were not fetched",
            where=listing,
            todo=f"run: python -m benchmark generate fetch {listing} dataset=NAME",
        )
    return done


def stored_keys(root: Path | None = None) -> list[str]:
    """Keys of the finished collections, sorted."""
    paths = (root or store.collection_dir()).glob(f"*/{store.FACTS_FILE}")
    return sorted(path.parent.name for path in paths)


def _by_key(prefix: str, root: Path) -> Path:
    found = [key for key in stored_keys(root) if key.startswith(prefix)]
    if len(found) > 1:
        raise UsageError(
            f"Expected one collection whose key begins with '{prefix}', but got {len(found)}",
            where="source",
            todo=f"give more digits: {' or '.join(found[:3])}",
        )
    if not found:
        raise _nothing(prefix, root)
    return root / found[0]


def _nothing(location: str, root: Path) -> DataError:
    path = Path(location).expanduser()
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, [*beside, *stored_keys(root)], 1)
    hint = f"did you mean {close[0]}? " if close else ""
    return DataError(
        f"Expected a folder, an archive, a list of URLs or the key of a collection, but "
        f"'{location}' is none",
        where="source",
        todo=f"{hint}check the path, or see: python -m benchmark generate ls",
    )


def _shipped(name: str) -> Located:
    """The file of a module, if it is one of this project's own."""
    top = name.partition(".")[0]
    path = module_path(name) if _MODULE.fullmatch(name) and top in COMPONENT_PACKAGES else None
    if path is None or not path.is_relative_to(PACKAGE.parent / top):
        raise UsageError(
            f"Expected a module shipped in {' or '.join(COMPONENT_PACKAGES)}, but got '{name}'",
            where="source",
            todo="give a folder of images instead",
        )
    return Located("module", path, name)


def _load(name: str) -> ModuleType:
    module = importlib.import_module(name)
    if not callable(getattr(module, "make", None)):
        raise UsageError(
            "Expected a module that makes images, but it has no function 'make'",
            where=name,
            todo="give a folder of images instead",
        )
    return module


def open_collection(
    location: str,
    classes: Sequence[str],
    root: Path | None = None,
    class_ids: Sequence[str] = (),
) -> Collection:
    """The collection at a location; a folder or archive is imported first.

    Args:
        location: the key of a stored collection (or the beginning of one), a folder or archive,
            a list of URLs that was fetched, or "module:NAME" for images that a module of this
            project makes.
        classes: readable names in label order.
        root: where collections are kept; None is the cache.
        class_ids: further names of the classes.

    Raises:
        DataError: nothing is there, or no sound image.
        UsageError: other classes, or a key that is not unique.
        IntegrityError: damaged files.
    """
    root = root or store.collection_dir()
    found = locate(location, root)
    if found.kind == "stored":
        collection = Collection.read(found.path)
    else:
        path = found.path if found.kind == "folder" else _made(found, root)
        collection = import_folder(path, classes, class_ids=class_ids, root=root)
    collection.require_classes(classes)
    return collection


def _made(found: Located, root: Path) -> Path:
    """The images of a module, made once for each version of its file."""
    stamp = f"{found.module}-{sha256_file(found.path)[:12]}"
    folder = root / "made" / stamp
    if not folder.is_dir():
        say("images", f"made by {found.module}, once")
        with store.workroom(root, stamp, fresh=True) as work:
            _load(found.module).make(work)
            folder.parent.mkdir(parents=True, exist_ok=True)
            if folder.is_dir():
                shutil.rmtree(work)
            else:
                os.replace(work, folder)
    return folder
