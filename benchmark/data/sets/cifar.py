"""CIFAR-10-LT and CIFAR-100-LT: 32-pixel photographs with an induced long tail."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from benchmark.config import NonNegativeInt, PositiveInt
from benchmark.data import official_cifar, profiles
from benchmark.data.archives import Archive, open_archive
from benchmark.data.assemble import Subset, from_store, with_validation
from benchmark.data.cards import Card
from benchmark.data.dataset import Dataset, LongTailedData, PrepareReport, refuse_split
from benchmark.data.groups import LE20, LT20
from benchmark.data.images import PROCESSING
from benchmark.data.prepare import (
    Reader,
    build_report,
    by_class,
    check_classes,
    check_counts,
    describe,
    image_names,
    report,
    root_of,
    stamp,
)
from benchmark.data.splits import RULES, Rule, Validation
from benchmark.data.store import PartPlan, StorePlan, find, require
from benchmark.errors import UsageError

SIZE = 32
TOTALS = {"train": 50_000, "test": 10_000}
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
NAMES_10 = "airplane automobile bird cat deer dog frog horse ship truck"
NAMES_100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup
dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid
otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray
road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""
CLASS_IDS = {10: tuple(NAMES_10.split()), 100: tuple(NAMES_100.split())}


class Cifar(Dataset):
    """CIFAR with a long-tailed training set and the whole, balanced test set."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            classes: 10 or 100.
            n_max: images of the head class.
            imbalance: n_max over the tail count, >= 1.
            profile: "exponential" or "step".
            subset: rule that chooses rows.
            split_replicate: which draw of the rule "replicate".
            val: "carve" takes floor(n_k / 10) training rows of each class for validation.
        """

        name: str
        classes: Literal[10, 100]
        n_max: PositiveInt
        imbalance: Annotated[float, Ge(1)]
        profile: Literal["exponential", "step"]
        subset: Rule
        split_replicate: NonNegativeInt
        val: Validation

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        if config.split_replicate and config.subset != "replicate":
            raise UsageError(
                f"Expected split_replicate=0 with subset={config.subset}, "
                f"but got {config.split_replicate}",
                where="dataset.split_replicate",
                todo="use dataset.subset=replicate",
            )
        self._full = self._make_card()

    def card(self, seed: int = 0) -> Card:
        """Facts; the split does not follow the run's seed."""
        return with_validation(self._full, self.config.val)

    def _make_card(self) -> Card:
        config, ids = self.config, CLASS_IDS[self.config.classes]
        available = [TOTALS["train"] // config.classes] * config.classes
        return Card(
            name=config.name,
            title=f"CIFAR-{config.classes}-LT, imbalance {config.imbalance:g}",
            classes=tuple(name.replace("_", " ") for name in ids),
            class_ids=ids,
            counts=profiles.induced(config.profile, config.n_max, config.imbalance, available),
            image_size=SIZE,
            colour="RGB",
            mean=MEAN,
            std=STD,
            conventions=(LT20, LE20),
            protocol=1,
            licence="none stated by the authors; research use",
            url="https://www.cs.toronto.edu/~kriz/cifar.html",
            citation="Krizhevsky, Learning multiple layers of features from tiny images, 2009; "
            "long-tailed by Cao et al., LDAM, NeurIPS 2019",
            n_test_per_class=TOTALS["test"] // config.classes,
            split_rule=f"{config.profile} profile; {RULES[config.subset]}",
            design="independent",
        )

    @property
    def _store_name(self) -> str:
        return f"cifar{self.config.classes}"

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Pack CIFAR from images, from the official archive, or by downloading that."""
        refuse_split(split, self.config.name)
        found = find(self._store_name)
        if found:
            return report(self.config.name, found, False)
        n_classes, path = self.config.classes, Path(source).expanduser() if source else None
        if path is None:
            return self._pack_official(official_cifar.download(n_classes), progress)
        if path.exists() and official_cifar.is_official(path, n_classes):
            return self._pack_official(official_cifar.read_official(path, n_classes), progress)
        with open_archive(path) as archive:
            return self._pack_images(archive, progress)

    def _pack_official(self, data: official_cifar.Official, progress: bool) -> PrepareReport:
        for plan in data.plans():
            counts = np.bincount(plan.labels, minlength=self.config.classes).tolist()
            self._check(plan.name, dict(zip(data.classes, counts, strict=True)), "official files")
        source = {"name": "official python archive", "order": "original"}
        return self._build(data.plans(), source, "official", progress)

    def _pack_images(self, archive: Archive, progress: bool) -> PrepareReport:
        names, reader = image_names(archive), Reader(archive, SIZE, "RGB")
        prefix, parts = root_of(archive, names, "train"), []
        for part in TOTALS:
            files = by_class(names, prefix + part)
            where = f"{archive.path}: {part}"
            check_classes(files, CLASS_IDS[self.config.classes], where)
            self._check(part, {name: len(own) for name, own in files.items()}, where)
            parts.append(reader.part(part, dict(enumerate(files.values()))))
        source = describe(archive, "sorted by file name within a class")
        return self._build(tuple(parts), source, stamp(archive), progress)

    def _check(self, part: str, counts: dict[str, int], where: str) -> None:
        expected = TOTALS[part] // self.config.classes
        check_counts(counts, expected, where, "give the complete data set, untouched")

    def _build(
        self, parts: tuple[PartPlan, ...], source: dict[str, Any], mark: str, progress: bool
    ) -> PrepareReport:
        plan = StorePlan(self._store_name, SIZE, parts, source, PROCESSING, {}, mark)
        note = f"rows in {source['order']} order"
        return build_report(self.config.name, plan, progress, note)

    def load(self, seed: int) -> LongTailedData:
        """The same rows for every seed."""
        config = self.config
        command = f"python -m benchmark prepare dataset={config.name}"
        subset = Subset(
            rule=config.subset,
            counts=self._full.counts,
            replicate=config.split_replicate,
            val=config.val,
            parameters={"profile": config.profile},
        )
        return from_store(require(self._store_name, command), self.card(seed), subset)
