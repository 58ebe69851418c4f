"""Where a generator's weights are, whether they are whole, and what their hash is; no torch."""

import importlib.util
import json
import logging
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.pipeline_index import check_no_code, read_index
from benchmark.paths import cache_root
from benchmark.system.files import content_hash, read_sealed, sha256_file, write_sealed

PACKAGE_PREFIX = "package:"
LOG = logging.getLogger(__name__)
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_BASE_NAMES = ("diffusion_pytorch_model", "model")
_UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
LORA_FILE = "pytorch_lora_weights.safetensors"
_MAX_HEADER = 100_000_000


def locate(weights: str, revision: str | None, fetch_command: str) -> Path:
    """The folder of a pipeline; never downloads.

    Args:
        weights: a folder, "package:<package>/<folder>", or a hub id "owner/name".
        revision: of the hub id.
        fetch_command: printed where hub weights are not on this machine.

    Raises:
        DataError: there is no such folder, or the hub's files were not fetched.
        UsageError: ``weights`` is none of the three.
    """
    if weights.startswith(PACKAGE_PREFIX):
        return _checked(_package_folder(weights.removeprefix(PACKAGE_PREFIX)))
    folder = Path(weights).expanduser()
    if folder.is_dir() or weights.startswith((".", "/", "~")):
        return _checked(folder)
    if not _HUB_ID.fullmatch(weights):
        raise UsageError(
            f"Expected a folder or a hub id 'owner/name', but got '{weights}'",
            where="generator.weights",
        )
    return _checked(_hub_folder(weights, revision, fetch_command))


def _package_folder(name: str) -> Path:
    package, _, inside = name.partition("/")
    # to find a package in a package, Python would import the outer one
    found = importlib.util.find_spec(package) if package.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        raise DataError(f"Expected an installed package '{package}'", where="generator.weights")
    return Path(next(iter(found.submodule_search_locations))) / inside


def _hub_folder(weights: str, revision: str | None, fetch_command: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(weights, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError as error:
        raise DataError(
            f"Expected the weights of {weights} on this machine, but they were not fetched",
            where="generator.weights",
            todo=f"run: {fetch_command}",
        ) from error


def _checked(folder: Path) -> Path:
    if not (folder / "model_index.json").is_file():
        raise DataError(
            "Expected a diffusers pipeline folder with model_index.json, but got none",
            where=folder,
            todo="check generator.weights",
        )
    return folder


def components(folder: Path) -> list[str]:
    """Names of the pipeline's components that are used; the safety checker is not.

    Raises:
        IntegrityError: see ``read_index``.
    """
    return sorted(
        name
        for name, kind in read_index(folder).items()
        if isinstance(kind, list) and kind[0] and name not in _UNUSED
    )


def _is_wanted(path: Path, variant: str | None) -> bool:
    if path.suffix != ".safetensors":
        return path.suffix in (".json", ".txt", ".model")
    stem = re.sub(r"-\d{5}-of-\d{5}", "", path.name.removesuffix(".safetensors"))
    base, _, got = stem.partition(".")
    return base in _BASE_NAMES and got == (variant or "")


def used_files(folder: Path, variant: str | None = None) -> list[Path]:
    """The files that decide what the pipeline draws, sorted; only safetensors are weights."""
    found = [folder / "model_index.json"]
    for name in components(folder):
        paths = (folder / name).glob("*")
        found += [path for path in paths if path.is_file() and _is_wanted(path, variant)]
    return sorted(found)


def check_files(folder: Path, variant: str | None, fetch_command: str) -> None:
    """Refuse absent and truncated files, without reading weights.

    Raises:
        DataError: a component has no safetensors weights.
        IntegrityError: a weights file is shorter or longer than its header says, or the folder
            brings code.
    """
    check_no_code(folder)
    files = used_files(folder, variant)
    for name in components(folder):
        inside = [path for path in files if path.parent.name == name]
        weights = [path for path in inside if path.suffix == ".safetensors"]
        if not inside or (not weights and (folder / name / "config.json").is_file()):
            raise DataError(
                f"Expected safetensors weights for '{name}', but found none",
                where=folder,
                todo=f"run: {fetch_command}",
            )
        for path in weights:
            check_safetensors(path)


def check_safetensors(path: Path) -> None:
    """Compare a file's size with what its header promises.

    Raises:
        IntegrityError: they differ, or there is no header.
    """
    expected, size = _promised_size(path), path.stat().st_size
    if expected != size:
        raise IntegrityError(
            f"Expected a weights file of {expected} bytes, but got {size}",
            where=path,
            todo="delete it and fetch or copy it again",
        )


def _promised_size(path: Path) -> int:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(min(length, _MAX_HEADER))
    try:
        header = json.loads(text)
        entries = (entry for key, entry in header.items() if key != "__metadata__")
        ends = [int(entry["data_offsets"][1]) for entry in entries]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise IntegrityError(
            "Expected a safetensors file, but its header cannot be read",
            where=path,
            todo="delete it and fetch or copy it again",
        ) from error
    return 8 + length + max(ends, default=0)


def weights_hash(folder: Path, variant: str | None = None) -> str:
    """Hash of names and contents of all used files, 16 hex digits.

    Hashes of single files are remembered in the cache by path, size and time of change.
    """
    files = used_files(folder, variant)
    digests = _digests(files)
    names = [str(path.relative_to(folder)) for path in files]
    return content_hash(list(zip(names, digests, strict=True)), 16)


def file_hash(path: Path) -> str:
    """Hash of one weights file's content, 16 hex digits, remembered as in ``weights_hash``."""
    return _digests([path])[0][:16]


def _digests(files: Iterable[Path]) -> list[str]:
    path = cache_root() / "file-hashes.json"
    known = _known(path)
    before = dict(known)
    digests = [_digest(file, known) for file in files]
    if known != before:
        write_sealed(path, {"files": known})
    return digests


def _known(path: Path) -> dict[str, str]:
    try:
        sealed = read_sealed(path) if path.exists() else None
    except (IntegrityError, OSError):
        LOG.warning("Ignoring an unreadable cache of file hashes: %s", path)
        sealed = None
    known: dict[str, str] = (sealed or {}).get("files", {})
    return known


def _digest(path: Path, known: dict[str, str]) -> str:
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}"
    if key not in known:
        known[key] = sha256_file(path)
    return known[key]


def fetch(weights: str, revision: str | None, variant: str | None = None) -> Path:
    """Download the used files of a hub pipeline at a pinned revision; local folders are returned.

    Raises:
        DataError: the hub cannot be reached, or has no such revision.
    """
    if weights.startswith(PACKAGE_PREFIX) or not _HUB_ID.fullmatch(weights):
        return locate(weights, revision, "")
    if Path(weights).is_dir():
        return _checked(Path(weights))
    return _download(weights, revision, variant)


def locate_lora(lora: str, revision: str | None, fetch_command: str) -> Path:
    """The file of low-rank weights given as a file, a folder or a hub id; never downloads.

    Raises:
        DataError: there is no such file, or the hub's was not fetched.
    """
    path = Path(lora).expanduser()
    if path.is_file():
        return path
    if not path.is_dir() and _HUB_ID.fullmatch(lora):
        path = _hub_folder(lora, revision, fetch_command)
    if not (path / LORA_FILE).is_file():
        raise DataError(
            f"Expected {LORA_FILE}, but got none", where=path, todo="check generator.lora"
        )
    return path / LORA_FILE


def fetch_lora(lora: str, revision: str | None) -> None:
    """Download low-rank weights of the hub; files and folders are left as they are.

    Raises:
        DataError: the hub cannot be reached, or has no such revision.
    """
    if not Path(lora).expanduser().exists():
        _snapshot(lora, revision, [LORA_FILE])


def _download(weights: str, revision: str | None, variant: str | None) -> Path:
    return _snapshot(weights, revision, _patterns(variant))


def _snapshot(weights: str, revision: str | None, patterns: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        reach_hub()
        return Path(snapshot_download(weights, revision=revision, allow_patterns=patterns))
    except Exception as error:  # whatever the hub's client makes of a broken line or a wrong answer
        raise DataError(
            f"Expected to fetch {weights} at revision {revision}, but got {_first_line(error)}",
            where="generator.weights",
            todo="check the network, or copy the folder here and set generator.weights=FOLDER",
        ) from error


def reach_hub() -> None:
    """Fail in seconds where there is no network: the hub's client would retry for a minute."""
    from huggingface_hub import constants

    if not getproxies():
        host = urlsplit(constants.ENDPOINT)
        socket.create_connection((host.hostname or "", host.port or 443), timeout=10).close()


def _patterns(variant: str | None) -> list[str]:
    suffix = f".{variant}.safetensors" if variant else ".safetensors"
    names = [f"*/{base}{suffix}" for base in _BASE_NAMES]
    shards = [f"*/{base}*-of-*{suffix}" for base in _BASE_NAMES]
    return ["*.json", "*.txt", "*.model", *names, *shards]


def _first_line(error: Any) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
