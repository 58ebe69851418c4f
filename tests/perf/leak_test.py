"""How many planted copies of test images the leak check finds, and how many false alarms it gives.

Copies of 50 test images are hidden among other images: for CIFAR-100-LT 1,000 real training images
from outside the subset, for digits 1,000 renderings in fonts. The threshold is calibrated on the
training rows, as in a real check. Each kind of copy is also tried on all 50 alone.

CIFAR-100 is read from the folder that SYNAUG_BENCH_TEST_DATA names and packed into the cache.

command: OMP_NUM_THREADS=1 python -m tests.perf.leak_test [--data cifar100|digits]
"""

import argparse
import io
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmark.config import parse
from benchmark.data.dataset import LongTailedData
from benchmark.data.sets.cifar import Cifar
from benchmark.data.sets.digits import Digits
from benchmark.generation.quality.leaks import Threshold, calibrate, find_leaks
from benchmark.generation.quality.matching import Index, nearest
from benchmark.paths import config_dir
from benchmark.seeds import numpy_generator

PLANTED, OTHERS = 50, 1000
Pixels = NDArray[np.uint8]
Change = Callable[[Image.Image, np.random.Generator], Image.Image]


def jpeg(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Encode at a quality of 50 to 90 and decode."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(rng.integers(50, 91)))
    return Image.open(buffer).convert("RGB")


def shifted(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Move by up to a tenth of the side (at least a pixel), repeating the border."""
    reach = max(1, image.width // 10)
    down, right = (int(value) for value in rng.integers(-reach, reach + 1, 2))
    padded = np.pad(np.asarray(image), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    top, left = reach + down, reach + right
    return Image.fromarray(padded[top : top + image.height, left : left + image.width])


def mirrored(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Flip left to right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def relit(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Brightness and contrast by factors of 0.6 to 1.4, clipped."""
    brighter = ImageEnhance.Brightness(image).enhance(rng.uniform(0.6, 1.4))
    return ImageEnhance.Contrast(brighter).enhance(rng.uniform(0.6, 1.4))


def rehued(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn the hue by any angle but a small one."""
    values = np.array(image.convert("HSV"))
    values[..., 0] += np.uint8(rng.integers(20, 236))
    return Image.fromarray(values, "HSV").convert("RGB")


def grey(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Drop the colours."""
    return image.convert("L").convert("RGB")


def rescaled(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Scale by 0.9 to 1.1 about the centre, repeating the border."""
    box = (image.width / rng.uniform(0.9, 1.1) - image.width) / 2
    reach = max(2, image.width // 8)
    padded = np.pad(np.asarray(image), ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    edges = (reach - box, reach - box, reach + image.width + box, reach + image.width + box)
    return Image.fromarray(padded).resize(image.size, Image.Resampling.BICUBIC, box=edges)


def combined(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Three of: shifted, mirrored, relit, grey; then re-encoded."""
    chosen: list[Change] = [shifted, mirrored, relit, grey]
    for which in rng.permutation(len(chosen))[:3]:
        image = chosen[which](image, rng)
    return jpeg(image, rng)


CHANGES: dict[str, Change] = {
    change.__name__: change
    for change in (jpeg, shifted, mirrored, relit, rehued, grey, rescaled, combined)
}


def changed(images: Pixels, kind: str, rng: np.random.Generator) -> Pixels:
    """Copies of uint8 images (n, h, h, 3) by one kind of change."""
    return np.stack([np.asarray(CHANGES[kind](Image.fromarray(each), rng)) for each in images])


def planted(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Copies of uint8 images (n, h, h, 3), each kind of change in turn."""
    kinds = list(CHANGES)
    parts = [changed(images[i : i + 1], kinds[i % len(kinds)], rng) for i in range(len(images))]
    return np.concatenate(parts)


@dataclass(frozen=True)
class Case:
    """A data set to be tested.

    Attributes:
        name: of the data set.
        test: uint8 (n, h, h, 3).
        train: uint8 (m, h, h, 3), rows to calibrate on.
        others: uint8 (k, h, h, 3), innocent candidates.
    """

    name: str
    test: Pixels
    train: Pixels
    others: Pixels


def digits_case(others: int = OTHERS) -> Case:
    """The digits of seed 0, and renderings in fonts at their size."""
    from synaug.embedded.fonts import draw_picture

    data, rng = _load(Digits, "digitslt"), numpy_generator(0, "leak test", "fonts")
    drawn = (Image.fromarray(draw_picture(rng).pixels) for _ in range(others))
    small = [each.resize((8, 8), Image.Resampling.BICUBIC).convert("RGB") for each in drawn]
    test, train = np.asarray(data.test.images), np.asarray(data.train.images)
    return Case("digits, others: renderings", test, train, np.stack([np.asarray(x) for x in small]))


def heldout_digits_case() -> Case:
    """The digits of seed 0 among other real digits."""
    data = _load(Digits, "digitslt")
    test, train = np.asarray(data.test.images), np.asarray(data.train.images)
    return Case("digits, others: real digits", test, train, np.asarray(data.heldout.images))


def cifar_case() -> Case:
    """CIFAR-100-LT at imbalance 100 among real images from outside the subset."""
    data = _load(Cifar, "cifar100lt")
    rows = numpy_generator(0, "leak test", "others").permutation(len(data.heldout))[:OTHERS]
    test, train = np.asarray(data.test.images), np.asarray(data.train.images)
    return Case("CIFAR-100", test, train, data.heldout.images[rows])


def _load(kind: type[Cifar] | type[Digits], name: str) -> LongTailedData:
    values = yaml.safe_load((config_dir() / "dataset" / f"{name}.yaml").read_text())["dataset"]
    del values["kind"]
    data = kind(parse(kind.Config, values, "dataset"))
    if kind is Cifar:
        folder = os.environ.get("SYNAUG_BENCH_TEST_DATA")
        data.prepare(str(Path(folder) / "cifar100.zip") if folder else None, progress=False)
    return data.load(0)


@dataclass(frozen=True)
class Outcome:
    """What a leak test found.

    Attributes:
        threshold: calibrated on the training rows.
        found: planted copies that were found and traced to the right test image.
        alarms: other images that were flagged.
        kinds: by kind of change, copies found of ``PLANTED``, each kind on its own.
        seconds: CPU time of index, calibration and search of the mixed set.
    """

    threshold: Threshold
    found: int
    alarms: tuple[int, ...]
    kinds: dict[str, int]
    seconds: float


def leak_test(case: Case, seed: int = 0) -> Outcome:
    """Hide copies of test images among the others and look for them."""
    rng = numpy_generator(seed, "leak test", "planted")
    rows = rng.permutation(len(case.test))[:PLANTED]
    copies = planted(case.test[rows], rng)
    started = time.process_time()
    index = Index(case.test)
    threshold = calibrate(case.train, index)
    matches = find_leaks(np.concatenate([case.others, copies]), index, threshold)
    seconds = time.process_time() - started
    n = len(case.others)
    right = [m for m in matches if m.candidate >= n and rows[m.candidate - n] == m.reference]
    kinds = {}
    for kind in CHANGES:
        found = nearest(changed(case.test[rows], kind, rng), index)
        kinds[kind] = int(((found.score >= threshold.value) & (found.reference == rows)).sum())
    alarms = tuple(match.candidate for match in matches if match.candidate < n)
    return Outcome(threshold, len(right), alarms, kinds, seconds)


def _report(case: Case, outcome: Outcome) -> None:
    limit = outcome.threshold
    print(f"{case.name}: {len(case.others)} others, {len(case.test)} test images")
    print(f"  threshold {limit.value:.4f}; {limit.flagged} of {limit.rows} training rows reach it")
    print(f"  found {outcome.found} of {PLANTED}; flagged {len(outcome.alarms)} others")
    print("  by kind: " + ", ".join(f"{kind} {n}" for kind, n in outcome.kinds.items()))
    print(f"  {outcome.seconds:.1f} CPU seconds")


def main() -> None:
    """Print the leak test of the chosen data."""
    cases = {"digits": (digits_case, heldout_digits_case), "cifar100": (cifar_case,)}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", choices=sorted(cases), nargs="*", default=sorted(cases))
    for name in parser.parse_args().data:
        for make in cases[name]:
            case = make()
            _report(case, leak_test(case))


if __name__ == "__main__":
    main()
