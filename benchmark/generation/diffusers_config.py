"""Settings of a diffusers pipeline, checked without importing torch or diffusers."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, MultipleOf

from benchmark.config import NonNegativeFloat, PositiveInt
from benchmark.errors import IntegrityError
from benchmark.generation import weights
from benchmark.generation.cost import predicted_calls
from benchmark.generation.trainer.request import check_knowledge


@dataclass(frozen=True, kw_only=True)
class DiffusersConfig:
    """A text-to-image pipeline and how it is sampled.

    Attributes:
        name: of this configuration, for messages and the fetch command.
        weights: a folder, "package:<package>/<folder>", or a hub id "owner/name".
        revision: commit of the hub id.
        variant: suffix of the weight files, such as "fp16"; None for the plain ones.
        weights_hash: expected hash of the weights; None accepts any.
        scheduler: name of a diffusers scheduler without the word "Scheduler".
        spacing: how time steps are spaced; None leaves the checkpoint's.
        steps: sampling steps.
        guidance: classifier-free guidance scale; up to 1 means none.
        negative_prompt: text to steer away from.
        size: height and width in pixels, a multiple of 8.
        dtype: of the weights.
        batch_size: images drawn together; the last batch is padded to it. "auto" halves it until
            it fits.
        channels_last: memory format of the denoiser and the decoder.
        compile: compile the denoiser; pays from some 20,000 images on.
        vae_slicing: decode one image at a time, which saves memory.
        lora: file, folder or hub id of low-rank weights that belong to the generator, such as
            LCM's; None for none.
        lora_revision: commit of that hub id.
        knowledge: outside knowledge that the weights bring, as tags.
    """

    name: str
    weights: str
    revision: str | None = None
    variant: str | None = None
    weights_hash: str | None = None
    scheduler: str
    spacing: Literal["leading", "trailing", "linspace"] | None
    steps: PositiveInt
    guidance: NonNegativeFloat
    negative_prompt: str
    size: Annotated[int, Ge(8), MultipleOf(8)]
    dtype: Literal["float32", "bfloat16", "float16"]
    batch_size: PositiveInt | Literal["auto"]
    channels_last: bool = False
    compile: bool = False
    vae_slicing: bool = False
    lora: str | None = None
    lora_revision: str | None = None
    knowledge: tuple[str, ...] = ()

    @property
    def fetch_command(self) -> str:
        """The command that puts the weights on this machine."""
        own = f" generator.weights={shlex.quote(self.weights)} generator.size={self.size}"
        own += f" generator.revision={self.revision}" if self.revision else ""
        # the shipped ones state their weights themselves
        words = f"{self.name}{own}" if self.name == "path" else self.name
        return f"python -m benchmark prepare generator={words}"

    @property
    def folder(self) -> Any:
        """The pipeline's folder; see ``weights.locate``."""
        return weights.locate(self.weights, self.revision, self.fetch_command)

    @property
    def lora_file(self) -> Path:
        """The file of the generator's own low-rank weights; see ``weights.locate_lora``."""
        return weights.locate_lora(self.lora or "", self.lora_revision, self.fetch_command)

    def check(self) -> None:
        """Refuse impossible sampling settings and absent, truncated or unexpected weights."""
        predicted_calls(self.scheduler, self.steps, self.guidance)
        folder = self.folder
        check_knowledge(folder, self.knowledge)
        weights.check_files(folder, self.variant, self.fetch_command)
        if self.lora is not None:
            weights.check_safetensors(self.lora_file)
        if self.weights_hash is not None:
            got = weights.weights_hash(folder, self.variant)
            if got != self.weights_hash:
                raise IntegrityError(
                    f"Expected weights with hash {self.weights_hash}, but got {got}",
                    where=folder,
                    todo="fetch them again, or set generator.weights_hash=null",
                )

    def fingerprint(self) -> dict[str, Any]:
        """All that decides an image; where the weights lie and the batch size do not."""
        own = {} if self.lora is None else {"lora": weights.file_hash(self.lora_file)}
        return {
            "kind": "diffusers",
            "weights": weights.weights_hash(self.folder, self.variant),
            "scheduler": self.scheduler,
            "spacing": self.spacing,
            "steps": self.steps,
            "guidance": self.guidance,
            "negative_prompt": self.negative_prompt,
            "size": self.size,
            "dtype": self.dtype,
            **own,
        }


def fetch(config: DiffusersConfig) -> Path:
    """Fetch the weights of a configuration and check them; returns their folder.

    Raises:
        DataError: the hub cannot be reached.
        IntegrityError: what arrived is not what was expected.
    """
    folder = weights.fetch(config.weights, config.revision, config.variant)
    if config.lora is not None:
        weights.fetch_lora(config.lora, config.lora_revision)
    config.check()
    return folder
