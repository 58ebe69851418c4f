"""Which records may share a leaderboard.

One data set, protocols of data and harness, split rule, recipe, step rule, selection, backbone, and
one rule of what is equal across methods.
"""

from dataclasses import dataclass

from benchmark.generation.protocols import NEUTRAL
from benchmark.recording.record_models import Record
from benchmark.system.files import content_hash


@dataclass(frozen=True, order=True)
class TableKey:
    """What all rows of a table share.

    ``protocol`` is the data set's, ``harness`` the one of the harness. ``budget_rule`` is what is
    equal across methods; "" for equal images.
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

    @property
    def short_hash(self) -> str:
        """Eight hex digits that tell tables apart, for file names."""
        values = {name: str(value) for name, value in vars(self).items()}
        if not self.budget_rule:
            del values["budget_rule"]
        # file names of the first protocol stay what they were
        if self.harness == 1:
            del values["harness"]
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
        backbone=record.backbone.name,
        selection=record.selection,
        budget_rule=_budget_rule(record),
        harness=_harness(record),
    )


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
    return f"{used.protocol} {used.limit:g} s on {cost.device if cost else 'no device'}"
