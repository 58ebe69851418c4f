"""ImageNet-100: class order, counts and names, and which files form the long-tailed subset.

The published lists are not shipped; they are recognised by their SHA-256.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmark.data.row_lists import ClassFiles, Lists, RowLists, read_lists
from benchmark.errors import DataError, IntegrityError
from benchmark.seeds import numpy_generator
from benchmark.system.files import sha256_file

EXTRA = 20
SHA256 = {
    "imageNet_100_LT_train.txt": "0f94d6eef6935578a1e287a35d337cc0fe4c41059b023247d35a4119c93820bb",
    "ImageNet_100_val.txt": "e4c423bf2b93f5cf2a2de747bf83dba7763016bdac0203a619f324f890146004",
    "ImageNet_100_test.txt": "2441627da7561b6d8e45dbcb34db8711ee678808cd88ec9d6d9b8d839a886363",
}
PARTS = dict(zip(("train", "val", "test"), SHA256, strict=True))

_WNIDS = """
n02869837 n01749939 n02488291 n02107142 n13037406 n02091831 n04517823 n04589890 n03062245
n01773797 n01735189 n07831146 n07753275 n03085013 n04485082 n02105505 n01983481 n02788148
n03530642 n04435653 n02086910 n02859443 n13040303 n03594734 n02085620 n02099849 n01558993
n04493381 n02109047 n04111531 n02877765 n04429376 n02009229 n01978455 n02106550 n01820546
n01692333 n07714571 n02974003 n02114855 n03785016 n03764736 n03775546 n02087046 n07836838
n04099969 n04592741 n03891251 n02701002 n03379051 n02259212 n07715103 n03947888 n04026417
n02326432 n03637318 n01980166 n02113799 n02086240 n03903868 n02483362 n04127249 n02089973
n03017168 n02093428 n02804414 n02396427 n04418357 n02172182 n01729322 n02113978 n03787032
n02089867 n02119022 n03777754 n04238763 n02231487 n03032252 n02138441 n02104029 n03837869
n03494278 n04136333 n03794056 n03492542 n02018207 n04067472 n03930630 n03584829 n02123045
n04229816 n02100583 n03642806 n04336792 n03259280 n02116738 n02108089 n03424325 n01855672
n02090622
"""
_COUNTS = """
30 75 100 61 23 126 511 120 354 39 229 268 143 34 55 14 130 108 20 69 12 85 54 32 9 124 137 18 26
89 63 172 152 110 184 392 215 80 330 21 16 43 78 456 201 236 113 36 37 282 59 248 305 73 32 45 27
19 15 22 6 50 8 149 86 41 133 165 178 52 31 93 44 48 169 71 65 157 25 82 11 66 42 15 57 290 116
679 28 189 47 104 96 35 7 1280 102 83 10 138
"""
_NAMES = """
bonnet, green mamba, langur, Doberman pinscher, false morel mushroom, Saluki dog, vacuum cleaner,
window screen, cocktail shaker, garden spider, garter snake, carbonara, pineapple,
computer keyboard, tripod, Komondor dog, American lobster, banister, honeycomb, tile roof,
Papillon dog, boathouse, stinkhorn mushroom, jeans, Chihuahua dog, Chesapeake Bay retriever,
American robin, bathtub, Great Dane, rotisserie, bottle cap, throne, little blue heron, rock crab,
Rottweiler, lorikeet, Gila monster, cabbage, car wheel, coyote, moped, milk can, mixing bowl,
toy terrier, chocolate sauce, rocking chair, airplane wing, park bench, ambulance,
football helmet, leafhopper, cauliflower, pirate ship, purse, hare, lampshade, fiddler crab,
standard poodle, Shih Tzu, pedestal, gibbon, safety pin, English foxhound, wind chime,
American Staffordshire terrier, bassinet, wild boar, theater curtain, dung beetle, hognose snake,
Mexican hairless dog, mortarboard, Walker foxhound, red fox, modem, slide rule, stick insect,
movie theater, meerkat, Kuvasz dog, obelisk, harmonica, sarong, mousetrap, hard disk drive,
American coot, fishing reel, pickup truck, clothes iron, tabby cat, ski mask, Vizsla dog,
laptop computer, stretcher, Dutch oven, African wild dog, boxer dog, gas mask, goose, Borzoi dog
"""

WNIDS = tuple(_WNIDS.split())
COUNTS = tuple(int(count) for count in _COUNTS.split())
NAMES = tuple(name.strip() for name in _NAMES.split(","))


def read_published(folder: Path) -> RowLists:
    """The rows of the published lists.

    Args:
        folder: holds the three lists; one of the lists itself is taken as well.

    Raises:
        DataError: a list is missing.
        IntegrityError: a list is not the published one.
    """
    folder = folder.expanduser()
    folder = folder.parent if folder.is_file() else folder
    paths = {part: folder / name for part, name in PARTS.items()}
    for path in paths.values():
        _check_published(path)
    return read_lists(paths)


def _check_published(path: Path) -> None:
    if not path.is_file():
        raise DataError(
            "Expected a published list, but it is missing",
            where=path,
            todo="take split/imagenet-100 of github.com/VITA-Group/SDCLR",
        )
    digest = sha256_file(path)
    if digest != SHA256[path.name]:
        raise IntegrityError(
            f"Expected the published list (SHA-256 {SHA256[path.name][:12]}), got {digest[:12]}",
            where=path,
            todo="fetch it again, untouched; lists of your own: dataset=listed",
        )


def drawn(
    train: ClassFiles, ids: Sequence[str], counts: Sequence[int], extra: int, stream: str
) -> Lists:
    """Rows drawn by a seeded permutation of each class's sorted files: ``counts`` for training.

    Args:
        train: files of each class, in label order.
        ids: of the classes.
        counts: training rows of each class.
        extra: rows of each class for validation, behind those for training.
        stream: names the draw.

    Returns:
        "train", "val" and, sorted, the rest as "heldout".

    Raises:
        DataError: a class has too few images.
    """
    parts: Lists = {"train": [], "val": [], "heldout": []}
    for own, files, count in zip(ids, train, counts, strict=True):
        if len(files) < count + extra:
            raise DataError(
                f"Expected at least {count + extra} images of {own}, but got {len(files)}",
                where="train",
                todo="give the complete training set",
            )
        order = numpy_generator(0, stream, own).permutation(len(files))
        rows = [files[int(row)] for row in order]
        parts["train"].append(rows[:count])
        parts["val"].append(rows[count : count + extra])
        parts["heldout"].append(sorted(rows[count + extra :]))
    return parts
