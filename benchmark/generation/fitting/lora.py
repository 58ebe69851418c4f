"""Low-rank updates of the attention of the denoiser and, if asked for, of the text encoder."""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from benchmark.generation.fitting.adapter import Adapter, require_packages
from benchmark.seeds import scoped_global_seed
from benchmark.system.files import storage_error, write_bytes

TARGETS = {
    "unet": ["to_q", "to_k", "to_v", "to_out.0"],
    "text_encoder": ["q_proj", "k_proj", "v_proj", "out_proj"],
}
_LAYERS = {"unet": "unet_lora_layers", "text_encoder": "text_encoder_lora_layers"}
# the file's name is fixed while the library writes it
_WEIGHTS = "weights.safetensors"


class Lora(Adapter):
    """Updates of rank ``rank`` with scale 1, in float32 whatever the base's type.

    Args:
        pipe: the pipeline; its own weights are frozen.
        rank: of the updates.
        text_encoder: whether the text encoder gets them, too.
        seed: of the first weights.
        unit: name of the adapter.
    """

    weight_decay: ClassVar[float] = 0.01

    def __init__(self, pipe: Any, *, rank: int, text_encoder: bool, seed: int, unit: str) -> None:
        require_packages()
        self.encodes, self._pipe = text_encoder, pipe
        self._parts = ["unet", *(["text_encoder"] if text_encoder else [])]
        pipe.unet.requires_grad_(False)
        pipe.text_encoder.requires_grad_(False)
        for part in self._parts:
            with scoped_global_seed(seed, "fit", unit, "init", part):
                _add(getattr(pipe, part), TARGETS[part], rank)

    def weights(self) -> dict[str, nn.Parameter]:
        """See ``Adapter.weights``."""
        return {
            f"{part}.{name}": weight
            for part in self._parts
            for name, weight in getattr(self._pipe, part).named_parameters()
            if weight.requires_grad
        }

    def save(self, path: Path) -> None:
        """Write the layout that diffusers' ``load_lora_weights`` reads."""
        layers = {_LAYERS[part]: _layers(getattr(self._pipe, part)) for part in self._parts}
        try:
            with tempfile.TemporaryDirectory(prefix=f".{path.stem}.", dir=path.parent) as name:
                self._pipe.save_lora_weights(name, weight_name=_WEIGHTS, **layers)
                content = (Path(name) / _WEIGHTS).read_bytes()
        except OSError as error:
            raise storage_error(path, error) from error
        write_bytes(path, content)

    def remove(self) -> None:
        """See ``Adapter.remove``."""
        self._pipe.unload_lora_weights()


def _add(network: Any, targets: list[str], rank: int) -> None:
    from diffusers.training_utils import cast_training_params
    from peft import LoraConfig

    config = LoraConfig(
        r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets
    )
    network.add_adapter(config)
    cast_training_params(network, torch.float32)


def _layers(network: Any) -> dict[str, Any]:
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    layers: dict[str, Any] = convert_state_dict_to_diffusers(get_peft_model_state_dict(network))
    return layers
