"""What is trained on a pipeline whose own weights stay as they are."""

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from benchmark.errors import IntegrityError, UsageError

PACKAGES = ("peft", "accelerate")


def require_packages() -> None:
    """Refuse where the packages that low-rank updates need are absent (UsageError)."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if absent:
        raise UsageError(
            f"Expected the package{'s'[: len(absent) - 1]} {' and '.join(absent)} for a fitted "
            "generator, but got none",
            todo="run: pip install 'synaug-bench[fit]'",
        )


class Adapter(ABC):
    """Trained weights that sit on a pipeline until ``remove`` is called.

    Attributes:
        encodes: whether what the text encoder makes of a prompt changes with the weights.
        weight_decay: of AdamW.
    """

    encodes: bool
    weight_decay: ClassVar[float]

    @abstractmethod
    def weights(self) -> dict[str, nn.Parameter]:
        """The trained weights by name, float32."""

    @abstractmethod
    def save(self, path: Path) -> None:
        """Write the adapter as safetensors, whole or not at all."""

    @abstractmethod
    def remove(self) -> None:
        """Take the weights off the pipeline, which is then what it was."""

    def state(self) -> dict[str, Tensor]:
        """A copy of the weights, for a checkpoint."""
        return {name: weight.detach().clone() for name, weight in self.weights().items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Put back the weights of a checkpoint.

        Raises:
            IntegrityError: they are of another adapter.
        """
        own = self.weights()
        shapes = {name: tuple(weight.shape) for name, weight in own.items()}
        if shapes != {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}:
            raise IntegrityError(
                "Expected a checkpoint of this fit, but it holds other weights",
                where="fit",
                todo="delete the fit's folder; it then starts from the beginning",
            )
        for name, weight in own.items():
            weight.data.copy_(state[name])
