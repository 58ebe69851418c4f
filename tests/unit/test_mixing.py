"""CutMix and Remix: what is pasted or blended, and whose label it gets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from baselines.mixing import pasted
from baselines.remix import Remix, label_share
from benchmark.component import Batch
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import Piece, tiny_task
from tests.unit.test_components import batch, generator, part, step, trace

COUNTS = (9, 3, 1)


def marked() -> Batch:
    """A batch whose labels are the rows themselves, and whose images say so in every pixel."""
    own = batch()
    images = torch.arange(6.0)[:, None, None, None].expand(6, 3, 8, 8)
    return replace(own, images=images, targets=((torch.arange(6), torch.ones(6)),))


def cut(seed: int, **changes: Any) -> Batch:
    return part("cutmix", **({"probability": 1.0} | changes)).mix(marked(), None, step(seed=seed))


# cutmix


@pytest.mark.parametrize("seed", range(8))
def test_cutmix_blends_labels_by_the_area_of_the_box(seed: int) -> None:
    mixed = cut(seed)
    (own, kept), (partners, gone) = mixed.targets
    assert torch.equal(own, torch.arange(6))
    foreign = mixed.images != own[:, None, None, None]
    moved = partners != own
    assert torch.equal(gone, 1 - kept)
    # where a row is its own partner nothing can be seen
    area = foreign.float().mean((1, 2, 3))
    torch.testing.assert_close(area[moved], gone.expand(6)[moved])
    assert bool((mixed.images[foreign] == partners[:, None, None, None]
                 .expand_as(mixed.images)[foreign]).all())  # fmt: skip


def test_the_box_of_cutmix_is_a_rectangle_at_one_place_in_all_images() -> None:
    mixed = next(
        found for seed in range(20) if (found := cut(seed)) and 0.1 < found.targets[1][1][0] < 0.9
    )
    rows = torch.arange(6)[:, None, None, None]
    moved = mixed.targets[1][0] != mixed.targets[0][0]
    foreign = (mixed.images != rows).any(1)[moved]
    assert torch.equal(foreign, foreign[:1].expand_as(foreign))
    (ys, xs) = foreign[0].nonzero(as_tuple=True)
    assert int(foreign[0].sum()) == len(ys.unique()) * len(xs.unique())


def test_cutmix_permutes_the_batch() -> None:
    for seed in range(4):
        assert sorted(cut(seed).targets[1][0].tolist()) == list(range(6))


def test_cutmix_pastes_with_its_probability() -> None:
    hits = sum(len(cut(seed, probability=0.3).targets) == 2 for seed in range(400))
    assert abs(hits / 400 - 0.3) < 4 * (0.3 * 0.7 / 400) ** 0.5


def test_cutmix_with_probability_0_trains_like_cross_entropy(tmp_path: Path) -> None:
    plain = trace(tmp_path / "ce", part("ce"), steps=4)
    assert trace(tmp_path / "none", part("cutmix", probability=0.0), steps=4) == plain
    assert trace(tmp_path / "some", part("cutmix", probability=1.0), steps=4) != plain


def test_pasting_leaves_the_given_images_alone() -> None:
    own, other = batch().images, batch(seed=1).images
    before = own.clone()
    made, kept = pasted(own, other, slice(1, 4), slice(2, 8))
    assert torch.equal(own, before)
    assert float(kept) == pytest.approx(1 - 18 / 64)
    assert torch.equal(made[:, :, 1:4, 2:8], other[:, :, 1:4, 2:8])
    made[:, :, 1:4, 2:8] = own[:, :, 1:4, 2:8]
    assert torch.equal(made, own)
    assert made.is_contiguous(memory_format=torch.channels_last)


# remix


@pytest.mark.parametrize(
    ("share", "own", "other", "expected"),
    [
        (0.3, 9, 3, 0.0),  # the frequent class has less than half: the label is the rare one
        (0.7, 9, 3, 0.7),  # it has more: both
        (0.7, 3, 9, 1.0),  # the partner is frequent and has less than half
        (0.3, 3, 9, 0.3),
        (0.5, 9, 3, 0.5),  # exactly tau is not less than tau
        (0.5, 3, 9, 0.5),
        (0.3, 8, 3, 0.3),  # not three times as many
        (0.7, 3, 8, 0.7),
        (0.3, 3, 3, 0.3),
        (0.0, 9, 3, 0.0),
        (1.0, 9, 3, 1.0),
    ],
)
def test_the_rare_class_takes_the_label(
    share: float, own: int, other: int, expected: float
) -> None:
    sizes = [torch.tensor([float(n)]) for n in (own, other)]
    found = label_share(torch.tensor(share), *sizes, kappa=3.0, tau=0.5)
    assert found.tolist() == pytest.approx([expected])


def test_both_sides_of_a_pair_agree() -> None:
    own, other = 1 + 9 * torch.rand(2, 50, generator=generator())
    for share in (0.2, 0.4, 0.6, 0.9):
        one = label_share(torch.tensor(share), own, other, 2.0, 0.5)
        two = label_share(torch.tensor(1 - share), other, own, 2.0, 0.5)
        torch.testing.assert_close(one, 1 - two)


def remixed(seed: int, **changes: Any) -> tuple[float, Tensor, Tensor, Tensor]:
    """The image share of a mixed batch, own labels, partners' labels and the label weights."""
    made = part("remix", **changes).mix(batch(), None, step(task=tiny_task(COUNTS), seed=seed))
    plain: Any = Piece(Remix, {**vars(part("remix").config), "tau": 0.0}, "remix").build()
    share = float(
        plain.mix(batch(), None, step(task=tiny_task(COUNTS), seed=seed)).targets[0][1][0]
    )
    (own, weight), (partners, rest) = made.targets
    torch.testing.assert_close(weight + rest, torch.ones(6))
    return share, own, partners, weight


@pytest.mark.parametrize("seed", range(6))
def test_remix_follows_the_rule_row_by_row(seed: int) -> None:
    share, own, partners, weight = remixed(seed)
    for k in range(6):
        n, m = COUNTS[int(own[k])], COUNTS[int(partners[k])]
        expected = share
        if n / m >= 3 and share < 0.5:
            expected = 0.0
        elif m / n >= 3 and 1 - share < 0.5:
            expected = 1.0
        assert float(weight[k]) == pytest.approx(expected, abs=1e-6)


def test_remix_by_flat_counts_is_mixup() -> None:
    flat = step(task=tiny_task((5, 5, 5)), seed=3)
    made = part("remix", prior="train").mix(batch(), None, flat)
    weight = made.targets[0][1]
    assert torch.equal(weight, weight[:1].expand(6))


def test_remix_without_a_threshold_trains_like_mixup(tmp_path: Path) -> None:
    values = {**vars(part("remix").config), "tau": 0.0}
    # streams of random numbers go by the name
    alike = Piece(Remix, values, "mixup").build()
    plain = trace(tmp_path / "mixup", part("mixup"), steps=4)
    assert trace(tmp_path / "alike", alike, steps=4) == plain
    other = Piece(Remix, vars(part("remix").config), "mixup").build()
    assert trace(tmp_path / "other", other, steps=4) != plain


def test_a_label_share_a_row_meets_every_loss() -> None:
    """The blended loss is the weighted sum over rows and pairs."""
    component = part("remix")
    mixed = component.mix(batch(), None, step(task=tiny_task(COUNTS), seed=1))
    logits = torch.randn(6, 3, generator=generator())
    found = blended_loss(Stack((component,)), logits, mixed, step())
    log_p = logits.log_softmax(1)
    expected = sum(
        -(weight * log_p[torch.arange(6), labels]).mean() for labels, weight in mixed.targets
    )
    torch.testing.assert_close(found, expected)
