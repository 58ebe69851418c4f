"""What the verb ``check`` looks at: records on disk, and the promises of a component."""

import importlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import BenchError, DataError, UsageError
from benchmark.registry import COMPONENTS
from benchmark.system.files import read_json

if TYPE_CHECKING:
    from benchmark.conformance import CheckResult

RECORDS = Path("leaderboards") / "records"


@dataclass(frozen=True)
class Checked:
    """Outcome of a check of records.

    Attributes:
        valid: records that pass the schema and its cross-checks.
        recomputed: those whose predictions were at hand and give the same metrics.
        problems: one line for each fault, the file first.
        migrated: those of an older form, which were brought to the newest one.
        outdated: how many records have what is older than this code, by what it is.
    """

    valid: int
    recomputed: int
    problems: tuple[str, ...]
    migrated: int = 0
    outdated: Mapping[str, int] = field(default_factory=dict)


def check_records(folder: Path = RECORDS) -> Checked:
    """Validate every record below ``folder``; recompute metrics where predictions are at hand.

    Raises:
        DataError: there is no such folder.
    """
    from benchmark.recording import migrations, records, versions

    if not folder.is_dir():
        todo = "name it: python -m benchmark check records DIR"
        raise DataError("Expected a folder of records, but found none", where=folder, todo=todo)
    valid = recomputed = migrated = 0
    problems: list[str] = []
    outdated: Counter[str] = Counter()
    for path, found in records.find(folder):
        if isinstance(found, BenchError):
            problems.append(f"{path}: {found.problem}")
            continue
        valid += 1
        migrated += migrations.form_of(read_json(path)) != migrations.NEWEST
        outdated.update(versions.outdated(found))
        if (path.parent / found.predictions.file).exists():
            faults = records.verify(path)
            recomputed += not faults
            problems += [f"{path}: {fault}" for fault in faults]
    counts = dict(sorted(outdated.items()))
    return Checked(valid, recomputed, tuple(problems), migrated, counts)


def check_component(target: str, words: Sequence[str] = ()) -> "list[CheckResult]":
    """Train a component on tiny random images and see whether it keeps its promises.

    Args:
        target: a registered name, checked with the settings of its YAML file (a plugin with its
            defaults), or "package.module:Class", checked with its defaults.
        words: settings of its own in place of those, as key=value.

    Raises:
        UsageError: nothing has the name, it cannot be imported, or a setting has no value or one
            that is not allowed.
    """
    from benchmark import conformance, tiny
    from benchmark.identity import shipped_settings

    if ":" in target:
        cls, name, values = _imported(target), target.rpartition(":")[2].lower(), {}
    else:
        cls, name, values = COMPONENTS.load(target), target, shipped_settings(target)
    piece = tiny.Piece(cls, values | _given(words), name)
    # settings that do not parse are one error rather than a failure of every check
    piece.build()
    # its schedules have a word to say about stages of a single step
    logging.getLogger("timm").setLevel(logging.ERROR)
    return conformance.check_stack([piece])


def _given(words: Sequence[str]) -> dict[str, Any]:
    """The values of key=value words, read as the command line of a run reads them."""
    from omegaconf import OmegaConf

    values = OmegaConf.to_container(OmegaConf.from_dotlist(list(words)))
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _imported(target: str) -> Any:
    from benchmark.component import Component

    module, _, name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise UsageError(
            f"'{target}' cannot be imported: {type(error).__name__}: {error}",
            todo="give package.module:Class, with the package on the path",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Component)):
        raise UsageError(f"Expected a class derived from Component, but got {found!r}")
    return found
