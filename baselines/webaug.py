"""Images found on the web: a baseline that adds more real photographs, not generated ones."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from benchmark.component import Component, ImageRequest, Task
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Collected
from synaug.t2i import PAPER

RENDERINGS = "module:synaug.embedded.web_folder"
WITH_DATASET = {"digitslt": RENDERINGS, "digitslt100": RENDERINGS}


def with_dataset(source: str, dataset: str) -> str:
    """The location that ``source`` stands for: "dataset" is what comes with the data set."""
    return WITH_DATASET.get(dataset, source) if source == "dataset" else source


class WebAug(Component):
    """Fills the budget with web images; near-duplicates of test images are always left out.

    A search can return the very photographs that the test set was made from, so no setting lets
    them in. The images are fetched beforehand; a run never reaches the network.

    Equation:
        added_k = max(n_max - n_k, 0),  x from what a search for the name of class k finds

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 54.06/56.40/63.86 (groups 72.71/51.21/36.13)

    Differences:
        How the paper searched and filtered is not known to us; bring your own images by ``source``.
        Near-duplicates of test images are always dropped.
        On the digits, renderings of fonts stand in for a search.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            source: a folder of class folders, an archive, a list of URLs that was fetched, or the
                key of a stored collection; "dataset" is what comes with the data set.
        """

        source: Annotated[str, MinLen(1)]

    def request_images(self, task: Task) -> ImageRequest:
        """Web images, by default up to the largest class."""
        location = with_dataset(self.config.source, task.dataset)
        return ImageRequest(
            origin="web",
            source=Collected(location=location, near_test="drop"),
            default_budget=Budget(kind="uniform"),
            knowledge=("web-images",),
        )
