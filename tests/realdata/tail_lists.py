"""Official-style list files with the tail of ImageNet100-LT for a tree of 100 other classes.

Label k is the k-th class folder in sorted order and gets the count of ImageNet100-LT's label k,
n_k of 1,280 to 6, scaled to ``n_max`` on the head and to ``imbalance`` on the logarithmic scale:

    round(n_max * (n_k / 1280) ** p), p = log(imbalance) / log(1280 / 6)

so that the ranks of the classes stay, and the shape of the tail on that scale; a plain factor would
leave most classes with a few images. Training rows are drawn by a seeded permutation of the sorted
files of each class; all images below val/ are test rows.

command: python -m tests.realdata.tail_lists tiny-imagenet-100.zip LISTS
"""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from benchmark.data.archives import open_archive
from benchmark.data.imagenet100_lists import COUNTS, drawn
from benchmark.data.listed import class_files
from benchmark.data.prepare import by_class, image_names, root_of
from benchmark.data.row_lists import ClassFiles, write_list

N_MAX, IMBALANCE = 150, 30.0
STREAM = "tail of imagenet100lt"


def scaled(counts: Sequence[int], n_max: int, imbalance: float) -> tuple[int, ...]:
    """The counts with another head and another imbalance, ranks and log-scale shape kept."""
    head = max(counts)
    power = math.log(imbalance) / math.log(head / min(counts))
    return tuple(round(n_max * (count / head) ** power) for count in counts)


def write_lists(source: Path, folder: Path, n_max: int, imbalance: float) -> tuple[int, ...]:
    """Write ``NAME_LT_train.txt`` and ``NAME_LT_test.txt``; returns the counts by label.

    Raises:
        DataError: the source is no tree of 100 classes in train/ and val/, or one is too small.
    """
    with open_archive(source) as archive:
        names = image_names(archive)
        prefix = root_of(archive, names, "train")
        ids = list(by_class(names, f"{prefix}train"))
        train, test = class_files(archive, names, prefix, ids, ("train", "val"))
    counts = scaled(COUNTS, n_max, imbalance)
    rows = drawn(train, ids, counts, 0, STREAM)
    folder.mkdir(parents=True, exist_ok=True)
    for part, files in (("train", rows["train"]), ("test", test)):
        write_list(folder / f"{source.stem}_LT_{part}.txt", _below(files, prefix))
    return counts


def _below(files: ClassFiles, prefix: str) -> ClassFiles:
    return [[name.removeprefix(prefix) for name in own] for own in files]


def main() -> None:
    """Write the lists and say how many rows they hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, help="folder, zip or tar: {train,val}/<class>/<file>")
    parser.add_argument("folder", type=Path, help="where the lists go")
    parser.add_argument("--n-max", type=int, default=N_MAX, help="images of the head class")
    parser.add_argument("--imbalance", type=float, default=IMBALANCE, help="head over tail")
    given = parser.parse_args()
    counts = write_lists(given.source, given.folder, given.n_max, given.imbalance)
    print(f"{sum(counts):,} training rows, {max(counts)} to {min(counts)} a class: {given.folder}")


if __name__ == "__main__":
    main()
