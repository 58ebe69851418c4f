"""The one adapter over diffusers: Stable Diffusion 1.x, 2.x, XL, Turbo, LCM and the embedded one.

Nothing is special-cased for any checkpoint but its path. Each image has a CPU random generator
of its own, so it does not depend on what shares its batch.
"""

import importlib.metadata
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmark.data.images import harmonise
from benchmark.errors import UsageError
from benchmark.generation.cost import guidance_factor, predicted_calls
from benchmark.generation.diffusers_config import DiffusersConfig, fetch
from benchmark.generation.generator import TEXT, DrawResult, Generator, LoadReport, Mode
from benchmark.generation.pipelines import (
    UNCOUNTED,
    CallCounter,
    denoiser,
    device_name,
    load_pipeline,
    make_scheduler,
    pick_device,
    quiet,
)

_EMBEDS = (
    "prompt_embeds",
    "negative_prompt_embeds",
    "pooled_prompt_embeds",
    "negative_pooled_prompt_embeds",
)
_VERSIONED = ("torch", "diffusers", "transformers", "safetensors")
_FIRST_BATCH = {"cuda": 64, "cpu": 16}
Embeddings = dict[str, Tensor]
Job = tuple[str, int, Image.Image | None]


class DiffusersGenerator(Generator):
    """Text-to-image and image-to-image by a diffusers pipeline on the local disk.

    Args:
        config: what is drawn and how.
        device: "auto", "cpu" or "cuda".
    """

    Config = DiffusersConfig

    def __init__(self, config: DiffusersConfig, device: str = "auto") -> None:
        self.config = config
        self.dtype = config.dtype
        self.knowledge = config.knowledge
        self._device_choice = device
        self._batch_size = config.batch_size if isinstance(config.batch_size, int) else 0
        self._pipe: Any = None
        self._from_images: Any = None
        self._adapter: Path | None = None
        self._reports: dict[bool, LoadReport] = {}
        self._seconds = 0.0
        self._embeddings: dict[str, Embeddings] = {}
        self._negative: Embeddings = {}

    @property
    def batch_size(self) -> int:  # type: ignore[override]
        """Images drawn together; where it is found automatically, what has worked so far."""
        return self._batch_size or _FIRST_BATCH[pick_device(self._device_choice).type]

    def fetch(self) -> Path:
        """See ``Generator.fetch``."""
        return fetch(self.config)

    def fingerprint(self) -> dict[str, Any]:
        """See ``Generator.fingerprint``."""
        identity: dict[str, Any] = self.config.fingerprint()
        return identity

    def check(self, mode: Mode = TEXT) -> None:
        """See ``Generator.check``; also refuses float16 on a CPU."""
        self.config.check()
        self.predicted_calls(mode.strength)
        device = pick_device(self._device_choice)
        if device.type == "cpu" and self.config.dtype == "float16":
            raise UsageError(
                "Expected float32 or bfloat16 on a CPU, but got float16",
                where="generator.dtype",
                todo="set generator.dtype=float32",
            )
        make_scheduler(self.config.scheduler, {}, self.config.spacing)

    def predicted_calls(self, strength: float | None = None) -> int:
        """See ``Generator.predicted_calls``."""
        chosen = self.config
        return predicted_calls(chosen.scheduler, chosen.steps, chosen.guidance, strength)

    @property
    def guidance_factor(self) -> int:
        """2 with classifier-free guidance, else 1."""
        return guidance_factor(self.config.guidance)

    def load(self, mode: Mode = TEXT) -> LoadReport:
        """See ``Generator.load``; also measures the FLOPs of one image."""
        guided = mode.strength is not None
        if self._pipe is None:
            start = time.perf_counter()
            self.check(mode)
            self._pipe = load_pipeline(self.config, pick_device(self._device_choice))
            # asked of the pipeline once: it walks through all modules
            self._device = self._pipe.device
            self._seconds = time.perf_counter() - start
        if guided not in self._reports:
            self._reports[guided] = self._report(mode)
            if self.config.compile:
                denoiser(self._pipe).compile()
        return self._reports[guided]

    def close(self) -> None:
        """See ``Generator.close``."""
        self._pipe = self._from_images = self._adapter = None
        self._forget_prompts()
        self._reports.clear()

    def draw(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        guides: Sequence[Image.Image] | None = None,
        mode: Mode = TEXT,
    ) -> DrawResult:
        """See ``Generator.draw``; the last batch is padded to ``batch_size``.

        Raises:
            UsageError: the device has too little memory for one image, or for the batch that was
                asked for.
        """
        self.load(mode)
        self._use(mode.adapter)
        start = time.perf_counter()
        starts: Sequence[Image.Image | None] = guides or [None] * len(seeds)
        jobs: list[Job] = list(zip(prompts, seeds, starts, strict=True))
        drawn = []
        while jobs:
            size = self.batch_size
            chunk = self._draw_chunk(jobs[:size], mode)
            if chunk is not None:
                drawn.append(chunk)
                jobs = jobs[size:]
        pixels = np.concatenate([chunk for chunk, _ in drawn])
        finite = np.isfinite(pixels).all(axis=(1, 2, 3)).tolist()
        return DrawResult(
            images=[to_image(one) for one in pixels],
            calls=sum(calls for _, calls in drawn),
            seconds=time.perf_counter() - start,
            finite=finite,
        )

    def _draw_chunk(self, jobs: Sequence[Job], mode: Mode) -> tuple[np.ndarray, int] | None:
        """One padded batch; None if it did not fit and a smaller one is to be tried."""
        size = self.batch_size
        padding = [jobs[-1]] * (size - len(jobs))
        try:
            pixels, calls = self.draw_values([*jobs, *padding], mode)
        except torch.OutOfMemoryError as error:
            if isinstance(self.config.batch_size, int) or size == 1:
                raise UsageError(
                    f"Expected memory for {size} images at a time, but the device ran out",
                    where="generator.batch_size",
                    todo="set generator.batch_size=auto, or generator.vae_slicing=true",
                ) from error
            self._batch_size = size // 2
            torch.cuda.empty_cache()
            return None
        self._batch_size = size
        return pixels[: len(jobs)], calls * len(jobs) // size

    def draw_values(self, jobs: Sequence[Job], mode: Mode = TEXT) -> tuple[np.ndarray, int]:
        """Draw one batch as it is, before rounding to 8 bits.

        Args:
            jobs: prompts, 32-bit seeds and guides.
            mode: what they have in common.

        Returns:
            float32 (batch, height, width, 3) in [0, 1], and the network calls made.
        """
        self.load(mode)
        counter = CallCounter(denoiser(self._pipe))
        try:
            return self._sample(jobs, self.config.steps, mode), counter.total
        finally:
            counter.close()

    @torch.inference_mode()
    def _sample(self, jobs: Sequence[Job], steps: int, mode: Mode) -> np.ndarray:
        made = self._run(jobs, mode)(
            num_inference_steps=steps,
            guidance_scale=self.config.guidance,
            generator=[torch.Generator().manual_seed(seed) for _, seed, _ in jobs],
            output_type="pt",
            **self._embed([text for text, _, _ in jobs]),
        )
        values: np.ndarray = made.images.float().permute(0, 2, 3, 1).cpu().numpy()
        return values

    def _run(self, jobs: Sequence[Job], mode: Mode) -> Any:
        """The pipeline's call with what sets text-to-image and image-to-image apart."""
        size = self.config.size
        if mode.strength is None:
            return lambda **values: self._pipe(height=size, width=size, **values)
        images = [_guide(guide, size) for _, _, guide in jobs]
        pipe = self._image_pipeline()
        return lambda **values: pipe(image=images, strength=mode.strength, **values)

    def _image_pipeline(self) -> Any:
        """The image-to-image pipeline around the same modules; no second copy of the weights."""
        if self._from_images is None:
            import diffusers

            with quiet():
                found = diffusers.AutoPipelineForImage2Image.from_pipe(self._pipe)
            found.set_progress_bar_config(disable=True)
            self._from_images = found
        return self._from_images

    def _use(self, adapter: Path | None) -> None:
        """Draw with the fitted weights of ``adapter`` from now on, or without any."""
        if adapter == self._adapter:
            return
        from benchmark.generation.fitting import apply

        if self._adapter is not None:
            apply.detach(self._pipe)
        if adapter is not None:
            apply.attach(self._pipe, adapter)
        self._adapter, self._from_images = adapter, None
        self._forget_prompts()

    def _forget_prompts(self) -> None:
        self._embeddings.clear()
        self._negative = {}

    def _embed(self, prompts: Sequence[str]) -> Embeddings:
        found = [self._embedding(text) for text in prompts]
        return {name: torch.cat([one[name] for one in found]) for name in found[0]}

    def _embedding(self, text: str) -> Embeddings:
        # One prompt at a time, so that an embedding cannot depend on what shares its batch.
        if text not in self._embeddings:
            # the negative prompt is the same for all, and encoded with the first
            guided = self.guidance_factor == 2 and not self._negative
            encoded = self._pipe.encode_prompt(
                prompt=[text],
                device=self._device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=guided,
                negative_prompt=[self.config.negative_prompt] if guided else None,
            )
            pairs = zip(_EMBEDS, encoded, strict=False)
            named = {key: value for key, value in pairs if value is not None}
            if guided:
                self._negative = {key: named[key] for key in named if key.startswith("negative")}
            self._embeddings[text] = named | self._negative
        return self._embeddings[text]

    def _report(self, mode: Mode) -> LoadReport:
        call, image = self._measure_flops(mode)
        return LoadReport(
            device=device_name(pick_device(self._device_choice)),
            seconds=round(self._seconds, 3),
            flops_call=call,
            flops_image=image,
            versions={name: importlib.metadata.version(name) for name in _VERSIONED},
        )

    def _measure_flops(self, mode: Mode) -> tuple[float, float]:
        jobs: list[Job] = [("a photo", 0, Image.new("RGB", (8, 8)))]
        with torch.inference_mode():
            self._embed([text for text, _, _ in jobs])
        counter = CallCounter(denoiser(self._pipe))
        steps = self.config.steps if mode.strength is not None else 2
        try:
            with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as flops:
                self._sample(jobs, steps, mode)
        finally:
            counter.close()
        by_module = flops.get_flop_counts()
        network = sum(by_module.get(type(denoiser(self._pipe)).__name__, {}).values())
        total = flops.get_total_flops()
        return network / max(counter.total, 1), float(total - network)


def _guide(image: Image.Image | None, size: int) -> Image.Image:
    """A guide in the size that is drawn, by the resize path of all images."""
    if image is None:
        raise TypeError("image-to-image takes a guide for each image")
    return Image.fromarray(harmonise(image, size, "RGB"))


def to_image(values: np.ndarray) -> Image.Image:
    """An 8-bit RGB image from (height, width, 3) values in [0, 1]; non-finite ones become 0."""
    clean = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    return Image.fromarray((clean.clip(0, 1) * 255).round().astype(np.uint8))
