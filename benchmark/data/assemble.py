"""From a prepared store and a rule to the rows of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data import splits
from benchmark.data.cards import Card
from benchmark.data.dataset import LongTailedData
from benchmark.data.rows import ImageTable
from benchmark.data.splits import Rows, Rule, SplitInfo, Validation
from benchmark.data.store import Store


@dataclass(frozen=True)
class Subset:
    """How a long-tailed subset is drawn from a store's "train" part.

    Attributes:
        rule: a name in ``splits.RULES``.
        counts: rows wanted of each class before validation rows are taken out.
        replicate: which draw.
        val: "carve" takes floor(n_k / 10) of each class for validation.
        parameters: what else the rule depends on; enters the rule's hash.
    """

    rule: Rule
    counts: tuple[int, ...]
    replicate: int
    val: Validation
    parameters: dict[str, Any]

    @property
    def rule_hash(self) -> str:
        """Hash of the rule, without the replicate."""
        given = {"counts": list(self.counts), "val": self.val, **self.parameters}
        return splits.rule_hash(self.rule, **given)


def with_validation(card: Card, val: Validation) -> Card:
    """The card after validation rows are taken out of the training rows.

    Raises:
        UsageError: the few-shot classes would get no validation row.
    """
    if val == "none":
        return card
    splits.check_carvable(card.counts, card.conventions[0])
    carved = splits.carved_counts(card.counts)
    kept = tuple(count - taken for count, taken in zip(card.counts, carved, strict=True))
    return replace(card, counts=kept, carved=carved)


def from_store(store: Store, card: Card, subset: Subset) -> LongTailedData:
    """Draw the subset from parts "train" and "test" of a store."""
    labels, digests = store.labels("train"), store.digests("train")
    chosen = splits.choose(subset.rule, labels, subset.counts, subset.replicate)
    train, val = _carved(chosen, subset)
    rows = concatenated(train)
    info = SplitInfo(
        rule=subset.rule,
        replicate=subset.replicate,
        rule_hash=subset.rule_hash,
        rows_hash=splits.rows_hash(digests[rows], labels[rows]),
        source_hash=store.source_hash,
    )
    everything = store.table("train")
    return LongTailedData(
        card=card,
        train=everything.select(rows),
        val=_optional(everything, val),
        heldout=everything.select(splits.rest(len(labels), chosen)),
        test=store.table("test"),
        split=info,
    )


def _carved(chosen: Rows, subset: Subset) -> tuple[Rows, Rows]:
    return splits.carve(chosen, subset.replicate) if subset.val == "carve" else (chosen, [])


def _optional(table: ImageTable, rows: Rows) -> ImageTable | None:
    return table.select(concatenated(rows)) if rows else None


def concatenated(rows: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of all classes one after the other, int64 (n,)."""
    return np.concatenate(rows) if len(rows) else np.empty(0, np.int64)
