"""Tiny-ImageNet-LT: 64-pixel photographs, 200 classes (or fewer) with an induced long tail."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge

from benchmark.config import NonNegativeInt, PositiveInt
from benchmark.data import profiles
from benchmark.data.archives import Archive, open_archive
from benchmark.data.assemble import Subset, from_store, with_validation
from benchmark.data.cards import IMAGENET_MEAN, IMAGENET_STD, Card
from benchmark.data.class_names import readable_names
from benchmark.data.dataset import Dataset, LongTailedData, PrepareReport, refuse_split
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
from benchmark.data.splits import RULES, Rule, Validation
from benchmark.data.store import Store, StorePlan, find, require
from benchmark.data.streaming import modes
from benchmark.errors import DataError, IntegrityError

ANNOTATIONS = "val_annotations.txt"


class TinyImageNet(Dataset):
    """Tiny-ImageNet; its validation images, whose labels are public, are the test set."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            classes: classes in the source; 200 in the official archive.
            size: height and width in pixels.
            n_max: images of the head class; every class of the source must have as many.
            imbalance: n_max over the tail count, >= 1.
            profile: "exponential" or "step", over the sorted WordNet ids.
            subset: rule that chooses rows.
            split_replicate: which draw of the rule "replicate".
            val: "carve" takes floor(n_k / 10) training rows of each class for validation.
            pixels: where crops are taken from: images "packed" at ``size``, the original "files",
                or "store256", pictures with a short side of 256 pixels; docs/streaming.md.
        """

        name: str
        classes: PositiveInt
        size: PositiveInt
        n_max: PositiveInt
        imbalance: Annotated[float, Ge(1)]
        profile: Literal["exponential", "step"]
        subset: Rule
        split_replicate: NonNegativeInt
        val: Validation
        pixels: PixelMode = "packed"

    def card(self, seed: int = 0) -> Card:
        """Facts, with class names from the prepared store."""
        return with_validation(self._full_card(self._store()), self.config.val)

    def _full_card(self, store: Store) -> Card:
        config, facts = self.config, store.facts
        available = [int(count) for count in store.meta["parts"]["train"]["counts"]]
        tested = set(store.meta["parts"]["test"]["counts"])
        return Card(
            name=config.name + modes.suffix(config.pixels),
            title=f"Tiny-ImageNet-LT, {config.classes} classes, imbalance {config.imbalance:g}"
            + modes.MODE_TITLES[config.pixels],
            classes=tuple(facts["classes"]),
            class_ids=tuple(facts["class_ids"]),
            counts=profiles.induced(config.profile, config.n_max, config.imbalance, available),
            image_size=config.size,
            colour="RGB",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            conventions=(LT20, LE20),
            protocol=1,
            licence="ImageNet's terms: non-commercial research and education",
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
            citation="Le and Yang, Tiny ImageNet visual recognition challenge, 2015; "
            "long-tailed by Cao et al., LDAM, NeurIPS 2019",
            n_test_per_class=tested.pop() if len(tested) == 1 else None,
            split_rule=f"{config.profile} profile over sorted ids; {RULES[config.subset]}",
            design="independent",
        )

    @property
    def _store_name(self) -> str:
        shape = f"{self.config.classes}-{self.config.size}"
        return f"tinyimagenet{shape}{modes.suffix(self.config.pixels)}"

    def _store(self) -> Store:
        settings = (
            ""
            if self.config.classes == 200
            else (f" dataset.classes={self.config.classes} dataset.n_max={self.config.n_max}")
        )
        settings += modes.word(self.config.pixels)
        command = f"python -m benchmark prepare dataset=tinyimagenetlt{settings} source=PATH"
        return require(self._store_name, command)

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Pack the official archive, or {train,val}/<wnid>/<file>."""
        refuse_split(split, self.config.name)
        found = find(self._store_name)
        if found:
            return report(self.config.name, found, False, modes.moved(found, source))
        if source is None:
            raise DataError(
                "Expected source=PATH: Tiny-ImageNet is not downloaded for you",
                where=self.config.name,
                todo="give tiny-imagenet-200.zip, its folder, or {train,val}/<wnid>/<file>",
            )
        with open_archive(source) as archive:
            return build_report(self.config.name, self._plan(archive), progress)

    def _plan(self, archive: Archive) -> StorePlan:
        names, config = image_names(archive), self.config
        prefix = root_of(archive, names, "train")
        train = by_class(names, f"{prefix}train")
        self._check(train, archive)
        test = _test_files(archive, names, prefix)
        check_classes(test, list(train), f"{archive.path}: {prefix}val")
        reader = Reader(archive, config.size, "RGB")
        parts = (
            reader.part("train", dict(enumerate(train.values())), config.pixels),
            reader.part("test", dict(enumerate(test.values()))),
        )
        readable = readable_names(archive, prefix)
        facts: dict[str, Any] = {
            "class_ids": list(train),
            "classes": [readable.get(wnid, wnid) for wnid in train],
        } | modes.facts(config.pixels, "RGB")
        source = describe(archive, "sorted by file name within a class")
        return StorePlan(
            self._store_name, config.size, parts, source, PROCESSING, facts, stamp(archive),
            modes.listed_root(config.pixels, archive),
        )  # fmt: skip

    def _check(self, train: dict[str, list[str]], archive: Archive) -> None:
        if len(train) != self.config.classes:
            raise DataError(
                f"Expected {self.config.classes} classes, but got {len(train)}",
                where=archive.path,
                todo=f"set dataset.classes={len(train)} if that is meant",
            )
        short = {wnid: len(own) for wnid, own in train.items() if len(own) < self.config.n_max}
        for wnid, count in short.items():
            raise DataError(
                f"Expected at least {self.config.n_max} images a class, but got {count} in {wnid}"
                + (f" and too few in {len(short) - 1} more" if len(short) > 1 else ""),
                where=archive.path,
                todo=f"set dataset.n_max={min(short.values())} if that is meant",
            )

    def load(self, seed: int) -> LongTailedData:
        """The same rows for every seed."""
        config, store = self.config, self._store()
        subset = Subset(
            rule=config.subset,
            counts=self._full_card(store).counts,
            replicate=config.split_replicate,
            val=config.val,
            parameters={"profile": config.profile},
        )
        return from_store(store, self.card(seed), subset)


def _test_files(archive: Archive, names: Sequence[str], prefix: str) -> dict[str, list[str]]:
    annotations = f"{prefix}val/{ANNOTATIONS}"
    if annotations not in archive.sizes:
        return by_class(names, f"{prefix}val")
    files: dict[str, list[str]] = {}
    for line in archive.read(annotations).decode("utf-8", "replace").splitlines():
        file, tab, rest = line.partition("\t")
        wnid = rest.partition("\t")[0]
        if not tab or not wnid:
            raise IntegrityError(
                f"Expected a file and its class in each line, but got '{line[:60]}'",
                where=f"{archive.path}: {annotations}",
                todo="fetch the archive again",
            )
        name = f"{prefix}val/images/{file}"
        if name not in archive.sizes:
            raise IntegrityError(
                f"Expected the image that {ANNOTATIONS} names, but it is missing",
                where=f"{archive.path}: {name}",
                todo="fetch the archive again",
            )
        files.setdefault(wnid, []).append(name)
    return {wnid: sorted(own) for wnid, own in sorted(files.items())}
