"""The embedded text-to-image generator: a 3 MB Stable Diffusion folder that draws digits.

The checkpoint is a complete ``StableDiffusionPipeline`` folder, trained from scratch on font
renderings only, so the whole code path of a large generator can be run offline in seconds.
Importing this package costs nothing: it loads neither torch nor diffusers.
"""

from pathlib import Path
from typing import Final

CHECKPOINT: Final[Path] = Path(__file__).resolve().parent / "checkpoint"
"""The shipped pipeline folder, ready for ``StableDiffusionPipeline.from_pretrained``."""

__all__ = ["CHECKPOINT"]
