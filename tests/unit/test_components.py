"""Components against closed forms, golden values and their own definitions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.cmo import active
from baselines.ldam import CosineHead, ldam_logits, margins
from baselines.mixing import beta_sample, blend, random_box
from benchmark.component import ORIGINS, Batch, Component, Rows, Stage, Step, Task
from benchmark.errors import UsageError
from benchmark.generation.sources import Drawn, Heldout
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train
from synaug.domain_mixup import cross_pairs
from synaug.retrain_head import reset_head
from tests.unit.test_class_prior import CIFAR100, exponential

CPU = torch.device("cpu")


def part(name: str, **changes: Any) -> Component:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name).build()


def step(epoch: int = 0, epochs: int = 1, task: Task | None = None, seed: int = 0) -> Step:
    return Step(
        stage=Stage("base"),
        task=task or tiny_task((6, 3, 1)),
        index=epoch,
        total=epochs,
        epoch=epoch,
        epochs=epochs,
        seed=seed,
        device=CPU,
    )


def batch(n: int = 6, size: int = 8, seed: int = 0) -> Batch:
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(n, 3, size, size, generator=rng).contiguous(
        memory_format=torch.channels_last
    )
    labels = torch.arange(n) % 3
    origins = torch.tensor([k % 2 for k in range(n)], dtype=torch.uint8)
    return Batch(images, ((labels, torch.ones(n)),), origins, torch.arange(n))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def trace(folder: Path, *parts: Component, steps: int = 20) -> list[float]:
    """Losses of a tiny run of a stack."""
    watch = Watch(parts)
    train(tiny_job(watch, folder, recipe=tiny_recipe(steps=steps)))
    return watch.trace


# LDAM


@pytest.mark.parametrize(
    ("counts", "places", "expected"),
    [
        (CIFAR100, (0, 50, 99), (0.158114, 0.284055, 0.5)),
        (exponential(5000, 100, 10), (0, 5, 9), (0.158114, 0.299768, 0.5)),
        (exponential(500, 50, 100), (0, 50, 99), (0.188030, 0.308502, 0.5)),
        (exponential(500, 10, 100), (0, 50, 99), (0.281171, 0.376211, 0.5)),
    ],
)
def test_ldam_margins_match_published_counts(
    counts: tuple[int, ...], places: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    found = margins(torch.tensor(counts, dtype=torch.float32), 0.5)
    assert found[list(places)].tolist() == pytest.approx(expected, abs=1e-6)


def test_ldam_lowers_the_cosine_of_the_label_only() -> None:
    cosine, margin = torch.tensor([[0.1, 0.2], [0.3, 0.4]]), torch.tensor([0.5, 0.25])
    got = ldam_logits(cosine, torch.tensor([1, 0]), margin, 10.0)
    torch.testing.assert_close(got, torch.tensor([[1.0, -0.5], [-2.0, 4.0]]))


def test_ldam_without_margin_is_scaled_cosine_cross_entropy() -> None:
    cosine, labels = torch.rand(5, 3, generator=generator()), torch.tensor([0, 1, 2, 0, 1])
    got = part("ldam", max_margin=0.0, scale=7.0).criterion(cosine, labels, step())
    torch.testing.assert_close(got, functional.cross_entropy(7 * cosine, labels, reduction="none"))


def test_ldam_takes_margins_from_the_counts_its_prior_names() -> None:
    task = Task("d", ("a", "b"), (16, 1), (16, 16), 8)
    cosine, labels = torch.zeros(2, 2), torch.tensor([0, 1])
    real = part("ldam", prior="real").criterion(cosine, labels, step(task=task))
    flat = part("ldam", prior="train").criterion(cosine, labels, step(task=task))
    assert real[0] < real[1]
    assert flat[0] == flat[1] == real[1]


def test_a_cosine_head_gives_cosines() -> None:
    head, features = CosineHead(5, 3), torch.randn(4, 5, generator=generator())
    expected = functional.cosine_similarity(features[:, None], head.weight.detach()[None], 2)
    torch.testing.assert_close(head(features).detach(), expected)


def test_a_cosine_head_starts_with_unit_vectors() -> None:
    torch.testing.assert_close(CosineHead(64, 10).weight.norm(dim=1).detach(), torch.ones(10))


# DRW


def test_drw_switches_at_epoch_160_of_200() -> None:
    drw = part("drw")
    on = [epoch for epoch in range(200) if drw.class_weights(step(epoch, 200)) is not None]
    assert on == list(range(160, 200))


def test_drw_divides_by_the_sum_of_weights() -> None:
    assert part("drw").reduction == "weighted_mean"


def test_drw_prior_decides_whether_balanced_rows_are_weighted() -> None:
    task = Task("d", ("a", "b"), (16, 1), (16, 16), 8)
    real = part("drw", prior="real").class_weights(step(9, 10, task))
    flat = part("drw", prior="train").class_weights(step(9, 10, task))
    assert real is not None
    assert flat is not None
    assert real[1] > real[0]
    torch.testing.assert_close(flat, torch.ones(2))


# CMO


def test_cmo_pastes_in_epochs_4_to_196_of_200() -> None:
    assert [epoch for epoch in range(200) if active(epoch, 200, 3)] == list(range(4, 197))


def test_cmo_without_warm_epochs_always_pastes() -> None:
    assert all(active(epoch, 5, 0) for epoch in range(5))


def test_cmo_draws_foregrounds_in_active_epochs_only() -> None:
    cmo, labels = part("cmo"), torch.tensor([0] * 6 + [1] * 3 + [2])
    drawn = [cmo.streams(step(epoch, 9), labels, generator()) for epoch in range(9)]
    assert [found is not None and found.aux is not None for found in drawn] == [
        False, False, False, False, True, True, False, False, False]  # fmt: skip
    assert all(found is None or found.main is None for found in drawn)


@pytest.mark.parametrize("share", [0.0, 0.19, 0.5, 0.75, 0.96, 1.0])
def test_a_cmo_box_has_the_published_sides(share: float) -> None:
    """Within the borders a side is twice the half of floor(size * sqrt(1 - share))."""
    full = 2 * (int(32 * (1 - share) ** 0.5) // 2)
    sides = set()
    for seed in range(200):
        for side in random_box(32, 32, share, generator(seed)):
            assert 0 <= side.start <= side.stop <= 32
            sides.add(side.stop - side.start)
    assert max(sides) == full
    assert min(sides) == full // 2 or full < 4


def test_cmo_pastes_the_same_box_into_every_image_and_blends_labels_by_its_area() -> None:
    cmo, own, other = part("cmo", probability=1.0), batch(), batch(seed=1)
    mixed = cmo.mix(own, other, step(seed=2))
    pasted = (mixed.images == other.images).all(1)
    kept = (mixed.images == own.images).all(1)
    assert torch.equal(pasted, pasted[:1].expand_as(pasted))
    assert torch.equal(pasted, ~kept)
    area = float(pasted[0].float().mean())
    assert 0 < area < 1
    assert [float(weight[0]) for _, weight in mixed.targets] == pytest.approx([1 - area, area])
    assert torch.equal(mixed.targets[1][0], other.labels)


def test_cmo_does_not_write_into_the_batch_it_was_given() -> None:
    own = batch()
    before = own.images.clone()
    part("cmo", probability=1.0).mix(own, batch(seed=1), step(seed=2))
    assert torch.equal(own.images, before)


def test_cmo_pastes_with_its_probability() -> None:
    cmo = part("cmo", probability=0.3)
    hits = [cmo.mix(batch(2), batch(2, seed=1), step(seed=seed)) for seed in range(1000)]
    share = sum(len(found.targets) == 2 for found in hits) / 1000
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 / 1000) ** 0.5


def test_cmo_with_probability_0_trains_like_its_base(tmp_path: Path) -> None:
    base = trace(tmp_path / "base", part("ce"))
    assert trace(tmp_path / "none", part("cmo", probability=0.0, warm_epochs=0)) == base
    assert trace(tmp_path / "some", part("cmo", probability=1.0, warm_epochs=0)) != base


# mixing


@pytest.mark.parametrize("name", ["mixup", "domain_mixup"])
def test_mixup_blends_images_and_targets_by_one_share(name: str) -> None:
    own = batch()
    mixed = part(name).mix(own, None, step(seed=3))
    (labels, weight), (others, rest) = mixed.targets
    assert torch.equal(labels, own.labels)
    torch.testing.assert_close(weight + rest, torch.ones(6))
    share = float(weight[0])
    assert 0 < share < 1
    order = [
        next(j for j in range(6) if torch.allclose(
            mixed.images[k], share * own.images[k] + (1 - share) * own.images[j], atol=1e-5))
        for k in range(6)
    ]  # fmt: skip
    assert torch.equal(others, own.labels[torch.tensor(order)])


@pytest.mark.parametrize("name", ["mixup", "domain_mixup", "cmo"])
def test_mixed_images_stay_channels_last(name: str) -> None:
    changes = {"probability": 1.0} if name == "cmo" else {}
    mixed = part(name, **changes).mix(batch(), batch(seed=1), step(seed=2))
    assert mixed.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("names", [("mixup", "cmo"), ("cmo", "mixup"), ("cmo", "domain_mixup")])
def test_a_chain_of_mixes_keeps_weights_that_sum_to_one(names: tuple[str, ...]) -> None:
    mixed = batch()
    for name in names:
        changes = {"probability": 1.0} if name == "cmo" else {}
        mixed = part(name, **changes).mix(mixed, batch(seed=1), step(seed=2))
    assert len(mixed.targets) == (4 if names[0] == "cmo" else 3)
    total = torch.stack([weight for _, weight in mixed.targets]).sum(0)
    torch.testing.assert_close(total, torch.ones(6))


def test_beta_draws_have_the_moments_of_the_distribution() -> None:
    rng = generator()
    draws = torch.tensor([beta_sample(0.2, rng) for _ in range(4000)])
    variance = 1 / (4 * (2 * 0.2 + 1))
    assert abs(draws.mean().item() - 0.5) < 4 * (variance / 4000) ** 0.5
    assert draws.var().item() == pytest.approx(variance, rel=0.1)


def test_beta_draws_of_a_tiny_alpha_are_zero_or_one() -> None:
    rng = generator()
    assert {round(beta_sample(1e-6, rng), 6) for _ in range(60)} == {0.0, 1.0}


@pytest.mark.parametrize("share", [0.25, torch.tensor(0.25), torch.full((2,), 0.25)])
def test_blend_takes_scalars_and_one_share_an_image(share: Tensor | float) -> None:
    got = blend(torch.ones(2, 3, 4, 4), torch.zeros(2, 3, 4, 4), share)
    torch.testing.assert_close(got, torch.full((2, 3, 4, 4), 0.25))


def test_cross_pairs_join_real_with_added_images() -> None:
    real = torch.tensor([True, False, True, True, False, True])
    for seed in range(20):
        assert torch.equal(real[cross_pairs(real, generator(seed))], ~real)


@pytest.mark.parametrize("only", [True, False])
def test_cross_pairs_of_one_domain_are_the_rows_themselves(only: bool) -> None:
    assert cross_pairs(torch.full((4,), only), generator()).tolist() == [0, 1, 2, 3]


def test_cross_pairs_reach_every_image_of_the_other_domain() -> None:
    real = torch.tensor([True, False, False, False])
    assert {int(cross_pairs(real, generator(seed))[0]) for seed in range(60)} == {1, 2, 3}


def test_domain_mixup_across_domains_blends_no_pair_of_one_domain() -> None:
    own = batch()
    labels = own.origins.long()
    marked = Batch(own.images, ((labels, torch.ones(6)),), own.origins, own.index)
    mixed = part("domain_mixup", pairing="cross").mix(marked, None, step())
    assert torch.equal(mixed.targets[1][0], 1 - labels)
    assert ORIGINS[0] == "real"


# oversampling, head re-training


def test_oversampling_draws_classes_equally() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    rows = [part("oversample").streams(step(), labels, generator(seed)) for seed in range(5)]
    drawn = torch.cat([found.main for found in rows if found is not None])  # type: ignore[misc]
    assert len(drawn) == 5000
    shares = torch.bincount(labels[drawn]) / 5000
    assert float((shares - 1 / 3).abs().max()) < 4 * (2 / 9 / 5000) ** 0.5


def test_head_retraining_adds_a_last_stage_of_its_own() -> None:
    stages = part("retrain_head", share=0.25).stages([Stage("base")])
    assert [stage.name for stage in stages] == ["base", "retrain_head"]
    assert (stages[1].train, stages[1].owner, stages[1].share) == ("head", "retrain_head", 0.25)
    assert stages[1].rows == Rows("real")
    assert stages[1].plain == {"mix", "class_weights"}


def test_head_retraining_on_the_smallest_class_uses_each_row_once() -> None:
    retrain = part("retrain_head", rows="smallest")
    assert retrain.stages([])[0].rows == Rows("real", "min")
    found = retrain.streams(step(), torch.tensor([0, 0, 1, 1]), generator())
    assert found is not None
    assert found.main is not None
    assert sorted(found.main.tolist()) == [0, 1, 2, 3]


@pytest.mark.parametrize(("start", "alike"), [("fresh", False), ("continue", True)])
def test_the_head_is_reset_only_when_it_starts_fresh(start: str, alike: bool) -> None:
    net = _headed()
    before = net.head.weight.detach().clone()
    part("retrain_head", start=start).start_stage(net, None, step())  # type: ignore[arg-type]
    assert torch.equal(net.head.weight, before) is alike


def _headed() -> Any:
    backbone = nn.Flatten()
    backbone.num_features = 4  # type: ignore[assignment]
    return part("ldam").build(backbone, tiny_task((1, 1)))


def test_a_head_that_cannot_be_reset_is_refused() -> None:
    with pytest.raises(UsageError, match="ReLU cannot be re-initialised"):
        reset_head(nn.ReLU())


# requests


def test_text_to_image_asks_for_synthetic_images_up_to_the_largest_class() -> None:
    request = part("t2i").request_images(tiny_task((6, 3, 1)))
    assert request is not None
    assert request.origin == "synthetic"
    assert isinstance(request.source, Drawn)
    assert (request.default_budget.kind, request.default_budget.amount) == ("uniform", None)
    assert len(request.source.prompts.modifiers) > 1


def test_text_to_image_without_modifiers_writes_plain_prompts() -> None:
    request = part("t2i", modifiers="none").request_images(tiny_task((6, 3, 1)))
    assert request is not None
    assert isinstance(request.source, Drawn)
    assert len(request.source.prompts.modifiers) <= 1


def test_held_out_real_images_are_marked_as_outside_knowledge() -> None:
    request = part("heldout_real").request_images(tiny_task((6, 3, 1)))
    assert request is not None
    assert (request.origin, request.source) == ("heldout_real", Heldout())
    assert request.knowledge == ("heldout-real-images",)
