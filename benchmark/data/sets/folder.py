"""Your own images: any tree of class folders, with its natural tail or an induced one."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge

from benchmark.config import NonNegativeInt, OpenShare, PositiveInt
from benchmark.data import profiles
from benchmark.data.archives import Archive, open_archive
from benchmark.data.assemble import Subset, from_store, with_validation
from benchmark.data.cards import Card, Colour
from benchmark.data.dataset import (
    Dataset,
    LongTailedData,
    PrepareReport,
    check_root_name,
    refuse_split,
)
from benchmark.data.groups import LE20, LT20
from benchmark.data.images import PROCESSING
from benchmark.data.keeping import PixelMode
from benchmark.data.prepare import (
    Reader,
    build_report,
    by_class,
    check_classes,
    describe,
    image_names,
    report,
    root_of,
    stamp,
)
from benchmark.data.profiles import Profile
from benchmark.data.splits import RULES, Rule, Validation
from benchmark.data.store import Store, StorePlan, find, require
from benchmark.data.streaming import modes
from benchmark.errors import DataError
from benchmark.seeds import numpy_generator
from benchmark.system.files import content_hash

Files = dict[str, list[str]]


class Folder(Dataset):
    """Images in class folders: train/ and test/, or one tree with a seeded test share."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            root_name: what the prepared images are called in the cache.
            size: height and width in pixels.
            colour: "RGB" or "L".
            mean: of each channel on the [0, 1] scale.
            std: of each channel on the [0, 1] scale.
            test_share: of each class, where the source has no test folder.
            profile: "natural" keeps all training images.
            n_max: images of the head class, for an induced profile.
            imbalance: n_max over the tail count, for an induced profile.
            subset: rule that chooses rows.
            split_replicate: which draw of the rule "replicate".
            val: "carve" takes floor(n_k / 10) training rows of each class for validation.
            pixels: where crops are taken from: images "packed" at ``size``, the original "files",
                or "store256", pictures with a short side of 256 pixels; docs/streaming.md.
        """

        name: str
        root_name: str
        size: PositiveInt
        colour: Colour
        mean: tuple[float, float, float]
        std: tuple[float, float, float]
        test_share: OpenShare
        profile: Profile
        n_max: PositiveInt | None
        imbalance: Annotated[float, Ge(1)] | None
        subset: Rule
        split_replicate: NonNegativeInt
        val: Validation
        pixels: PixelMode = "packed"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        check_root_name(config.root_name)

    def card(self, seed: int = 0) -> Card:
        """Facts, with classes and counts from the prepared store."""
        return with_validation(self._full_card(self._store()), self.config.val)

    def _full_card(self, store: Store) -> Card:
        config, facts, parts = self.config, store.facts, store.meta["parts"]
        tested = set(parts["test"]["counts"])
        return Card(
            name=config.name + modes.suffix(config.pixels),
            title=f"{config.root_name}: images in class folders{modes.MODE_TITLES[config.pixels]}",
            classes=tuple(facts["classes"]),
            class_ids=tuple(facts["class_ids"]),
            counts=profiles.induced(
                config.profile, config.n_max, config.imbalance, parts["train"]["counts"]
            ),
            image_size=config.size,
            colour=config.colour,
            mean=config.mean,
            std=config.std,
            conventions=(LT20, LE20),
            protocol=1,
            licence="yours to know",
            url="",
            citation="",
            n_test_per_class=tested.pop() if len(tested) == 1 else None,
            split_rule=f"{config.profile} profile over sorted folders; {RULES[config.subset]}; "
            f"{facts['test']}",
            design="independent",
        )

    def content(self) -> str:
        """A hash of all pixels and labels."""
        return self._store().source_hash

    @property
    def _store_name(self) -> str:
        config = self.config
        shape = content_hash([config.size, config.colour, config.test_share], 6)
        return f"folder-{config.root_name}-{shape}{modes.suffix(config.pixels)}"

    def _store(self) -> Store:
        config = self.config
        words = f"dataset.root_name={config.root_name} dataset.size={config.size}"
        # what is as shipped need not be typed
        words += f" dataset.colour={config.colour}" * (config.colour != "RGB")
        words += f" dataset.test_share={config.test_share:g}" * (config.test_share != 0.2)
        words += modes.word(config.pixels)
        command = f"python -m benchmark prepare dataset=folder {words} source=PATH"
        return require(self._store_name, command)

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Pack {train,test}/<class>/<file>, or <class>/<file> with a seeded test share."""
        refuse_split(split, self.config.name)
        found = find(self._store_name)
        if found and (note := modes.moved(found, source)):
            return report(self.config.name, found, False, note)
        if found:
            note = f"delete it to prepare '{self.config.root_name}' from another source"
            return report(self.config.name, found, False, note)
        if source is None:
            raise DataError(
                "Expected source=PATH, but got none",
                where=self.config.name,
                todo="give a folder, zip or tar laid out train/<class>/<file> or <class>/<file>",
            )
        with open_archive(source) as archive:
            return build_report(self.config.name, self._plan(archive), progress)

    def _plan(self, archive: Archive) -> StorePlan:
        names, config = image_names(archive), self.config
        train, test, how = self._files(archive, names)
        reader = Reader(archive, config.size, config.colour)
        parts = (
            reader.part("train", dict(enumerate(train.values())), config.pixels),
            reader.part("test", dict(enumerate(test.values()))),
        )
        facts: dict[str, Any] = {
            "class_ids": list(train),
            "classes": [name.replace("_", " ") for name in train],
            "test": how,
        } | modes.facts(config.pixels, config.colour)
        source = describe(archive, "sorted by file name within a class")
        return StorePlan(
            self._store_name, config.size, parts, source, PROCESSING, facts, stamp(archive),
            modes.listed_root(config.pixels, archive),
        )  # fmt: skip

    def _files(self, archive: Archive, names: list[str]) -> tuple[Files, Files, str]:
        folders = {name.partition("/")[0] for name in names if "/" in name}
        inner = {name.split("/")[1] for name in names if name.count("/") > 1}
        if "train" in folders | (inner if len(folders) == 1 else set()):
            return self._two_trees(archive, names)
        prefix = folders.pop() if len(folders) == 1 else ""
        found = by_class(names, prefix)
        _check_enough(found, archive)
        share = self.config.test_share
        return *_shared_out(found, share), f"a seeded {share:.0%} of each class for testing"

    def _two_trees(self, archive: Archive, names: list[str]) -> tuple[Files, Files, str]:
        prefix = root_of(archive, names, "train")
        train = by_class(names, f"{prefix}train")
        tests = [part for part in ("test", "val") if by_class(names, prefix + part)]
        if not tests:
            raise DataError(
                "Expected a folder 'test' (or 'val') beside 'train', but got none",
                where=archive.path,
                todo="add one, or give the class folders alone for a seeded test share",
            )
        test = by_class(names, prefix + tests[0])
        _check_enough(train, archive)
        check_classes(test, list(train), f"{archive.path}: {prefix}{tests[0]}")
        return train, test, f"the folder '{tests[0]}' for testing"

    def load(self, seed: int) -> LongTailedData:
        """The same rows for every seed."""
        config, store = self.config, self._store()
        full = self._full_card(store)
        subset = Subset(
            rule="first-n" if config.profile == "natural" else config.subset,
            counts=full.counts,
            replicate=config.split_replicate,
            val=config.val,
            parameters={"profile": config.profile, "test": store.facts["test"]},
        )
        return from_store(store, with_validation(full, config.val), subset)


def _check_enough(found: Files, archive: Archive) -> None:
    if len(found) < 2:
        raise DataError(
            f"Expected at least 2 class folders of images, but got {len(found)}",
            where=archive.path,
            todo="lay images out as <class>/<file> or train/<class>/<file>",
        )


def _shared_out(found: Files, share: float) -> tuple[Files, Files]:
    train: Files = {}
    test: Files = {}
    for name, files in found.items():
        wanted = max(1, int(share * len(files)))
        if wanted >= len(files):
            raise DataError(
                f"Expected at least 2 images of '{name}', but got {len(files)}",
                where=name,
                todo="add images, or a test folder",
            )
        order = numpy_generator(0, "test share", name).permutation(len(files))
        taken = set(np.sort(order[:wanted]).tolist())
        train[name] = [file for row, file in enumerate(files) if row not in taken]
        test[name] = [file for row, file in enumerate(files) if row in taken]
    return train, test
