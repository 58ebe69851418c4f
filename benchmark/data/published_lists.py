"""Published lists that are not shipped: what they hold, to tell them from lists of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.data.row_lists import RowLists
from benchmark.errors import IntegrityError
from benchmark.system.files import content_hash


@dataclass(frozen=True)
class Published:
    """Facts of published lists.

    Attributes:
        title: of the data set.
        rows: training rows.
        counts_hash: ``hash_counts`` of the training rows of each class, in label order.
        n_test: test rows of each class.
        licence: what the images may be used for.
        url: where the lists are.
        citation: the paper to cite.
    """

    title: str
    rows: int
    counts_hash: str
    n_test: int
    licence: str
    url: str
    citation: str

    def check(self, lists: RowLists) -> None:
        """Refuse lists with other counts.

        Raises:
            IntegrityError: says what is different.
        """
        train, tested = lists.counts["train"], set(lists.counts["test"])
        if hash_counts(train) != self.counts_hash:
            raise IntegrityError(
                f"Expected the counts of {self.title} ({self.rows:,} training rows), but got "
                f"others ({sum(train):,} training rows of {len(train):,} classes)",
                where=lists.rows["train"][0].where.rpartition(":")[0],
                todo="fetch the list again; lists of your own: dataset=listed",
            )
        if tested != {self.n_test}:
            raise IntegrityError(
                f"Expected {self.n_test} test rows of each class, but got {min(tested)} to "
                f"{max(tested)}",
                where=lists.rows["test"][0].where.rpartition(":")[0],
                todo="fetch the list again; lists of your own: dataset=listed",
            )


def hash_counts(counts: Sequence[int]) -> str:
    """Hash of the training rows of each class, in label order."""
    return content_hash(list(counts), 16)


PUBLISHED = {
    "imagenet-lt": Published(
        title="ImageNet-LT",
        rows=115_846,
        counts_hash="42e054083a6f5fde",
        n_test=50,
        licence="ImageNet's terms: non-commercial research and education",
        url="https://github.com/zhmiao/OpenLongTailRecognition-OLTR",
        citation="Liu et al., Large-scale long-tailed recognition in an open world, CVPR 2019",
    )
}
