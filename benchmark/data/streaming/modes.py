"""Where training pixels come from: what the modes are called, and where listed files are.

``packed`` is the neutral mode: images are packed at the training size. In the others crops are
taken from whole pictures, which gives other numbers, so their data sets have names of their own.
"""

from pathlib import Path

from benchmark.data.archives import Archive
from benchmark.data.cards import Colour
from benchmark.data.keeping import PixelMode
from benchmark.data.store import ROOT, Store
from benchmark.errors import DataError
from benchmark.system.files import write_text

MODE_TITLES: dict[PixelMode, str] = {
    "packed": "",
    "files": ", crops from the original files",
    "store256": ", crops from pictures with a short side of 256 pixels",
}


def suffix(mode: PixelMode) -> str:
    """What a mode adds to the name of a data set and of its store."""
    return "" if mode == "packed" else f"-{mode}"


def word(mode: PixelMode) -> str:
    """What a mode adds to a command."""
    return "" if mode == "packed" else f" dataset.pixels={mode}"


def listed_root(mode: PixelMode, archive: Archive) -> Path | None:
    """The folder whose files a store lists; None where it holds the pixels itself.

    Raises:
        DataError: the files are in an archive.
    """
    if mode != "files":
        return None
    if not archive.path.is_dir():
        raise DataError(
            "Expected a folder for dataset.pixels=files, but got an archive",
            where=archive.path,
            todo="unpack it, or set dataset.pixels=store256, which reads it once",
        )
    return archive.path


def facts(mode: PixelMode, colour: Colour) -> dict[str, str]:
    """What a store notes beside whole pictures: how they are decoded; nothing for packed ones."""
    return {} if mode == "packed" else {"colour": colour}


def moved(store: Store, source: str | None) -> str:
    """Note that the files a store lists are elsewhere now; says so, or "" if they are not.

    Raises:
        DataError: a file is missing there, or has another length.
    """
    parts = [part for part in store.meta["parts"] if store.keep(part) == "files"]
    if source is None or not parts:
        return ""
    root = Path(source).expanduser().resolve()
    if root == store.root:
        return ""
    for part in parts:
        for name, size in zip(store.ids(part), store.listing(part)["bytes"], strict=True):
            path = root / str(name)
            if not path.is_file() or path.stat().st_size != size:
                raise DataError(
                    f"Expected a file of {size:,} bytes, but got another or none",
                    where=path,
                    todo=f"give the folder that was prepared, or delete {store.folder}",
                )
    write_text(store.folder / ROOT, str(root))
    return "its files are read from there now"
