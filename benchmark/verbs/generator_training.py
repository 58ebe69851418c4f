"""A text-to-image generator trained on images of a data set: what `generate fit` does."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmark.errors import DataError, unknown
from benchmark.system.console import say

if TYPE_CHECKING:
    from benchmark.generation.trainer.run import Trained

KNOWLEDGE = {"heldout_real": ("heldout_real",), "real": ()}
"""Images that a generator can be trained on, with the outside knowledge that they bring."""


def fit_generator(
    overrides: Sequence[str],
    folder: Path,
    images: str = "heldout_real",
    settings: Sequence[str] = (),
) -> "Trained":
    """Train a generator on images of a data set and save it as a pipeline of diffusers.

    Args:
        overrides: words that name the data set, the seed and the device.
        folder: where the pipeline goes.
        images: "heldout_real", training images outside the long-tailed subset, or "real", the
            long-tailed subset itself. Test images are never used.
        settings: words ``fit=NAME`` and ``fit.KEY=VALUE``.

    Raises:
        UsageError: a word that cannot be meant, or a folder with something else in it.
        DataError: the data set is not prepared, or keeps no such images.
        Interrupted: the state was saved, and the same call goes on.
    """
    from benchmark.experiments.compose import quiet_libraries
    from benchmark.experiments.compose import settings as composed
    from benchmark.generation.trainer.settings import trainer_config

    if images not in KNOWLEDGE:
        raise unknown("images", images, KNOWLEDGE, where="images")
    config = trainer_config(settings)
    quiet_libraries()
    chosen = composed(list(overrides))
    data = chosen.dataset.load(chosen.seed)
    table = data.heldout if images == "heldout_real" else data.train
    if not len(table.labels):
        raise DataError(
            f"Expected images of origin '{images}', but {data.card.name} keeps none",
            where="images",
            todo="choose images=real, or a data set that keeps held-out images",
        )

    import torch

    from benchmark.generation.trainer.request import TrainRequest
    from benchmark.generation.trainer.run import train_generator

    request = TrainRequest(
        config=config,
        images=_resized(np.asarray(table.images), config.size, data.card.colour),
        labels=np.asarray(table.labels),
        classes=data.card.classes,
        source={
            "dataset": data.card.name,
            "imbalance": data.card.imbalance,
            "images": images,
            "split_rule": data.split.rule,
            "split_hash": data.split.rule_hash,
            "rows_hash": data.split.rows_hash,
        },
        knowledge=KNOWLEDGE[images],
        seed=chosen.seed,
        device=chosen.plumbing.device,
    )
    name = data.card.name
    say("fit", f"{config.name}, on {len(table.labels):,} images of {name} ({images}), to {folder}")
    if chosen.plumbing.threads:
        torch.set_num_threads(chosen.plumbing.threads)
    return train_generator(request, folder, chosen.plumbing.progress)


def _resized(images: NDArray[np.uint8], size: int, colour: Any) -> NDArray[np.uint8]:
    from benchmark.data.images import harmonise

    if images.shape[1:3] == (size, size):
        return images
    return np.stack([harmonise(Image.fromarray(image), size, colour) for image in images])


def use(found: "Trained") -> str:
    """The words with which a run draws from a trained generator."""
    knowledge = ",".join(found.facts["knowledge"])
    size = found.facts["identity"]["settings"]["size"]
    return (
        f"generator=fitted generator.weights={found.folder} generator.size={size} "
        f"generator.knowledge=[{knowledge}]"
    )
