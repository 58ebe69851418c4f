"""Which records may share a leaderboard.

One data set with its pixels, protocols of data and harness, split rule, recipe, step rule,
selection, backbone with its options, and one rule of what is equal across methods.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.generation.protocols import NEUTRAL
from benchmark.recording.record_models import Record
from benchmark.system.files import content_hash


@dataclass(frozen=True, order=True)
class TableKey:
    """What all rows of a table share.

    ``protocol`` is the data set's, ``harness`` the one of the harness. ``backbone`` is the name
    with the options given to it. ``budget_rule`` is what is equal across methods; "" for images.
    ``images`` is what a data set's settings leave open: size, colour, normalisation, and the hash
    of images of one's own; "" where there is no choice.
    """

    dataset: str
    protocol: int
    split_rule: str
    recipe: str
    recipe_hash: str
    steps_rule: str
    backbone: str
    selection: str
    budget_rule: str = ""
    harness: int = 1
    images: str = ""

    @property
    def short_hash(self) -> str:
        """Eight hex digits that tell tables apart, for file names."""
        values = {name: str(value) for name, value in vars(self).items()}
        if not self.budget_rule:
            del values["budget_rule"]
        # file names of the first protocol stay what they were
        if self.harness == 1:
            del values["harness"]
        if not self.images:
            del values["images"]
        return content_hash(list(values.values()), 8)


def key_of(record: Record) -> TableKey:
    """The table a record belongs to."""
    return TableKey(
        dataset=record.dataset.name,
        protocol=record.protocol,
        split_rule=record.dataset.split.rule_hash,
        recipe=record.recipe.name,
        recipe_hash=content_hash(record.recipe.config),
        steps_rule=record.recipe.steps_rule,
        backbone=_backbone(record),
        selection=record.selection,
        budget_rule=_budget_rule(record),
        harness=_harness(record),
        images=_images(record),
    )


def _part(record: Record, name: str) -> Mapping[str, Any]:
    found = record.experiment.config.get(name)
    return found if isinstance(found, Mapping) else {}


def _backbone(record: Record) -> str:
    options = _part(record, "backbone").get("options") or {}
    given = ", ".join(f"{name}={options[name]}" for name in sorted(options))
    return record.backbone.name + (f" ({given})" if given else "")


def _images(record: Record) -> str:
    data = _part(record, "dataset")
    size, content = data.get("size"), record.experiment.config.get("content")
    scale = {name: data[name] for name in ("mean", "std") if name in data}
    parts = (
        f"{size} px" if size else "",
        str(data.get("colour", "")),
        f"scaled by {content_hash(scale, 8)}" if scale else "",
        f"images {content:.8}" if isinstance(content, str) else "",
    )
    return ", ".join(part for part in parts if part)


def _harness(record: Record) -> int:
    found = record.experiment.config.get("protocol", 1)
    return found if isinstance(found, int) else 1


def _budget_rule(record: Record) -> str:
    """What is equal across methods, with the sum that is; device time on one device only."""
    used, cost = record.budget, record.cost.generation
    if used.protocol == NEUTRAL:
        return ""
    if used.limit is None:
        return used.protocol
    if used.protocol == "iso_nfe":
        return f"{used.protocol} {used.limit:.0f} network calls"
    # a method that draws nothing stands beside those that draw on its device
    return f"{used.protocol} {used.limit:g} s on {(cost or record.cost.training).device}"
