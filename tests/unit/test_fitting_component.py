"""What the component that fits a generator asks for."""

from typing import Any

import pytest

from benchmark.component import ImageRequest
from benchmark.errors import UsageError
from benchmark.generation.fitting.config import FitConfig
from benchmark.generation.sources import Drawn
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece, tiny_task

NAME = "distribution_fitting"


def asked(**changes: Any) -> ImageRequest:
    piece = Piece(COMPONENTS.load(NAME), shipped_settings(NAME) | changes, NAME)
    request = piece.build().request_images(tiny_task((6, 3, 1)))
    assert request is not None
    return request


def test_it_asks_for_images_of_a_fitted_generator() -> None:
    request = asked(scope="per_class", rank=3, steps=7, modifiers="none")
    source = request.source
    assert isinstance(source, Drawn) and isinstance(source.fit, FitConfig)
    assert (source.fit.kind, source.fit.scope, source.fit.rank) == ("lora", "per_class", 3)
    assert (source.fit.steps, source.fit.template) == (7, source.prompts.template)
    assert source.guides is None and source.prompts.modifiers == ()
    assert (request.origin, request.default_budget.kind) == ("synthetic", "uniform")
    assert request.knowledge == ()


def test_added_images_have_modifiers_and_training_images_have_none() -> None:
    source = asked(modifiers="digits").source
    assert isinstance(source, Drawn) and source.fit is not None
    assert len(source.prompts.modifiers) > 5
    assert source.fit.prompt("one") == "a photo of one"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "lora_"}, "lora"),
        ({"kind": "textual_inversion", "text_encoder": True}, "Expected text_encoder=false"),
        ({"modifiers": "digit"}, "did you mean digits"),
        ({"rank": 0}, "greater than 0"),
    ],
)
def test_impossible_settings_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        asked(**changes)
