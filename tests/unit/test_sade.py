"""SADE: the three assumed class distributions, and its loss written out."""

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from baselines.class_prior import log_prior
from baselines.sade import expert_losses, expert_offsets, inverse_prior
from benchmark.component import Batch, Stage, Step, Task
from benchmark.conformance import check_stack
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack
from benchmark.tiny import Piece, tiny_task
from tests.unit.test_class_prior import CIFAR100

CPU = torch.device("cpu")
COUNTS = (9, 4, 1, 0)
LABELS = torch.tensor([0, 0, 1, 1, 2, 0])


def piece(name: str, **changes: Any) -> Piece:
    return Piece(COMPONENTS.load(name), shipped_settings(name) | changes, name)


def step(task: Task | None = None) -> Step:
    return Step(Stage("base"), task or tiny_task(COUNTS), 0, 10, 0, 10, 0, CPU)


class Says:
    """A network that gives the logits it was made with."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def origins_of(self, batch: Batch) -> Any:
        return nullcontext()

    def __call__(self, images: Tensor) -> Tensor:
        return self.logits


def logits_of(seed: int = 0, classes: int = 4) -> Tensor:
    return 10 * torch.randn(6, 3, classes, generator=torch.Generator().manual_seed(seed))


def batch_of(*pairs: tuple[Tensor, float]) -> Batch:
    targets = tuple((labels, torch.full((6,), share)) for labels, share in pairs)
    return Batch(torch.zeros(6, 3, 8, 8), targets, torch.zeros(6, dtype=torch.uint8), LABELS)


def written_out(logits: Tensor, labels: Tensor, strength: float) -> Tensor:
    """The loss on counts that fall from class to class, so that their inverse is their flip."""
    pi = torch.tensor([9.0, 4, 1, 1]) / 15
    first = functional.cross_entropy(logits[:, 0], labels)
    second = functional.cross_entropy(logits[:, 1] + pi.log(), labels)
    third = logits[:, 2] + pi.log() - strength * pi.flip(0).log()
    return first + second + functional.cross_entropy(third, labels)


def test_the_inverse_of_falling_counts_is_their_flip() -> None:
    log_pi = log_prior(CIFAR100, CPU)
    # rare classes of one size stand for each other: values are compared, not places
    torch.testing.assert_close(inverse_prior(log_pi).sort().values, log_pi.sort().values)
    torch.testing.assert_close(inverse_prior(log_pi)[:50], log_pi.flip(0)[:50])


def test_the_inverse_gives_the_rarest_class_the_largest_share_in_any_order() -> None:
    counts = torch.tensor([4.0, 100.0, 20.0, 7.0])
    assert inverse_prior(counts).tolist() == [100, 4, 7, 20]


def test_the_inverse_of_the_inverse_is_the_prior() -> None:
    counts = torch.randperm(20, generator=torch.Generator().manual_seed(0)).float()
    assert torch.equal(inverse_prior(inverse_prior(counts)), counts)


@pytest.mark.parametrize("strength", [0.0, 2.0])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_loss_is_the_one_written_out_for_each_set_of_labels(
    strength: float, mixed: bool
) -> None:
    other = torch.tensor([2, 1, 0, 0, 0, 3])
    batch = batch_of((LABELS, 0.7), (other, 0.3)) if mixed else batch_of((LABELS, 1.0))
    logits = logits_of()
    # classes of one image are two here: the first of them counts as rarer
    task = tiny_task((9, 4, 0, 1))
    order = torch.tensor([0, 1, 3, 2])
    got = piece("sade", inverse=strength).build().loss(Says(logits), batch, step(task))
    expected = sum(
        float(share[0]) * written_out(logits[:, :, order], order[labels], strength)
        for labels, share in batch.targets
    )
    torch.testing.assert_close(got, expected)


def test_without_strength_the_third_expert_is_the_second() -> None:
    offsets = expert_offsets(log_prior(COUNTS, CPU), 0.0)
    assert torch.equal(offsets[1], offsets[2])
    assert not offsets[0].any()


def test_on_balanced_counts_all_experts_learn_by_plain_cross_entropy() -> None:
    task = Task("d", ("a", "b"), (16, 1), (16, 16), 8)
    logits, batch = logits_of(classes=2), batch_of((LABELS % 2, 1.0))
    flat = piece("sade", prior="train").build().loss(Says(logits), batch, step(task))
    plain = sum(functional.cross_entropy(logits[:, k], LABELS % 2) for k in range(3))
    torch.testing.assert_close(flat, plain)
    real = piece("sade", prior="real").build().loss(Says(logits), batch, step(task))
    assert abs(float(real - flat)) > 0.1


def test_each_expert_is_at_its_optimum_where_it_assumes_the_truth() -> None:
    """Features without information: expert k then predicts its assumed test distribution.

    Softmax ends at pi, balanced softmax at uniform, inverse softmax at inverse(pi)^strength.
    """
    counts = torch.tensor([8.0, 3.0, 1.0])
    log_pi = (counts / counts.sum()).log()
    labels = torch.repeat_interleave(torch.arange(3), counts.long())
    logits = torch.zeros(1, 3, 3, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        each = logits.expand(len(labels), -1, -1)
        loss = expert_losses(each, labels, expert_offsets(log_pi, 2.0)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = logits.detach()[0].softmax(1)
    inverse = counts.flip(0) ** 2 / (counts**2).sum()
    expected = torch.stack([counts / counts.sum(), torch.full((3,), 1 / 3), inverse])
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "pieces",
    [
        [piece("sade"), piece("cmo", warm_epochs=0, probability=1.0)],
        [piece("t2i"), piece("sade"), piece("retrain_head")],
    ],
    ids=lambda pieces: "+".join(each.name for each in pieces),
)
def test_a_stack_trains_and_deploys(pieces: list[Piece]) -> None:
    results = check_stack(pieces, only=["trains and deploys with a class with a single image"])
    assert [str(found) for found in results] == ["ok   " + results[0].name]


@pytest.mark.parametrize("other", ["ldam", "drw", "ride"])
def test_another_loss_cannot_be_stacked_on_it(other: str) -> None:
    with pytest.raises(UsageError, match=f"'sade'.*'{other}'"):
        Stack((piece("sade").build(), piece(other).build()))
