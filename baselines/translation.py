"""Image-to-image translation of real training images: what both of the paper's variants share."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen

from benchmark.component import ImageRequest, Task
from benchmark.generation.budget import Budget
from benchmark.generation.sources import Drawn, Guides, Strength
from synaug.prompting import prompts_for


@dataclass(frozen=True, kw_only=True)
class TranslationConfig:
    """Settings.

    Attributes:
        template: the prompt, with "{class}" and "{modifier}".
        modifiers: a modifier set, "dataset" for the one written for the data set, or "none".
        strengths: how far an image leaves its guide, in (0, 1]; they take turns over the images
            of a class.
        over: whether guides of any class are drawn evenly over "images" or over "classes".
    """

    template: str
    modifiers: str
    strengths: Annotated[tuple[Strength, ...], MinLen(1)]
    over: Literal["images", "classes"] = "images"


def translation_request(
    config: TranslationConfig, task: Task, pairing: Literal["intra", "inter"]
) -> ImageRequest:
    """Images drawn from real ones, by default up to the largest class.

    Args:
        config: settings.
        task: the problem.
        pairing: guides of the image's own class, or of any class.
    """
    prompts = prompts_for(config.template, config.modifiers, task)
    guides = Guides(pairing=pairing, strengths=config.strengths, over=config.over)
    return ImageRequest(
        origin="synthetic",
        source=Drawn(prompts=prompts, guides=guides),
        default_budget=Budget(kind="uniform"),
        knowledge=prompts.knowledge,
    )
