"""Readable names of classes that are known by WordNet ids: from the source, or from timm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from benchmark.data.archives import Archive

# "<id><tab><name>, <synonym>, ..." a line
FILES = ("classes.tsv", "words.txt")
_LEMMAS = "data/_info/imagenet_synset_to_lemma.txt"
Synonyms = dict[str, tuple[str, ...]]


def readable_names(archive: Archive, prefix: str) -> dict[str, str]:
    """First names by WordNet id from classes.tsv or words.txt, if the archive has either."""
    return {wnid: names[0] for wnid, names in in_archive(archive, prefix).items()}


def in_archive(archive: Archive, prefix: str) -> Synonyms:
    """All names by id from classes.tsv or words.txt, if the archive has either."""
    for file in FILES:
        if prefix + file in archive.sizes:
            return _parse(archive.read(prefix + file).decode("utf-8", "replace"))
    return {}


def in_folder(folder: Path) -> Synonyms:
    """All names by id from classes.tsv or words.txt in a folder, if it has either."""
    for file in FILES:
        path = folder.expanduser() / file
        if path.is_file():
            return _parse(path.read_text("utf-8", "replace"))
    return {}


@cache
def of_imagenet() -> Synonyms:
    """WordNet's own words for every class of ImageNet, as timm ships them."""
    # found, not imported: timm brings torch
    spec = find_spec("timm")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / _LEMMAS
        if path.is_file():
            return _parse(path.read_text("utf-8"))
    return {}


def _parse(text: str) -> Synonyms:
    found = {}
    for line in text.splitlines():
        wnid, _, rest = line.partition("\t")
        names = tuple(name for part in rest.split(",") if (name := part.strip()))
        if names:
            found[wnid] = names
    return found


def distinct(ids: Sequence[str], names: Mapping[str, Sequence[str]]) -> list[str]:
    """One name a class, no two alike: the first synonym that is nobody else's first.

    A class without names is called by its id, with spaces for underscores; one whose names are all
    taken has its id in brackets behind the first.
    """
    own = {each: tuple(names.get(each) or (each.replace("_", " "),)) for each in ids}
    firsts = Counter(each[0] for each in own.values())
    taken = {name for name, count in firsts.items() if count == 1}
    chosen = []
    for each in ids:
        first, *others = own[each]
        name = first
        if firsts[first] > 1:
            free = (other for other in others if other not in firsts and other not in taken)
            name = next(free, f"{first} ({each})")
        taken.add(name)
        chosen.append(name)
    return chosen
