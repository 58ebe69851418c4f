"""A class tree with official list files: ImageNet-LT, or a tree and lists of your own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark.config import PositiveInt
from benchmark.data import class_names, listed, splits
from benchmark.data.archives import Archive, open_archive
from benchmark.data.assemble import with_validation
from benchmark.data.cards import IMAGENET_MEAN, IMAGENET_STD, Card
from benchmark.data.dataset import Dataset, LongTailedData, PrepareReport, check_root_name
from benchmark.data.groups import GE100, LE20, LT20, scaled
from benchmark.data.keeping import PixelMode
from benchmark.data.prepare import build_report, image_names, report, root_of
from benchmark.data.published_lists import PUBLISHED
from benchmark.data.row_lists import RowLists, find_lists, read_lists
from benchmark.data.store import Store, StorePlan, find, require
from benchmark.data.streaming import modes
from benchmark.errors import DataError, UsageError


class Listed(Dataset):
    """Rows of official list files, train/<class>/<file> <label>, out of a tree of class folders."""

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            name: of the data set.
            root_name: what the prepared images are called in the cache.
            published: lists whose published counts are asked for, or "none" for lists of one's own.
            size: height and width in pixels.
            groups: "fixed" borders of 100 and 20 images, or "scaled" to the largest class: Many
                above 0.4 of it, Few below 0.1.
            keep_heldout: also pack the training images of these classes that no list names.
            val: "extra" is the validation list; "carve" takes floor(n_k / 10) training rows of
                each class.
            pixels: where crops are taken from: images "packed" at ``size``, the original "files",
                or "store256", pictures with a short side of 256 pixels; docs/streaming.md.
        """

        name: str
        root_name: str
        published: Literal["none", "imagenet-lt"]
        size: PositiveInt
        groups: Literal["fixed", "scaled"]
        keep_heldout: bool
        val: Literal["none", "carve", "extra"]
        pixels: PixelMode = "packed"

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        check_root_name(config.root_name)

    def card(self, seed: int = 0) -> Card:
        """Facts, with classes and counts from the prepared store."""
        card = self._full_card(self._store())
        return with_validation(card, "carve") if self.config.val == "carve" else card

    def _full_card(self, store: Store) -> Card:
        config, facts, parts = self.config, store.facts, store.meta["parts"]
        counts = tuple(int(count) for count in parts["train"]["counts"])
        known, tested = PUBLISHED.get(config.published), set(parts["test"]["counts"])
        title = known.title if known else f"{config.root_name}: rows of list files"
        return Card(
            name=config.name + modes.suffix(config.pixels),
            title=title + modes.MODE_TITLES[config.pixels],
            classes=tuple(facts["classes"]),
            class_ids=tuple(facts["class_ids"]),
            counts=counts,
            image_size=config.size,
            colour="RGB",
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            conventions=scaled(max(counts)) if config.groups == "scaled" else (LT20, LE20, GE100),
            protocol=1,
            licence=known.licence if known else "yours to know",
            url=known.url if known else "",
            citation=known.citation if known else "",
            n_test_per_class=tested.pop() if len(tested) == 1 else None,
            split_rule=f"the rows of list files ({facts['lists']})",
            design="independent",
        )

    def content(self) -> str:
        """A hash of all pixels and labels; "" for published rows, which everybody has alike."""
        return "" if PUBLISHED.get(self.config.published) else self._store().source_hash

    @property
    def _store_name(self) -> str:
        config = self.config
        extent = "-all" if config.keep_heldout else ""
        return f"listed-{config.root_name}-{config.size}{extent}{modes.suffix(config.pixels)}"

    def _store(self) -> Store:
        config = self.config
        own = "" if PUBLISHED.get(config.published) else f" dataset.root_name={config.root_name}"
        words = f"dataset={'listed' if own else config.name}{own}{modes.word(config.pixels)}"
        kept = " dataset.keep_heldout=true" if config.keep_heldout else ""
        size = f" dataset.size={config.size}{kept}"
        command = f"python -m benchmark prepare {words}{size} source=PATH split=FOLDER"
        return require(self._store_name, command)

    def prepare(
        self, source: str | None, *, split: str | None = None, progress: bool = True
    ) -> PrepareReport:
        """Pack the listed rows of {train,val,test}/<class>/<file>."""
        found = find(self._store_name)
        lists = read_lists(find_lists(Path(split))) if split is not None else None
        if lists:
            self._check(lists)
        if found:
            self._check_same(lists, found)
            return report(self.config.name, found, False, modes.moved(found, source))
        if lists is None or source is None:
            raise DataError(
                "Expected source=PATH and split=FOLDER, but got "
                + ("no images" if lists else "no lists"),
                where=self.config.name,
                todo="give the folder, zip or tar that holds train/<class>/<file>, and the folder "
                "of the lists of training and test rows",
            )
        with open_archive(source, skip_folder=listed.other_classes(lists.ids)) as archive:
            plan = self._plan(archive, lists, class_names.in_folder(Path(split or "")))
            return build_report(self.config.name, plan, progress)

    def _check(self, lists: RowLists) -> None:
        known = PUBLISHED.get(self.config.published)
        if known:
            known.check(lists)
        if self.config.val == "extra" and "val" not in lists.rows:
            raise DataError(
                "Expected a list of validation rows for dataset.val=extra, but got none",
                where="dataset.val",
                todo="add NAME_val.txt to the lists, or use dataset.val=carve",
            )

    def _check_same(self, lists: RowLists | None, found: Store) -> None:
        if lists and lists.digest != found.facts["lists"]:
            raise UsageError(
                f"Expected the lists that '{self.config.root_name}' was prepared with "
                f"({found.facts['lists']}), but got others ({lists.digest})",
                where=found.folder,
                todo="call these rows otherwise, dataset.root_name=NAME, or delete that folder",
            )

    def _plan(self, archive: Archive, lists: RowLists, beside: class_names.Synonyms) -> StorePlan:
        names, config = image_names(archive), self.config
        prefix = root_of(archive, names, "train")
        folders = sorted({"train", *lists.folders}, key="train".__ne__)
        train, *_ = listed.class_files(archive, names, prefix, lists.ids, folders)
        todo = "give the tree that the lists were made for, complete"
        found = listed.chosen_files(lists, names, prefix, train, todo)
        packing = listed.Packing(self._store_name, config.size, config.pixels, config.keep_heldout)
        called: Mapping[str, Any] = (
            class_names.of_imagenet() | class_names.in_archive(archive, prefix) | beside
        )
        facts = {
            "class_ids": list(lists.ids),
            "classes": class_names.distinct(lists.ids, called),
            "lists": lists.digest,
        }
        return listed.store_plan(archive, found, packing, "as in the lists", facts)

    def load(self, seed: int) -> LongTailedData:
        """The same rows for every seed."""
        config, store = self.config, self._store()
        if config.val == "extra" and "val" not in store.meta["parts"]:
            raise DataError(
                "Expected validation rows, but the data set was prepared without a list of them",
                where=store.folder,
                todo="use dataset.val=carve, or delete that folder and prepare with NAME_val.txt",
            )
        hashed = splits.rule_hash("listed", val=config.val, lists=store.facts["lists"])
        return listed.load(store, self.card(seed), config.val, "listed", hashed)
