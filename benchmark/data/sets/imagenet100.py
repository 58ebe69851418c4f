"""ImageNet100-LT: 100 ImageNet classes, 12,205 training images, the counts of SDCLR's split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark.config import PositiveInt
from benchmark.data import imagenet100_lists as lists
from benchmark.data import listed, splits
from benchmark.data.archives import Archive, open_archive
from benchmark.data.assemble import with_validation
from benchmark.data.cards import IMAGENET_MEAN, IMAGENET_STD, Card
from benchmark.data.dataset import Dataset, LongTailedData, PrepareReport
from benchmark.data.groups import GE100, LE20, LT20
from benchmark.data.imagenet100_lists import COUNTS, NAMES, WNIDS
from benchmark.data.keeping import PixelMode
from benchmark.data.prepare import build_report, image_names, report, root_of
from benchmark.data.row_lists import RowLists
from benchmark.data.store import StorePlan, find, require
from benchmark.data.streaming import modes
from benchmark.errors import DataError, UsageError

RULES = {
    "published": "the rows of SDCLR's published ImageNet-100-LT lists",
    "drawn": "SDCLR's counts, rows drawn by a seeded permutation of each class's sorted files",
}

_INCOMPLETE = "give the complete ImageNet, or draw rows yourself: dataset.rows=drawn"


class ImageNet100(Dataset):
    """100 classes of ImageNet with a published natural-looking tail, 1,280 images to 6."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            size: height and width in pixels.
            rows: "published" needs SDCLR's lists; "drawn" draws as many rows by itself.
            keep_heldout: also pack the training images outside the subset (much disk).
            val: "extra" is 20 images a class from outside the subset; "carve" takes floor(n_k /
                10) of each class out of it.
            pixels: where crops are taken from: images "packed" at ``size``, the original "files",
                or "store256", pictures with a short side of 256 pixels; docs/streaming.md.
        """

        name: str
        size: PositiveInt
        rows: Literal["published", "drawn"]
        keep_heldout: bool
        val: Literal["none", "carve", "extra"]
        pixels: PixelMode = "packed"

    def card(self, seed: int = 0) -> Card:
        """Facts; the split does not follow the run's seed."""
        card = Card(
            name=self.config.name + modes.suffix(self.config.pixels),
            title="ImageNet100-LT, 100 ImageNet classes, imbalance 213"
            + modes.MODE_TITLES[self.config.pixels],
            classes=NAMES,
            class_ids=WNIDS,
            counts=COUNTS,
            image_size=self.config.size,
            colour="RGB",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            conventions=(LT20, LE20, GE100),
            protocol=1,
            licence="ImageNet's terms: non-commercial research and education",
            url="https://github.com/VITA-Group/SDCLR",
            citation="Jiang et al., Self-damaging contrastive learning, ICML 2021; classes of "
            "Tian et al., Contrastive multiview coding, ECCV 2020",
            n_test_per_class=50,
            split_rule=RULES[self.config.rows],
            design="independent",
        )
        return with_validation(card, "carve") if self.config.val == "carve" else card

    @property
    def _store_name(self) -> str:
        config = self.config
        extent = f"{config.rows}{'-all' if config.keep_heldout else ''}"
        return f"imagenet100-{config.size}-{extent}{modes.suffix(config.pixels)}"

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Pack the chosen rows of an ImageNet tree: {train,val}/<wnid>/<file>."""
        found = find(self._store_name)
        if found:
            return report(self.config.name, found, False, modes.moved(found, source))
        chosen = self._published(split)
        if source is None:
            raise DataError(
                "Expected source=PATH: ImageNet cannot be downloaded without an account",
                where=self.config.name,
                todo="give the folder that holds train/<wnid>/ and val/<wnid>/",
            )
        with open_archive(source, skip_folder=listed.other_classes(WNIDS)) as archive:
            return build_report(self.config.name, self._plan(archive, chosen), progress)

    def _published(self, split: str | None) -> RowLists | None:
        if self.config.rows == "drawn":
            if split is not None:
                raise UsageError(
                    "Expected no lists with dataset.rows=drawn, but got one",
                    where="split",
                    todo="leave split out, or use dataset.rows=published",
                )
            return None
        if split is None:
            raise DataError(
                "Expected split=FOLDER with the published lists, but got none",
                where=self.config.name,
                todo="take split/imagenet-100 of github.com/VITA-Group/SDCLR, "
                "or draw rows yourself: dataset.rows=drawn",
            )
        return lists.read_published(Path(split))

    def _plan(self, archive: Archive, chosen: RowLists | None) -> StorePlan:
        names, config = image_names(archive), self.config
        prefix = root_of(archive, names, "train")
        train, test = listed.class_files(archive, names, prefix, WNIDS, ("train", "val"))
        if chosen:
            found = listed.chosen_files(chosen, names, prefix, train, _INCOMPLETE)
        else:
            found = lists.drawn(train, WNIDS, COUNTS, lists.EXTRA, "imagenet100lt")
            found["test"] = test
        packing = listed.Packing(self._store_name, config.size, config.pixels, config.keep_heldout)
        order = "as in the published lists" if chosen else "drawn, stream 0"
        facts = {"rows": config.rows, "lists": lists.SHA256 if chosen else {}}
        return listed.store_plan(archive, found, packing, order, facts)

    def load(self, seed: int) -> LongTailedData:
        """The same rows for every seed."""
        config = self.config
        lists_too = " split=FOLDER" if config.rows == "published" else " dataset.rows=drawn"
        words = f"dataset={config.name}{modes.word(config.pixels)}"
        command = f"python -m benchmark prepare {words} source=PATH{lists_too}"
        store = require(self._store_name, command)
        hashed = splits.rule_hash(config.rows, val=config.val, counts=list(COUNTS))
        return listed.load(store, self.card(seed), config.val, config.rows, hashed)
