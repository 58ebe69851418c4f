"""Text-to-image supply: each class is filled with images generated from its name."""

from dataclasses import dataclass

from benchmark.component import Citation, Component, ImageRequest, Task
from benchmark.config import PositiveInt
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Drawn
from synaug.prompting import prompts_for

PAPER = Citation(
    authors="Ye-Bin, Hyeon-Woo, Choi, Kim, Kwak, Oh",
    title="Exploiting Synthetic Data for Data Imbalance Problems: "
    "Baselines from a Data Perspective",
    venue="arXiv",
    year=2023,
    url="https://arxiv.org/abs/2308.00994",
)


class TextToImage(Component):
    """Prompts name the class, and modifiers vary them; the budget defaults to uniform(n_max).

    The paper's "SYNAuG without Mixup and re-training": rows (a) and (b) of Table 2.

    Equation:
        added_k = max(n_max - n_k, 0),  x ~ G(. | template with class k and a modifier)

    Published:
        CIFAR-100-LT, ResNet-32, Stable Diffusion, IF 100/50/10:
            plain prompts, row (a): 52.41/56.99/66.34
            modifiers, row (b): 53.54/57.09/66.66

    Differences:
        The paper states neither the sampler, guidance and steps of its main table nor the training
        recipe: all of them are our choice.
        The modifier sets are our own.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            template: the prompt, with "{class}" and "{modifier}".
            modifiers: a modifier set; "dataset" is the one written for the data set, "none"
                gives plain prompts (row (a) of Table 2).
            set_size: use only the first modifiers of the set; None for all.
        """

        template: str
        modifiers: str
        set_size: PositiveInt | None = None

    def request_images(self, task: Task) -> ImageRequest:
        """Generated images, by default up to the largest class (U_beta with beta = n_max)."""
        prompts = prompts_for(
            self.config.template, self.config.modifiers, task, self.config.set_size
        )
        return ImageRequest(
            origin="synthetic",
            source=Drawn(prompts=prompts),
            default_budget=Budget(kind="uniform"),
            knowledge=prompts.knowledge,
        )
