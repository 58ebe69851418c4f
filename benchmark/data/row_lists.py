"""Official list files: one row ``train/<class>/<file> <label>`` a line, one file a part.

ImageNet-LT and ImageNet-100-LT were published like that. Everything in a list is checked before an
image is read, and each error names the file and the line.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark.errors import DataError, IntegrityError
from benchmark.system.files import content_hash, write_text

# files of each class, in label order
ClassFiles = list[list[str]]
Lists = dict[str, ClassFiles]

# folders in which the rows of a part may lie
FOLDERS = {"train": ("train",), "val": ("train", "val"), "test": ("val", "test")}
_WORDS = {"train": "training", "val": "validation", "test": "test"}
_LABEL = re.compile(r"0|[1-9][0-9]{0,6}")
_MAX_BYTES = 1 << 28


@dataclass(frozen=True)
class Row:
    """One line of a list.

    Attributes:
        part: "train", "val" or "test".
        name: path below the source, with forward slashes.
        label: from 0.
        where: the list's path and the line, for messages.
    """

    part: str
    name: str
    label: int
    where: str

    @property
    def class_id(self) -> str:
        """The class folder."""
        return self.name.split("/", 2)[1]


@dataclass(frozen=True)
class RowLists:
    """The rows of all parts, in the order of their files.

    Attributes:
        rows: of "train", "test" and perhaps "val".
        ids: the class folder of each label.
    """

    rows: dict[str, tuple[Row, ...]]
    ids: tuple[str, ...]

    @cached_property
    def digest(self) -> str:
        """Hash of all rows and labels, whatever the files are called."""
        return content_hash({part: _pairs(rows) for part, rows in self.rows.items()}, 16)

    @cached_property
    def counts(self) -> dict[str, tuple[int, ...]]:
        """Rows of each class, by part."""
        return {part: tuple(map(len, files)) for part, files in self.parts.items()}

    @cached_property
    def parts(self) -> Lists:
        """Paths by part and class."""
        found: Lists = {}
        for part, rows in self.rows.items():
            found[part] = [[] for _ in self.ids]
            for row in rows:
                found[part][row.label].append(row.name)
        return found

    @property
    def folders(self) -> list[str]:
        """The top folders that hold rows, sorted."""
        every = (row.name.partition("/")[0] for rows in self.rows.values() for row in rows)
        return sorted(set(every))

    def check_files(self, available: Collection[str], prefix: str, todo: str) -> None:
        """Refuse rows whose file is not in the source.

        Args:
            available: the source's files.
            prefix: what the source's paths have before those of the lists.
            todo: what the user can do.

        Raises:
            DataError: names the first such row and their number.
        """
        for part, rows in self.rows.items():
            missing = [row for row in rows if prefix + row.name not in available]
            if missing:
                raise DataError(
                    f"Expected every file of the {_WORDS[part]} list in the source, but "
                    f"{len(missing):,} of {len(rows):,} are missing, first '{missing[0].name}'",
                    where=missing[0].where,
                    todo=todo,
                )


def _pairs(rows: Iterable[Row]) -> list[tuple[str, int]]:
    return [(row.name, row.label) for row in rows]


def find_lists(folder: Path) -> dict[str, Path]:
    """The list of each part in a folder: ``train.txt`` or ``<anything>_train.txt``, and so on.

    Raises:
        DataError: no such folder, no list of training or test rows, or two lists of a part.
    """
    folder = folder.expanduser()
    if not folder.is_dir():
        problem = "Expected a folder of list files, but there is none"
        raise DataError(problem, where=folder, todo="check split=FOLDER")
    texts = sorted(path for path in folder.iterdir() if path.suffix == ".txt" and path.is_file())
    found = {}
    for part in FOLDERS:
        own = [path for path in texts if path.stem.lower().rpartition("_")[2] == part]
        if len(own) > 1:
            raise DataError(
                f"Expected one list of {_WORDS[part]} rows, but got {len(own)}: "
                f"{', '.join(path.name for path in own[:3])}",
                where=folder,
                todo="put the lists that are meant into a folder of their own",
            )
        if not own and part != "val":
            raise DataError(
                f"Expected a list of {_WORDS[part]} rows, but got none",
                where=folder,
                todo=f"name it {part}.txt or NAME_{part}.txt",
            )
        if own:
            found[part] = own[0]
    return found


def read_lists(paths: dict[str, Path]) -> RowLists:
    """The rows of list files by part, checked.

    Raises:
        DataError: a file is missing.
        IntegrityError: a line, a label or a row that cannot be meant.
    """
    rows = {part: tuple(_rows(part, path)) for part, path in paths.items()}
    every = [row for part in rows.values() for row in part]
    _check_once(every)
    folders = _folders(every)
    _check_labels(rows, folders, paths)
    return RowLists(rows, tuple(folders[label] for label in range(len(folders))))


def write_list(path: Path, files: Sequence[Sequence[str]]) -> None:
    """Write the paths of each class, in label order, as a list file."""
    lines = (f"{name} {label}\n" for label, own in enumerate(files) for name in own)
    write_text(path, "".join(lines))


def _rows(part: str, path: Path) -> Iterator[Row]:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MAX_BYTES else b""
    except OSError as error:
        raise DataError(f"Expected a list file, but got {error.strerror}", where=path) from error
    if not data:
        got = "none" if not size else f"{size:,} bytes"
        raise IntegrityError(f"Expected rows, but got {got}", where=path, todo="check the list")
    # lists written on Windows, and those without a last line feed, mean the same
    text = data.replace(b"\r\n", b"\n").removesuffix(b"\n")
    for line, row in enumerate(text.split(b"\n"), 1):
        yield _row(part, row, f"{path}:{line}")


def _row(part: str, line: bytes, where: str) -> Row:
    name, _, label = line.decode("utf-8", "backslashreplace").rpartition(" ")
    if not name or not _LABEL.fullmatch(label):
        shape = f"{FOLDERS[part][0]}/<class>/<file> <label>"
        raise _bad(f"a row '{shape}' with a label from 0", line, where)
    parts = name.split("/")
    if {"", ".", ".."} & set(parts) or "\\" in name:
        raise _bad("a plain path below the source", line, where)
    if parts[0] not in FOLDERS[part] or len(parts) < 3:
        shapes = " or ".join(f"{folder}/<class>/<file>" for folder in FOLDERS[part])
        raise _bad(f"a {_WORDS[part]} row {shapes}", line, where)
    return Row(part, name, int(label), where)


def _bad(wanted: str, line: bytes, where: str) -> IntegrityError:
    got = line.decode("utf-8", "backslashreplace")
    got = got if len(got) <= 80 else f"{got[:77]}..."
    return IntegrityError(f"Expected {wanted}, but got '{got}'", where=where, todo="mend the list")


def _check_once(rows: Iterable[Row]) -> None:
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.name, row)
        if first is not row:
            raise IntegrityError(
                f"Expected each image in one row, but got the {_WORDS[row.part]} row '{row.name}', "
                f"which is a {_WORDS[first.part]} row as well [{first.where}]",
                where=row.where,
                todo="take it out of one of them",
            )


def _folders(rows: Iterable[Row]) -> dict[int, str]:
    """The folder of each label; a folder has one label and a label one folder."""
    by_label: dict[int, Row] = {}
    by_folder: dict[str, Row] = {}
    for row in rows:
        same = by_folder.setdefault(row.class_id, row)
        if same.label != row.label:
            wanted, got = f"label {same.label} of '{row.class_id}'", f"{row.label}"
        else:
            same = by_label.setdefault(row.label, row)
            wanted, got = f"folder '{same.class_id}' of label {row.label}", f"'{row.class_id}'"
        if (same.label, same.class_id) != (row.label, row.class_id):
            raise IntegrityError(
                f"Expected {wanted} as in {same.where}, but got {got}",
                where=row.where,
                todo="mend the list: each class folder has one label",
            )
    return {label: row.class_id for label, row in by_label.items()}


def _check_labels(
    rows: dict[str, tuple[Row, ...]], folders: dict[int, str], paths: dict[str, Path]
) -> None:
    top, n_classes = max(folders), len(folders)
    if top >= n_classes:
        missing = next(label for label in range(top) if label not in folders)
        row = next(row for part in rows.values() for row in part if row.label == top)
        raise IntegrityError(
            f"Expected labels 0 to {n_classes - 1} for {n_classes} classes, but got {top} "
            f"and no {missing}",
            where=row.where,
            todo="number the classes from 0, without gaps",
        )
    for part in ("train", "test"):
        absent = sorted(set(folders) - {row.label for row in rows[part]})
        if absent:
            raise IntegrityError(
                f"Expected {_WORDS[part]} rows of each class, but got none of "
                f"'{folders[absent[0]]}' (label {absent[0]})",
                where=paths[part],
                todo="add some, or take the class out of every list and number the others anew",
            )
    if n_classes < 2:
        raise IntegrityError("Expected at least 2 classes, but got 1", where=paths["train"])
