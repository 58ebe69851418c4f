"""Which output of a network stands for which class of a data set."""

import re
from pathlib import Path

from benchmark.data.cards import Card
from benchmark.errors import DataError, IntegrityError, UsageError

MAX_BYTES = 2**20


def read_map(name: str, card: Card) -> list[int]:
    """The output of each class, in label order.

    Args:
        name: a label space that timm knows, such as "imagenet-1k", in which classes are found by
            their ids; or a text file with one output a class, in label order.
        card: of the data set.

    Raises:
        DataError: there is no such file.
        UsageError: a class is not in the label space.
        IntegrityError: the file does not hold one output a class.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _read(path, card)
    if re.fullmatch(r"imagenet-[\w-]+", name):
        return _by_ids(name, card)
    raise DataError(
        "Expected a file with one output a class, but got none",
        where=path,
        todo="or name a label space: map=imagenet-1k",
    )


def _read(path: Path, card: Card) -> list[int]:
    if path.stat().st_size > MAX_BYTES:
        raise IntegrityError("Expected a small text file, but got a huge one", where=path)
    cells = re.split(r"[\s,]+", path.read_text(encoding="utf-8", errors="replace").strip(" \n,[]"))
    if not all(re.fullmatch(r"\d{1,7}", cell) for cell in cells):
        odd = next(cell for cell in cells if not re.fullmatch(r"\d{1,7}", cell))
        raise IntegrityError(f"Expected numbers of outputs, but got '{odd[:40]}'", where=path)
    found = [int(cell) for cell in cells]
    if len(found) != card.n_classes or len(set(found)) != len(found):
        raise IntegrityError(
            f"Expected {card.n_classes} different outputs, but got {len(set(found))}",
            where=path,
            todo=f"one a line, in the order of the classes of {card.name}",
        )
    return found


def _by_ids(name: str, card: Card) -> list[int]:
    from timm.data import ImageNetInfo

    try:
        places = {wnid: at for at, wnid in enumerate(ImageNetInfo(name).label_names())}
    except Exception as error:  # timm asserts
        raise UsageError(
            f"timm knows no label space '{name}'", where="map", todo="use map=imagenet-1k"
        ) from error
    strange = [wnid for wnid in card.class_ids if wnid not in places]
    if strange:
        raise UsageError(
            f"Expected classes of {name}, but '{strange[0]}' of {card.name} is none",
            where="map",
            todo="give a file with one output a class",
        )
    return [places[wnid] for wnid in card.class_ids]
