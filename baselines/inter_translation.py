"""Inter-class translation: each class is filled with real images of any class turned into it."""

from dataclasses import dataclass

from baselines.translation import TranslationConfig, translation_request
from benchmark.component import Component, ImageRequest, Task
from synaug.t2i import PAPER


class InterTranslation(Component):
    """The generator starts from a noised real image of any class and draws the wanted one.

    The paper's "inter-class image translation" states no strength: .7 was chosen on held-out
    training rows of the digits. Prompts are those of text-to-image.
    Guides are drawn evenly over images, so mostly from the head.

    Equation:
        added_k = max(n_max - n_k, 0),  x ~ G(. | prompt of class k, r noised to strength s),
        r = a real image of any class

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 47.17/51.33/64.11 (groups 73.49/45.77/19.00)

    Differences:
        The paper states neither strength nor prompt: both are our choice.
        Every real image is a guide equally often: our choice, too.
    """

    citation = PAPER

    @dataclass(frozen=True, kw_only=True)
    class Config(TranslationConfig):
        """Settings; see ``TranslationConfig``."""

    def request_images(self, task: Task) -> ImageRequest:
        """Translated images, by default up to the largest class."""
        return translation_request(self.config, task, "inter")
