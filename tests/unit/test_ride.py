"""RIDE against golden temperatures and its loss written out expert by expert."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional

from baselines.class_prior import effective_number_weights
from baselines.ldam import margins
from baselines.ride import RIDE, class_temperatures, disagreement, margin_losses
from benchmark.component import Batch, Component, Stage, Step, Task
from benchmark.conformance import check_stack
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.paths import config_dir
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train
from tests.unit.test_class_prior import CIFAR100

CPU = torch.device("cpu")
COUNTS = (9, 4, 1, 0)


def piece(name: str, **changes: Any) -> Piece:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name)


def ride(**changes: Any) -> Any:
    return piece("ride", **changes).build()


def step(late: bool = False, task: Task | None = None, stage: Stage | None = None) -> Step:
    epoch = 9 if late else 0
    return Step(stage or Stage("base"), task or tiny_task(COUNTS), epoch, 10, epoch, 10, 0, CPU)


class Says:
    """A network that gives the logits it was made with."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def origins_of(self, batch: Batch) -> Any:
        return nullcontext()

    def __call__(self, images: Tensor) -> Tensor:
        return self.logits


def logits_of(experts: int = 3, n: int = 6, classes: int = 4, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return 10 * torch.randn(n, experts, classes, generator=rng)


def batch_of(*pairs: tuple[list[int], float]) -> Batch:
    targets = tuple(
        (torch.tensor(labels), torch.full((len(labels),), share)) for labels, share in pairs
    )
    n = len(pairs[0][0])
    origins = torch.zeros(n, dtype=torch.uint8)
    return Batch(torch.zeros(n, 3, 8, 8), targets, origins, torch.arange(n))


LABELS = [0, 0, 1, 1, 2, 0]
PLAIN = batch_of((LABELS, 1.0))
MIXED = batch_of((LABELS, 0.7), ([2, 1, 0, 0, 0, 3], 0.3))


def written_out(
    logits: Tensor, labels: Tensor, late: bool, diversity: float, spread: float = 0.05
) -> Tensor:
    """The loss for one set of labels, one expert after the other, with PyTorch's reductions."""
    counts = torch.tensor([max(count, 1) for count in COUNTS], dtype=torch.float64)
    margin = 0.5 * (counts.min() / counts) ** 0.25
    weight = (1 - 0.9999) / (1 - 0.9999**counts)
    weight = (weight / weight.sum() * len(counts)).float()
    heat = torch.ones(len(counts), dtype=torch.float64)
    if late:
        heat = len(counts) * counts / counts.sum() * spread + 1 - spread
        heat = heat / heat.max()
    total = torch.zeros(())
    for expert in range(logits.shape[1]):
        own = logits[:, expert]
        lowered = own.clone()
        for row, label in enumerate(labels):
            lowered[row, label] = own[row, label] - 30 * margin[label]
        total = total + functional.cross_entropy(lowered, labels, weight if late else None)
        target = functional.softmax(logits.mean(1) / heat.float(), 1)
        log_p = functional.log_softmax(own / heat.float(), 1)
        gap = functional.kl_div(log_p, target, reduction="batchmean")
        total = total - diversity * float(heat.mean()) ** 2 * gap
    return total


def test_temperatures_match_published_counts() -> None:
    found = class_temperatures(torch.tensor(CIFAR100, dtype=torch.float32), 0.05)
    assert found[[0, 50, 99]].tolist() == pytest.approx([1, 0.823502, 0.806711], abs=1e-6)
    assert float(found.mean()) == pytest.approx(0.847114, abs=1e-6)


@pytest.mark.parametrize(("counts", "spread"), [((7.0, 7.0, 7.0), 0.5), ((9.0, 2.0, 1.0), 0.0)])
def test_temperatures_are_one_on_balanced_classes_or_without_spread(
    counts: tuple[float, ...], spread: float
) -> None:
    assert class_temperatures(torch.tensor(counts), spread).tolist() == [1, 1, 1]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("diversity", [0.45, 0.0, -0.2])
@pytest.mark.parametrize("batch", [PLAIN, MIXED], ids=["plain", "mixed"])
def test_the_loss_is_the_one_written_out_for_each_set_of_labels(
    late: bool, diversity: float, batch: Batch
) -> None:
    logits = logits_of()
    got = ride(diversity=diversity).loss(Says(logits), batch, step(late))
    expected = sum(
        float(share[0]) * written_out(logits, labels, late, diversity)
        for labels, share in batch.targets
    )
    torch.testing.assert_close(got, expected)


def test_its_gradient_is_that_of_the_loss_written_out_with_a_constant_mean() -> None:
    """Its own gradient would cancel in the sum over experts, so a constant is exact."""
    logits, labels = logits_of().requires_grad_(), PLAIN.labels
    (got,) = torch.autograd.grad(ride().loss(Says(logits), PLAIN, step(True)), logits)
    heat = class_temperatures(torch.tensor([9.0, 4, 1, 1]), 0.05)
    p = (logits.detach() / heat).softmax(2)
    mean = (logits.detach().mean(1, keepdim=True) / heat).softmax(2)
    apart = 0.45 * heat.mean() ** 2 * (p - mean) / heat / len(labels)
    margin = 30 * margins(torch.tensor([9.0, 4, 1, 1]), 0.5)
    weight = effective_number_weights(COUNTS, 0.9999, CPU)[labels]
    told = functional.one_hot(labels, 4)[:, None]
    lowered = (logits.detach() - margin * told).softmax(2) - told
    expected = weight[:, None, None] / weight.sum() * lowered - apart
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("batch", [PLAIN, MIXED], ids=["plain", "mixed"])
@pytest.mark.parametrize("late", [False, True])
def test_one_expert_that_need_not_differ_is_ldam_with_deferred_weights(
    batch: Batch, late: bool
) -> None:
    logits = logits_of(experts=1)
    got = ride(diversity=0.0).loss(Says(logits), batch, step(late))
    base = Stack((piece("ldam").build(), piece("drw").build()))
    expected = blended_loss(base, logits[:, 0] / 30, batch, step(late))
    torch.testing.assert_close(got, expected)


def test_one_expert_never_disagrees_with_itself() -> None:
    logits = logits_of(experts=1)
    found = disagreement(logits, torch.ones(4))
    torch.testing.assert_close(found, torch.zeros(6), atol=1e-6, rtol=0)


def test_equal_experts_do_not_disagree_and_others_do() -> None:
    logits = logits_of(experts=1).expand(-1, 3, -1)
    torch.testing.assert_close(
        disagreement(logits, torch.ones(4)), torch.zeros(6), atol=1e-5, rtol=0
    )
    assert (disagreement(logits_of(), torch.ones(4)) > 0).all()


@pytest.mark.parametrize(("diversity", "grows"), [(0.45, True), (-0.45, False)])
def test_the_diversity_loss_moves_experts_apart_or_together(diversity: float, grows: bool) -> None:
    """What it adds to the gradient is followed alone: cross-entropy has a say of its own."""
    logits, heat = (logits_of() / 10).requires_grad_(), torch.ones(4)

    def gradient(strength: float) -> Tensor:
        loss = ride(diversity=strength).loss(Says(logits), PLAIN, step())
        return torch.autograd.grad(loss, logits)[0]

    moved = logits - 0.1 * (gradient(diversity) - gradient(0.0))
    before, after = disagreement(logits, heat).sum(), disagreement(moved, heat).sum()
    assert bool(after > before) is grows


def test_trained_experts_disagree_more_the_more_it_is_rewarded(tmp_path: Path) -> None:
    apart = []
    for diversity in (0.0, 2.0):
        job = tiny_job(
            Watch((ride(diversity=diversity),)), tmp_path / str(diversity),
            recipe=tiny_recipe(steps=20),
        )  # fmt: skip
        net = train(job)[0].eval()
        images = next(iter(job.rows.batches())).images
        with torch.no_grad():
            apart.append(float(disagreement(net(images), torch.ones(10)).mean()))
    assert apart[1] > 1.5 * apart[0]


def test_collaborative_experts_learn_by_their_mean() -> None:
    """At lambda 0 what the released code does: E times the loss of the mean logits."""
    logits = logits_of()
    got = ride(diversity=0.0, collaborative=True).loss(Says(logits), PLAIN, step(True))
    mean = logits.mean(1, keepdim=True)
    alone = ride(diversity=0.0).loss(Says(mean), PLAIN, step(True))
    torch.testing.assert_close(got, 3 * alone)


def test_weights_and_temperatures_apply_from_epoch_160_of_200() -> None:
    logits, whole = logits_of(), ride()
    losses = [
        float(whole.loss(Says(logits), PLAIN, replace(step(), epoch=epoch, epochs=200)))
        for epoch in range(155, 165)
    ]
    assert len(set(losses[:5])) == len(set(losses[5:])) == 1
    assert losses[4] != losses[5]


def test_class_weights_rest_where_the_stage_lets_them_rest() -> None:
    logits, resting = logits_of(), Stage("head", plain=frozenset({"class_weights"}))
    found = ride().loss(Says(logits), PLAIN, step(True, stage=resting))
    unweighted = ride(beta=0.0).loss(Says(logits), PLAIN, step(True))
    torch.testing.assert_close(found, unweighted)
    assert found != ride().loss(Says(logits), PLAIN, step(True))


def test_the_prior_decides_whether_balanced_rows_are_told_apart() -> None:
    """On counts that are flat after the budget margins are equal, weights and temperatures 1."""
    task = Task("d", ("a", "b"), (16, 1), (16, 16), 8)
    logits, batch = logits_of(classes=2), batch_of(([0, 1, 0, 1, 0, 1], 1.0))
    flat = ride(prior="train").loss(Says(logits), batch, step(True, task))
    balanced = ride(prior="real").loss(Says(logits), batch, step(True, tiny_task((5, 5))))
    real = ride(prior="real").loss(Says(logits), batch, step(True, task))
    torch.testing.assert_close(flat, balanced)
    assert abs(float(real - flat)) > 0.1


def test_margins_are_taken_from_the_label_of_every_expert() -> None:
    logits, margin = torch.zeros(2, 2, 2), torch.tensor([0.0, 3.0])
    got = margin_losses(logits, torch.tensor([0, 1]), margin)
    two = torch.tensor(2.0)
    expected = torch.stack([2 * two.log(), 2 * (1 + torch.tensor(3.0).exp()).log()])
    torch.testing.assert_close(got, expected)


def test_a_batch_without_some_class_and_one_of_a_single_class_have_finite_losses() -> None:
    for labels in ([0] * 6, [3] * 6, [2]):
        loss = ride().loss(Says(logits_of(n=len(labels))), batch_of((labels, 1.0)), step(True))
        assert torch.isfinite(loss)


def test_large_logits_of_half_precision_have_finite_losses() -> None:
    logits = (30 * logits_of().sign()).bfloat16()
    loss = ride().loss(Says(logits), PLAIN, step(True))
    assert torch.isfinite(loss)
    assert loss.dtype == torch.float32


# stacks


def test_the_published_settings_are_shipped() -> None:
    shipped = RIDE.Config(**shipped_settings("ride"))
    assert (shipped.experts, shipped.reduce, shipped.diversity, shipped.start) == (
        3,
        0.75,
        0.45,
        0.8,
    )


def test_the_preset_with_cmo_is_both() -> None:
    preset = yaml.safe_load((config_dir() / "method" / "ride_cmo.yaml").read_text("utf-8"))
    assert preset == {"defaults": ["ride", "cmo"]}


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("ride"), piece("cmo", warm_epochs=0, probability=1.0)],
        [piece("t2i"), piece("origin_weights"), piece("origin_batch_norm"), piece("ride")],
        [piece("ride"), piece("lws")],
    ],
    ids=lambda pieces: "+".join(each.name for each in pieces),
)
def test_a_stack_trains_and_deploys(pieces: list[Piece]) -> None:
    results = check_stack(pieces, only=["trains and deploys with a class with a single image"])
    assert [str(found) for found in results] == ["ok   " + results[0].name]


@pytest.mark.parametrize("other", ["retrain_head", "crt"])
def test_a_head_stage_moves_every_classifier_and_nothing_else(other: str, tmp_path: Path) -> None:
    watch = Watch((ride(), piece(other).build()), deep=True)
    train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=8)))
    seen = [found for found in watch.seen if found.stage.name == other]
    assert seen
    for found in seen:
        assert found.changed == {f"head.heads.{expert}.weight" for expert in range(3)}


@pytest.mark.parametrize("other", ["ldam", "drw"])
def test_what_it_brings_itself_cannot_be_stacked_on_it(other: str) -> None:
    with pytest.raises(UsageError, match=f"'ride'.*'{other}'"):
        Stack((ride(), piece(other).build()))


class Polish(Component):
    """A last stage by plain cross-entropy, whatever the stack trains by."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        return [*base, Stage("polish", plain=frozenset({"loss"}), owner=self.name)]


def test_where_its_loss_rests_the_mean_of_the_experts_learns(tmp_path: Path) -> None:
    watch = Watch((ride(), Polish(Polish.Config(), "polish")), deep=True)
    net, _, _ = train(tiny_job(watch, tmp_path, recipe=tiny_recipe(steps=8)))
    seen = [found for found in watch.seen if found.stage.name == "polish"]
    assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
    assert {f"head.heads.{expert}.weight" for expert in range(3)} <= seen[0].changed
