"""AutoAugment and RandAugment against torchvision's tables and operations."""

import pytest
import torch
from torch import Tensor
from torchvision.transforms import AutoAugment, AutoAugmentPolicy, RandAugment, v2

from benchmark.data import policies
from tests.unit.test_image_ops import difference, pictures

SIZE = 32
# what each operation does is torchvision's private method: the reference of this test only
REFERENCE = v2.AutoAugment(fill=policies.FILL)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_torchvision(image: Tensor, op: str, level: float) -> Tensor:
    space = v2.RandAugment._AUGMENTATION_SPACE | v2.AutoAugment._AUGMENTATION_SPACE
    bins, _ = space[op]
    values = bins(10, SIZE, SIZE)
    # ninths of the range are torchvision's ten bins
    magnitude = 0.0 if values is None else float(values[round(abs(level) * 9)])
    signed = -magnitude if level < 0 else magnitude
    made: Tensor = REFERENCE._apply_image_or_video_transform(
        image, op, signed, interpolation=REFERENCE.interpolation, fill=REFERENCE._fill
    )
    return made


@pytest.mark.parametrize("op", policies.NAMES)
def test_an_operation_at_a_level_is_torchvisions(op: str) -> None:
    two_ways = bool(policies.TWO_WAYS[policies.NAMES.index(op)])
    ninths = torch.tensor([-9, -4, -1, 0, 3, 7, 9] if two_ways else [0, 1, 2, 4, 5, 7, 9])
    levels, images = ninths / 9, pictures(7, SIZE, SIZE)
    got = policies.OPS[op](images, levels)
    expected = torch.stack(
        [by_torchvision(image, op, float(at)) for image, at in zip(images, levels, strict=True)]
    )
    if op in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate"):
        assert float((got != expected).float().mean()) < 0.005
    else:
        # ninths of a range give many whole numbers, which may be cut off below
        assert difference(got, expected) <= 1
        assert float((got != expected).float().mean()) < 0.03


def test_operations_and_directions_are_those_of_torchvision() -> None:
    theirs = RandAugment()._augmentation_space(31, (SIZE, SIZE))
    assert list(theirs) == list(policies.NAMES[: policies.RANDAUGMENT_OPS])
    signed = [signed for _, signed in theirs.values()]
    assert policies.TWO_WAYS.tolist() == [*signed, False]


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
def test_only_operations_of_the_published_table_are_drawn(name: str) -> None:
    ops, levels = policies.draw_autoaugment(name, 4000, generator())
    rows = AutoAugment(AutoAugmentPolicy(name)).policies
    possible = set()
    for row in rows:
        first, second = (
            (policies.NAMES.index(op), round(9 * ((at or 0) / 9))) for op, _, at in row
        )
        possible |= {(one, two) for one in (first, None) for two in (second, None)}
    for pair, level in zip(ops.tolist(), levels.tolist(), strict=True):
        drawn = [
            (op, round(9 * abs(at))) if op else None for op, at in zip(pair, level, strict=True)
        ]
        assert tuple(drawn) in possible


def test_the_first_published_cifar_policies_are_as_in_the_paper() -> None:
    ops, chances, levels = policies._table("cifar10")
    assert ops.shape == chances.shape == levels.shape == (25, 2)
    first = [(policies.NAMES[int(op)], round(float(chance), 1), round(9 * float(level)))
             for op, chance, level in zip(ops[:2].flatten(), chances[:2].flatten(),
                                          levels[:2].flatten(), strict=True)]  # fmt: skip
    assert first == [
        ("Invert", 0.1, 0), ("Contrast", 0.2, 6), ("Rotate", 0.7, 2), ("TranslateX", 0.3, 9),
    ]  # fmt: skip


def test_operations_are_kept_as_often_as_the_table_says() -> None:
    n = 20_000
    ops, _ = policies.draw_autoaugment("cifar10", n, generator())
    table_ops, chances, _ = policies._table("cifar10")
    for slot in (0, 1):
        for op in table_ops[:, slot].unique().tolist():
            expected = float(chances[table_ops[:, slot] == op, slot].sum()) / 25
            share = float((ops[:, slot] == op).float().mean())
            assert abs(share - expected) < 5 * (expected * (1 - expected) / n) ** 0.5 + 1e-9


def test_randaugment_draws_operations_uniformly_at_one_level_both_ways() -> None:
    ops, levels = policies.draw_randaugment(2, 0.7, 14_000, generator())
    shares = torch.bincount(ops.flatten(), minlength=15) / ops.numel()
    assert shares[14] == 0
    assert float((shares[:14] - 1 / 14).abs().max()) < 5 * (1 / 14 / 28_000) ** 0.5
    assert bool((levels.abs() - 0.7).abs().max() < 1e-6)
    two_ways = policies.TWO_WAYS[ops]
    assert not (levels[~two_ways] < 0).any()
    assert abs(float((levels[two_ways] < 0).float().mean()) - 0.5) < 0.02


def test_a_plan_is_carried_out_image_by_image_in_order() -> None:
    images = pictures(60, SIZE, SIZE)
    ops, levels = policies.draw_autoaugment("imagenet", 60, generator(3))
    alone = []
    for image, pair, level in zip(images, ops, levels, strict=True):
        part = image[None]
        for op, at in zip(pair.tolist(), level, strict=True):
            part = policies.OPS[policies.NAMES[op]](part, at[None])
        alone.append(part)
    got = policies.apply(images.clone(memory_format=torch.channels_last), ops, levels)
    assert torch.equal(got, torch.cat(alone))
    assert not torch.equal(got, images)


def test_an_empty_plan_leaves_the_images_alone() -> None:
    images = pictures(5)
    ops = torch.zeros(5, 2, dtype=torch.long)
    assert torch.equal(policies.apply(images.clone(), ops, torch.ones(5, 2)), images)
