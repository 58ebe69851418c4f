"""Images that somebody else generated, with or without metadata."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from baselines.webaug import with_dataset
from benchmark.component import Component, ImageRequest, Task
from benchmark.config import NonNegativeInt
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Collected


class Imported(Component):
    """Fills the budget with images from a folder, an archive or a stored collection.

    For images of a generator that this suite cannot run: a service, another codebase, a published
    set. What they took is stated by whoever brings them, or unknown.

    Equation:
        added_k = max(n_max - n_k, 0),  x from the collection's images of class k

    Published:
        none

    Differences:
        none known
    """

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            source: a folder of class folders, an archive, the folder of a pool, or the key of a
                stored collection; "dataset" is what comes with the data set.
            near_test: what is done about near-duplicates of test images.
            knowledge: outside knowledge that the images bring, as tags.
            network_calls_per_image: what one image took, where its metadata does not say; null if
                nobody knows.
        """

        source: Annotated[str, MinLen(1)]
        near_test: Literal["report", "drop"]
        knowledge: tuple[str, ...]
        network_calls_per_image: NonNegativeInt | None

    def request_images(self, task: Task) -> ImageRequest:
        """Images of somebody else, by default up to the largest class."""
        config = self.config
        source = Collected(
            location=with_dataset(config.source, task.dataset),
            near_test=config.near_test,
            network_calls_per_image=config.network_calls_per_image,
        )
        return ImageRequest(
            origin="synthetic",
            source=source,
            default_budget=Budget(kind="uniform"),
            knowledge=config.knowledge,
        )
