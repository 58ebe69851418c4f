"""Images a second for decoding, RandomResizedCrop and normalisation, ours beside the usual code.

Every way reads the same files in the same batches. Rounds of all ways are interleaved, and medians
are printed: images per second of CPU time, of worker processes too, and per second of wall time.
Worker processes of a DataLoader are kept, so starting them is not counted.

command: OMP_NUM_THREADS=1 python -m tests.perf.streaming
"""

import argparse
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from benchmark.boards.text import markdown_table
from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import Asked
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.data.cards import IMAGENET_MEAN, IMAGENET_STD
from benchmark.data.keeping import PixelMode
from benchmark.data.random_changes import random_boxes, random_flip
from benchmark.data.rows import ImageTable
from benchmark.data.sets.folder import Folder
from benchmark.data.streaming.decoding import cropped
from tests.fixtures.pictures import encoded, photograph

RESIZED = AugmentationConfig(pad=0, flip=0.5, crop="resized")
CPU = torch.device("cpu")
TICKS = os.sysconf("SC_CLK_TCK")
Way = Callable[[Tensor], object]


@dataclass
class Source:
    """Files to read.

    Attributes:
        title: of the table.
        root: folder with train/ and test/.
        size: of a crop.
        batch: images of a batch.
        images: images of a round.
    """

    title: str
    root: Path
    size: int
    batch: int
    images: int


@dataclass
class Contender:
    """One way to make batches.

    Attributes:
        name: as printed.
        run: makes batches of the given rows.
        processes: ids of its worker processes.
    """

    name: str
    run: Way
    processes: Callable[[], list[int]] = list
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def round(self, rows: Tensor) -> None:
        """Time one pass over the rows."""
        before, begun = self._cpu_seconds(), time.perf_counter()
        self.run(rows)
        self.wall.append(len(rows) / (time.perf_counter() - begun))
        self.cpu.append(len(rows) / (self._cpu_seconds() - before))

    def _cpu_seconds(self) -> float:
        found = time.process_time()
        for process in self.processes():
            words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            found += (int(words[11]) + int(words[12])) / TICKS
        return found


# the usual code


class WithPil(Dataset[Tensor]):
    """PIL and torchvision's transforms, as in most training scripts."""

    def __init__(self, files: list[Path], size: int) -> None:
        self.files = files
        self.change = transforms.Compose([
            transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(),
            transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ])  # fmt: skip

    def __getitem__(self, row: int) -> Tensor:
        with Image.open(self.files[row]) as image:
            made: Tensor = self.change(image.convert("RGB"))
        return made


class WithTensors(Dataset[Tensor]):
    """torchvision's decoder and its transforms of the second generation, on uint8."""

    def __init__(self, files: list[Path], size: int) -> None:
        self.files = files
        self.change = v2.Compose([
            v2.RandomResizedCrop(size, antialias=True), v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True), v2.Normalize(IMAGENET_MEAN, IMAGENET_STD),
        ])  # fmt: skip

    def __getitem__(self, row: int) -> Tensor:
        made: Tensor = self.change(
            decode_jpeg(read_file(str(self.files[row])), mode=ImageReadMode.RGB)
        )
        return made


class Ours(Dataset[Tensor]):
    """What our threads do with a batch, to be done by a worker process instead."""

    def __init__(self, rows: TrainSet, size: int) -> None:
        self.pictures: Any = rows.images.pictures  # type: ignore[attr-defined]
        self.size = size

    def __getitem__(self, asked: tuple[Tensor, Tensor]) -> Tensor:
        made = torch.empty(len(asked[0]), self.size, self.size, 3, dtype=torch.uint8)
        for place, (row, box) in enumerate(zip(*(each.tolist() for each in asked), strict=True)):
            made[place] = torch.from_numpy(cropped(self.pictures.read(row), box, self.size))
        return made


class Batches:
    """A sampler whose order is set from outside."""

    def __init__(self) -> None:
        self.order: list[Any] = []

    def __iter__(self) -> Iterator[Any]:
        return iter(self.order)

    def __len__(self) -> int:
        return len(self.order)


def loader(name: str, data: Dataset[Tensor], batch: int, workers: int) -> Contender:
    """A DataLoader with so many worker processes, whose processes stay."""
    sampler = Batches()
    made = DataLoader(
        data, batch_sampler=sampler, num_workers=workers, persistent_workers=workers > 0
    )

    def run(rows: Tensor) -> None:
        sampler.order = rows.split(batch)  # type: ignore[assignment]
        for _ in made:
            pass

    def processes() -> list[int]:
        found = getattr(made, "_iterator", None)
        return [each.pid for each in found._workers] if found and workers else []

    return Contender(name, run, processes)


# ours


def generator(seed: int) -> torch.Generator:
    """A stream of the step's own."""
    return torch.Generator().manual_seed(seed)


def streamed(name: str, table: ImageTable, source: Source, workers: int) -> Contender:
    """Our training set with so many threads."""
    part = Part.of("real", table)
    rows = train_set([part], IMAGENET_MEAN, IMAGENET_STD, RESIZED, ("weak",), CPU, workers)

    def run(order: Tensor) -> None:
        parts = order.split(source.batch)
        rows.announce((each, generator(step), None) for step, each in enumerate(parts))
        for step, each in enumerate(parts):
            rows.batch(each, generator(step))

    return Contender(name, run)


def crops_only(name: str, table: ImageTable, source: Source) -> Contender:
    """What is left for the CPU where a GPU flips and normalises: uint8 crops, by one thread."""
    rows = train_set([Part.of("real", table)], IMAGENET_MEAN, IMAGENET_STD, RESIZED, ("weak",),
                     CPU, 1)  # fmt: skip
    images: Any = rows.images

    def run(order: Tensor) -> None:
        asked = [Asked(each, generator(at)) for at, each in enumerate(order.split(source.batch))]
        wanted = [images._wanted(each, rows.views, RESIZED) for each in asked]
        images.ahead.announce(wanted)
        for each in wanted:
            images.ahead.take(each)

    return Contender(name, run)


def in_processes(name: str, table: ImageTable, source: Source, workers: int) -> Contender:
    """The same work in worker processes: pixels come back through shared memory."""
    part = Part.of("real", table)
    rows = train_set([part], IMAGENET_MEAN, IMAGENET_STD, RESIZED, ("weak",), CPU, 1)
    images: Any = rows.images
    sampler = Batches()
    made = DataLoader(Ours(rows, source.size), sampler=sampler, batch_size=None,
                      num_workers=workers, persistent_workers=True)  # fmt: skip
    mean, std = (torch.tensor(each)[:, None, None] for each in (IMAGENET_MEAN, IMAGENET_STD))

    def run(order: Tensor) -> None:
        parts, rng = order.split(source.batch), generator(0)
        sampler.order = [
            (each, random_boxes(len(each), *images.sizes[each].unbind(1), 0.08, rng))
            for each in parts
        ]
        for pixels in made:
            shown = random_flip(pixels.permute(0, 3, 1, 2), 0.5, rng)
            shown.float().div_(255).sub_(mean).div_(std)

    def processes() -> list[int]:
        return [each.pid for each in made._iterator._workers] if made._iterator else []  # type: ignore[attr-defined]

    return Contender(name, run, processes)


def tables(source: Source) -> dict[PixelMode, ImageTable]:
    """The training rows of a source, prepared in both modes."""
    modes: tuple[PixelMode, ...] = ("files", "store256")
    found = {}
    for mode in modes:
        data = Folder(Folder.Config(
            name="perf", root_name=source.root.name, size=source.size, colour="RGB",
            mean=IMAGENET_MEAN, std=IMAGENET_STD, test_share=0.2, profile="natural", n_max=None,
            imbalance=None, subset="ldam-seed0", split_replicate=0, val="none", pixels=mode,
        ))  # fmt: skip
        data.prepare(str(source.root), progress=False)
        found[mode] = data.load(0).train
    return found


def contenders(source: Source) -> list[Contender]:
    """All ways to read a source; the first is what the others are compared with."""
    found = tables(source)
    files = [source.root / str(name) for name in found["files"].ids]
    usual, tensors = WithPil(files, source.size), WithTensors(files, source.size)
    both = "with 2 worker processes"
    return [
        loader("PIL, torchvision transforms, DataLoader", usual, source.batch, 0),
        loader(f"the same {both}", usual, source.batch, 2),
        loader("decode_jpeg, torchvision v2, DataLoader", tensors, source.batch, 0),
        loader(f"the same {both}", tensors, source.batch, 2),
        streamed("ours, `files`, 1 thread", found["files"], source, 1),
        streamed("ours, `files`, 2 threads", found["files"], source, 2),
        in_processes(f"the work of `files` {both}", found["files"], source, 2),
        streamed("ours, `store256`, 1 thread", found["store256"], source, 1),
        streamed("ours, `store256`, 2 threads", found["store256"], source, 2),
        crops_only("ours, `files`, 1 thread, crops only", found["files"], source),
        crops_only("ours, `store256`, 1 thread, crops only", found["store256"], source),
    ]


def measure(source: Source, rounds: int) -> list[Contender]:
    """Time all ways in turn, after one round that counts for nothing."""
    ways, n = contenders(source), len(tables(source)["files"])
    for number in range(rounds + 1):
        order = torch.randint(n, (source.images,), generator=generator(number))
        for way in ways:
            way.round(order)
    for way in ways:
        del way.cpu[0], way.wall[0]
    return ways


def table(source: Source, ways: list[Contender]) -> str:
    """Medians, and ratios to the first way within a round."""
    lines = []
    for way in ways:
        ratios = [
            statistics.median(a / b for a, b in zip(mine, first, strict=True))
            for mine, first in ((way.cpu, ways[0].cpu), (way.wall, ways[0].wall))
        ]
        medians = [statistics.median(each) for each in (way.cpu, way.wall)]
        lines.append([way.name, f"{medians[0]:,.0f}", f"{ratios[0]:.2f}",
                      f"{medians[1]:,.0f}", f"{ratios[1]:.2f}"])  # fmt: skip
    header = ["way", "images per CPU-second", "ratio", "images a second", "ratio"]
    return f"{source.title}\n\n{markdown_table(header, lines)}\n"


def photographs(folder: Path, n: int) -> Source:
    """Synthetic photographs of ImageNet's usual size."""
    sizes: list[int] = []
    for part, count in (("train", n), ("test", 2)):
        for name in "ab":
            (folder / part / name).mkdir(parents=True)
            for row in range(count // 2):
                data = encoded(photograph(1000 * len(sizes), grain=18.5))
                sizes.append(len(data))
                (folder / part / name / f"{row}.jpg").write_bytes(data)
    kilobytes = np.mean(sizes) / 1e3
    title = f"{n} synthetic photographs of 500 x 375, {kilobytes:.0f} kB each, crops of 224"
    return Source(title, folder, 224, 48, 384)


def tiny_imagenet(folder: Path, archive: Path) -> Source:
    """Ten classes of Tiny-ImageNet, from a zip of {train,val}/<wnid>/<file>."""
    with zipfile.ZipFile(archive) as file:
        names = [name for name in file.namelist() if name.endswith(".JPEG")]
        kept = sorted({name.split("/")[1] for name in names})[:10]
        file.extractall(folder, [name for name in names if name.split("/")[1] in kept])
    (folder / "val").rename(folder / "test")
    return Source("Tiny-ImageNet, 64 x 64, 2 kB each, crops of 64", folder, 64, 128, 1024)


def main() -> None:
    """Print a table for each source."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photographs", type=int, default=192, help="0 for none")
    parser.add_argument("--tiny", type=Path, help="tiny-imagenet-100.zip, where it is at hand")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        os.environ["SYNAUG_BENCH_CACHE"] = f"{name}/cache"
        sources = []
        if given.photographs:
            sources.append(photographs(Path(name) / "photographs", given.photographs))
        if given.tiny:
            sources.append(tiny_imagenet(Path(name) / "tiny", given.tiny))
        for source in sources:
            print(table(source, measure(source, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
