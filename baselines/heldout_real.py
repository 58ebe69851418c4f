"""Real training images from outside the long-tailed subset: an oracle, not a method."""

from benchmark.component import Component, ImageRequest, Task
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Heldout


class HeldoutReal(Component):
    """Fills the budget with perfect images: the bound that generated ones can approach.

    The images are part of the original training set, never of the test set. Rows are tagged
    "oracle" on every leaderboard.

    Equation:
        added_k = max(n_max - n_k, 0),  x from the training images that the long tail left out

    Published:
        none: a bound, which no method may use

    Differences:
        none known
    """

    def request_images(self, task: Task) -> ImageRequest:
        """Held-out real rows, by default up to the largest class."""
        return ImageRequest(
            origin="heldout_real",
            source=Heldout(),
            default_budget=Budget(kind="uniform"),
            knowledge=("heldout-real-images",),
        )
