"""A training set on disk: its batches, what may change nothing, what is in memory at a time."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import v2

from benchmark.component import Rows
from benchmark.config import AugmentationConfig
from benchmark.data.augmentation import plain
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.data.images import decode
from benchmark.data.random_changes import random_boxes
from benchmark.data.rows import Images
from benchmark.data.streaming import ahead
from benchmark.data.streaming.decoding import decoded
from benchmark.data.streaming.files import list_files
from benchmark.data.streaming.images import StreamedImages
from benchmark.data.streaming.pictures import Fitted
from benchmark.tiny import MEAN, STD, Stop, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.checkpoints import weights_hash
from benchmark.training.train import train
from tests.fixtures.pictures import encoded, odd_files, photograph
from tests.fixtures.training import pieces

RESIZED = AugmentationConfig(pad=0, flip=0.5, crop="resized")
CPU = torch.device("cpu")
SIZE = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Odd files and a few photographs; a second folder holds added images, as PNG."""
    root = tmp_path_factory.mktemp("pictures")
    made = odd_files() | {f"z{n}.jpg": encoded(photograph(n, 70, 90)) for n in range(6)}
    (root / "added").mkdir()
    made |= {f"added/{n}.png": encoded(photograph(50 + n, 40, 40), "PNG") for n in range(4)}
    for name, data in made.items():
        (root / name).write_bytes(data)
    return root


def parts(folder: Path, size: int = SIZE, *, packed: bool = False) -> list[Part]:
    found = []
    for origin, place in (("real", folder), ("synthetic", folder / "added")):
        names = sorted(path.name for path in place.iterdir() if path.is_file())
        labels = np.arange(len(names)) % 2
        pictures = list_files(place, names, "RGB", False, "look")
        images: np.ndarray | Images = Images(Fitted(pictures, size))
        if packed:
            images = np.stack(
                [decode((place / name).read_bytes(), name, size, "RGB") for name in names]
            )
        part = Part(origin, images, labels, None if packed else pictures)  # type: ignore[arg-type]
        found.append(part)
    return found


def rows(
    folder: Path,
    config: AugmentationConfig = RESIZED,
    views: tuple[str, ...] = ("weak",),
    workers: int = 2,
) -> TrainSet:
    return train_set(parts(folder), MEAN, STD, config, views, CPU, workers)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    return (images / 255 - mean) / std


def test_a_batch_is_what_torchvision_makes_of_the_same_draws(folder: Path) -> None:
    found, rng = rows(folder), generator(4)
    order = torch.randperm(len(found), generator=generator(9))
    batch = found.batch(order, generator(4))
    assert isinstance(found.images, StreamedImages)
    sizes = found.images.sizes[order]
    boxes = random_boxes(len(order), *sizes.unbind(1), 0.08, rng)
    flip = torch.rand(len(order), generator=rng) < 0.5
    names = [folder / f for part in (folder, folder / "added")
             for f in sorted(path for path in part.iterdir() if path.is_file())]  # fmt: skip
    for place, row in enumerate(order.tolist()):
        whole = torch.from_numpy(decoded(names[row].read_bytes(), "x", "RGB")).permute(2, 0, 1)
        box = boxes[place].tolist()
        part = v2.functional.resized_crop(whole, *box, [SIZE, SIZE], antialias=True)
        shown = part.flip(2) if flip[place] else part
        levels = (batch.images[place] - normalised(shown.float())).abs().max() * max(STD) * 255
        assert float(levels) < 1.01, names[row]
    assert batch.labels.tolist() == found.labels[order].tolist()
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("config", [
    AugmentationConfig(pad=3, flip=0.5),
    AugmentationConfig(pad=2, flip=0.5, border="reflect", rotate=10.0, cutout=6),
    AugmentationConfig(pad=0, flip=0.0, jitter=(0.4, 0.4, 0.4, 0.1), policy="randaugment"),
])  # fmt: skip
def test_without_resized_crops_it_is_the_resident_set_bit_for_bit(
    folder: Path, config: AugmentationConfig
) -> None:
    resident = train_set(parts(folder, packed=True), MEAN, STD, config, ("weak", "plain"), CPU)
    order = torch.arange(len(resident))
    expected = resident.batch(order, generator(1))
    got = rows(folder, config, ("weak", "plain")).batch(order, generator(1))
    assert torch.equal(got.images, expected.images)
    assert torch.equal(got.views[0], expected.views[0])
    assert torch.equal(got.origins, expected.origins)


def test_what_recipes_add_works_on_the_crops(folder: Path) -> None:
    config = replace(RESIZED, jitter=(0.4, 0.4, 0.4, 0.1), rotate=15.0, cutout=8,
                     policy="autoaugment_imagenet")  # fmt: skip
    order = torch.arange(8)
    one, other = (rows(folder, each).batch(order, generator(2)) for each in (config, RESIZED))
    assert not torch.equal(one.images, other.images)
    assert torch.equal(one.images, rows(folder, config).batch(order, generator(2)).images)
    # a hole has the mean colour
    assert (one.images == 0).flatten(1).sum(1).min() >= 3 * 4 * 4


def test_views_of_one_row_are_cut_from_one_reading(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rows(folder, views=("weak", "strong", "plain"))
    read: list[int] = []
    assert isinstance(found.images, StreamedImages)
    kept = found.images.pictures.read
    monkeypatch.setattr(
        type(found.images.pictures), "read", lambda self, row: read.append(row) or kept(row)
    )
    batch = found.batch(torch.tensor([3, 1, 4]), generator())
    assert sorted(read) == [1, 3, 4]
    weak, strong, still = batch.images, *batch.views
    assert weak.shape == strong.shape == still.shape == (3, 3, SIZE, SIZE)
    assert not torch.equal(weak, strong)
    shown = plain_images(folder)[[3, 1, 4]]
    assert torch.equal(still, shown)


def plain_images(folder: Path) -> Tensor:
    resident = train_set(parts(folder, packed=True), MEAN, STD, RESIZED, ("plain",), CPU)
    return plain(resident.images, resident.index, RESIZED, generator())  # type: ignore[arg-type]


def test_components_see_every_row_once_in_order(folder: Path) -> None:
    found = rows(folder)
    shown = torch.cat([batch.images for batch in found.batches(5)])
    assert torch.equal(shown, plain_images(folder))
    assert found.meter.rows_read == len(found)
    assert found.meter.input_seconds > 0


def test_subsets_and_stages_read_their_own_rows(folder: Path) -> None:
    found = rows(folder)
    added = found.select(Rows("added"), 0, "stage")
    assert len(added) == 4
    shown = torch.cat([batch.images for batch in added.batches()])
    assert torch.equal(shown, plain_images(folder)[-4:])


def draws(found: TrainSet, steps: int) -> Iterator[tuple[Tensor, torch.Generator, None]]:
    for step in range(steps):
        yield torch.randperm(len(found), generator=generator(step))[:7], generator(100 + step), None


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("said", ["nothing", "all", "something else"])
def test_neither_workers_nor_announcements_change_a_bit(
    folder: Path, workers: int, said: str
) -> None:
    expected = [rows(folder).batch(*each).images for each in draws(rows(folder), 6)]
    found = rows(folder, workers=workers)
    if said == "all":
        found.announce(draws(found, 6))
    if said == "something else":
        found.announce((order.flip(0), rng, None) for order, rng, _ in draws(found, 9))
    got = [found.batch(*each).images for each in draws(found, 6)]
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


def test_few_batches_are_in_memory_at_a_time(folder: Path) -> None:
    found, told = rows(folder), []

    def upcoming() -> Iterator[tuple[Tensor, torch.Generator, None]]:
        for each in draws(found, 20):
            told.append(each)
            yield each

    found.announce(upcoming())
    for taken, each in enumerate(draws(found, 20), 1):
        found.batch(*each)
        assert len(told) <= taken + ahead.AHEAD
    assert len(told) == 20


def test_an_announced_batch_is_decoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = rows(folder)
    begun: list[bytes] = []
    begin = ahead.Ahead._begin
    monkeypatch.setattr(
        ahead.Ahead, "_begin", lambda self, each: begun.append(each.key) or begin(self, each)
    )
    found.announce(draws(found, 5))
    for each in draws(found, 5):
        found.batch(*each)
    assert len(begun) == len(set(begun)) == 5


def test_a_process_may_ask_for_its_part_of_a_batch_only(folder: Path) -> None:
    """What is drawn is drawn for all of it, so the parts fit together."""
    found, order = rows(folder, views=("weak", "strong")), torch.arange(10)
    whole = found.batch(order, generator(3))
    for needed in (slice(0, 5), slice(5, 10)):
        got = found.batch(order, generator(3), needed)
        assert torch.equal(got.images[needed], whole.images[needed])
        assert torch.equal(got.views[0][needed], whole.views[0][needed])
        assert torch.equal(got.labels, whole.labels)
    black = normalised(torch.zeros(3, SIZE, SIZE))
    assert torch.allclose(got.images[0], black, atol=1e-5)


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_on_a_cpu(folder: Path) -> None:
    """Pinned memory, copied without waiting, while the next batches are made."""
    device = torch.device("cuda")
    found = train_set(parts(folder), MEAN, STD, RESIZED, ("weak", "plain"), device, 2)
    expected = rows(folder, views=("weak", "plain"))
    found.announce(draws(found, 5))
    for one, other in zip(draws(found, 5), draws(found, 5), strict=True):
        got, wanted = found.batch(*one), expected.batch(*other)
        assert got.images.device.type == got.index.device.type == "cuda"
        torch.testing.assert_close(got.images.cpu(), wanted.images)
        torch.testing.assert_close(got.views[0].cpu(), wanted.views[0])


def test_cores_are_shared_with_the_processes_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead.os, "sched_getaffinity", lambda _: set(range(12)), raising=False)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert ahead.own_cores() == 12
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert ahead.own_cores() == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "40")
    assert ahead.own_cores() == 1


def tiny_streamed(folder: Path, workers: int) -> TrainSet:
    """Six rows of three classes."""
    names = [f"z{n}.jpg" for n in range(6)]
    pictures = list_files(folder, names, "RGB", False, "look")
    shown = Images(Fitted(pictures, 8))
    part = Part("real", shown, np.asarray([0, 0, 0, 1, 1, 2]), pictures)
    return train_set([part], MEAN, STD, RESIZED, ("weak",), CPU, workers)


def trained(folder: Path, out: Path, workers: int, stop_at: tuple[str, int] | None = None) -> str:
    """A base stage with batches of rows for mixing, then one that trains the head."""
    watch = Watch(tuple(pieces("cmo,retrain_head")), stop_at=stop_at)
    job = tiny_job(
        watch, out, task=tiny_task((3, 2, 1)), rows=tiny_streamed(folder, workers),
        recipe=replace(tiny_recipe(batch_size=4), augmentation=RESIZED),
        checkpoint_seconds=0.0,
    )  # fmt: skip
    return weights_hash(train(job)[0])


def test_a_resumed_run_sees_the_same_crops_with_any_number_of_workers(
    folder: Path, tmp_path: Path
) -> None:
    expected = trained(folder, tmp_path / "whole", 1)
    with pytest.raises(Stop):
        trained(folder, tmp_path / "stopped", 2, ("base", 7))
    assert trained(folder, tmp_path / "stopped", 3) == expected


def test_every_step_finds_its_batch_decoded_or_under_way(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop announces what it then asks for: nothing is decoded twice or for nobody."""
    found: list[bool] = []
    announced = ahead.Ahead._announced
    monkeypatch.setattr(
        ahead.Ahead, "_announced",
        lambda self, key: found.append((got := announced(self, key)) is not None) or got,
    )  # fmt: skip
    trained(folder, tmp_path, 2)
    assert len(found) > 30
    assert all(found)
