"""Weight balancing: where it decays, weighs and projects, against closed forms."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.ldam import CosineHead
from baselines.weight_balancing import norm_limit, project_rows, softmax_binary_cross_entropy
from benchmark.component import Batch, Component, Net, Stage, Step
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.registry import COMPONENTS
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe, tiny_task
from benchmark.training.train import train
from tests.unit.test_class_prior import CIFAR100

CPU = torch.device("cpu")
NAME = "weight_balancing"


def part(name: str = NAME, **changes: Any) -> Component:
    # apart from every recipe's own decay
    large = {"base_weight_decay": 5e-3} if name == NAME else {}
    return Piece(COMPONENTS.load(name), shipped_settings(name) | large | changes, name).build()


def stages(*parts: Component) -> list[Stage]:
    return Stack(parts).stages([Stage("base")])


def step(stage: Stage, counts: tuple[int, ...] = (6, 3, 1), added: int = 0) -> Step:
    return Step(stage, tiny_task(counts, added), 0, 1, 0, 1, 0, CPU)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def losses(stack: Stack, stage: Stage, out: Tensor, labels: Tensor) -> Tensor:
    ones = torch.ones(len(labels))
    batch = Batch(out, ((labels, ones),), torch.zeros(len(labels), dtype=torch.uint8), labels)
    return blended_loss(stack, out, batch, step(stage))


# the limit and the projection


def test_the_limit_lies_a_share_of_the_way_from_shortest_to_longest() -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, 1.0], [2.0, 0.0]])
    found = [float(norm_limit(weight, share)) for share in (0.0, 0.1, 1.0)]
    assert found == pytest.approx([1.0, 1.4, 5.0])


def test_long_rows_are_shortened_to_the_limit_and_others_stay() -> None:
    weight = nn.Parameter(torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, -7.0], [0.0, 0.0]]))
    project_rows(weight, torch.tensor(2.0))
    expected = [[1.2, 1.6], [0.6, 0.8], [0.0, -2.0], [0.0, 0.0]]
    torch.testing.assert_close(weight.data, torch.tensor(expected))
    assert torch.equal(weight.data[1], torch.tensor([0.6, 0.8]))


def test_the_projection_is_the_nearest_point_of_the_ball() -> None:
    weight, limit = random(1, 3), torch.tensor(0.3)
    projected = weight.clone()
    project_rows(projected, limit)
    inside = functional.normalize(random(4000, 3, seed=1)) * limit
    assert float((projected - weight).norm()) <= float((inside - weight).norm(dim=1).min()) + 1e-6


def head_norms(net: Net) -> Tensor:
    return net.head.weight.detach().norm(dim=1)


class Norms(Component):
    """Notes how far the longest row is from the limit after each of the owner's steps."""

    seen: list[float]

    def after_step(self, net: Any, step: Step) -> None:
        """Runs after the owner's."""
        if step.stage.owner == NAME:
            self.seen.append(float(head_norms(net).max() / net.norm_limit))


class Decayed(Component):
    """The base stage alone, with the weight decay that it has in weight balancing."""

    def stages(self, base: list[Stage]) -> list[Stage]:
        """All stages, decayed."""
        return [replace(stage, weight_decay=0.005) for stage in base]


def excess(folder: Path, **changes: Any) -> tuple[list[float], float]:
    """Longest row by the limit, after each step and at the end."""
    watcher = Norms(None, "norms")
    watcher.seen = []
    job = tiny_job(Stack((part(share=0.5, **changes), watcher)), folder, recipe=tiny_recipe(8))
    net, _, _ = train(job)
    return watcher.seen, float(head_norms(net).max() / net.norm_limit)  # type: ignore[operator]


def test_no_row_exceeds_the_limit_after_any_step(tmp_path: Path) -> None:
    seen, last = excess(tmp_path)
    assert len(seen) == 4
    assert max(*seen, last) <= 1 + 1e-6


def test_a_projection_every_epoch_lets_rows_grow_in_between(tmp_path: Path) -> None:
    seen, last = excess(tmp_path, projection="epoch")
    assert max(seen) > 1 + 1e-4
    assert last <= 1 + 1e-6


def test_without_projection_rows_stay_long(tmp_path: Path) -> None:
    assert excess(tmp_path, projection="none")[1] > 1 + 1e-4


def test_the_limit_is_measured_as_the_stage_begins_and_kept_with_the_weights(
    tmp_path: Path,
) -> None:
    base, _, _ = train(tiny_job(Watch((part(),)), tmp_path / "a", recipe=tiny_recipe(8)))
    assert "norm_limit" in base.state_dict()
    decayed = Stack((Decayed(None, "decayed"),))
    plain, _, _ = train(tiny_job(decayed, tmp_path / "b", recipe=tiny_recipe(8)))
    lengths = head_norms(plain)
    expected = lengths.min() + 0.1 * (lengths.max() - lengths.min())
    torch.testing.assert_close(base.norm_limit, expected)


# stages


def test_weight_decay_is_large_for_the_features_and_larger_for_the_head() -> None:
    base, own = stages(part())
    assert (base.owner, base.weight_decay, base.train) == (None, 0.005, "all")
    assert (own.owner, own.weight_decay, own.train, own.share) == (NAME, 0.1, "head", 0.05)
    assert (own.batch_norm, own.lr_scale, own.schedule) == ("eval", 0.1, "cosine")
    assert replace(base, weight_decay=None) == Stage("base")


def test_stages_of_others_are_decayed_where_they_train_everything() -> None:
    found = {
        each.name: each.weight_decay for each in stages(part("fake_to_real"), part("crt"), part())
    }
    assert found == {"fake_to_real": 0.005, "base": 0.005, "crt": None, NAME: 0.1}


def test_the_base_stage_is_plain_and_the_second_its_own() -> None:
    stack = Stack((part(), part("drw"), part("mixup"), part("oversample")))
    base, own = stack.stages([Stage("base")])

    def acting(hook: str, stage: Stage) -> list[str]:
        return [each.name for each in stack.acting(hook, stage)]

    assert acting("class_weights", base) == ["drw"]
    assert [acting(hook, base) for hook in ("criterion", "after_step", "end_epoch")] == [[]] * 3
    assert acting("mix", base) == ["mixup"] and acting("streams", base) == ["oversample"]
    assert acting("class_weights", own) == acting("criterion", own) == [NAME]
    assert acting("after_step", own) == acting("end_epoch", own) == [NAME]
    assert acting("mix", own) == acting("streams", own) == []


def test_the_base_loss_is_cross_entropy() -> None:
    stack, out, labels = Stack((part(),)), random(5, 3), torch.tensor([0, 1, 2, 0, 1])
    base, _ = stack.stages([Stage("base")])
    expected = functional.cross_entropy(out, labels)
    torch.testing.assert_close(losses(stack, base, out, labels), expected)


def test_factors_of_lws_are_folded_into_the_classifier() -> None:
    backbone = nn.Flatten()
    backbone.num_features = 4  # type: ignore[assignment]
    net, lws, balancing = Net(backbone, nn.Linear(4, 3)), part("lws"), part()
    own = step(stages(lws, balancing)[-1])
    lws.start_stage(net, None, own)  # type: ignore[arg-type]
    net.head.scale.data = torch.tensor([1.0, 2.0, 0.5])
    before = net(random(6, 4))
    balancing.start_stage(net, None, own)  # type: ignore[arg-type]
    assert type(net.head) is nn.Linear
    torch.testing.assert_close(net(random(6, 4)), before)


def test_a_cosine_head_has_no_lengths_to_bound() -> None:
    backbone = nn.Flatten()
    backbone.num_features = 4  # type: ignore[assignment]
    with pytest.raises(UsageError, match="'weight_balancing' expects a linear head, but got a Cos"):
        part().start_stage(Net(backbone, CosineHead(4, 3)), None, step(Stage("x")))  # type: ignore[arg-type]


# losses


def test_weights_of_the_second_stage_are_the_golden_ones() -> None:
    weights = part().class_weights(step(stages(part())[-1], CIFAR100))
    assert weights is not None
    assert weights[[0, 50, 99]].tolist() == pytest.approx([0.044876, 0.457055, 4.378313], abs=1e-5)


def test_weights_come_from_the_counts_that_the_prior_names() -> None:
    where = step(stages(part())[-1], (8, 0), added=8)
    real, flat = (part(prior=prior).class_weights(where) for prior in ("real", "train"))
    assert real is not None and flat is not None
    assert torch.isfinite(real).all() and real[1] > real[0]
    assert flat[1] > flat[0] and float(flat[1] / flat[0]) == pytest.approx(2.0, rel=1e-3)


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_the_loss_is_a_weighted_sum_by_the_batch(loss: str) -> None:
    made = part(loss=loss)
    stack, out, labels = Stack((made,)), 3 * random(5, 3), torch.tensor([0, 1, 2, 0, 0])
    _, own = stack.stages([Stage("base")])
    effective = torch.tensor([(1 - 0.9999**n) / (1 - 0.9999) for n in (6, 3, 1)])
    weights = (1 / effective * 3 / (1 / effective).sum())[labels]
    wanted = functional.one_hot(labels, 3).float()
    if loss == "ce":
        expected = (weights * -(out.log_softmax(1) * wanted).sum(1)).sum() / 5
    else:
        expected = functional.binary_cross_entropy(out.softmax(1), wanted, weights[:, None])
    torch.testing.assert_close(losses(stack, own, out, labels), expected, rtol=1e-4, atol=1e-6)


def test_binary_cross_entropy_of_probabilities_has_the_closed_form() -> None:
    out, labels = random(4, 3), torch.tensor([0, 1, 2, 2])
    p = out.double().softmax(1)
    expected = [
        -sum(p[i, k].log() if k == labels[i] else (1 - p[i, k]).log() for k in range(3)) / 3
        for i in range(4)
    ]
    found = softmax_binary_cross_entropy(out, labels)
    torch.testing.assert_close(found.double(), torch.stack(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("half", [False, True])
def test_certain_mistakes_have_finite_losses_and_gradients(half: bool) -> None:
    out = torch.tensor([[1000.0, 0.0, 0.0], [0.0, 200.0, 0.0]], requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        found = softmax_binary_cross_entropy(out, torch.tensor([1, 1]))
    found.sum().backward()
    assert found.tolist() == pytest.approx([200 / 3, 0.0])
    assert found.dtype == torch.float32
    assert out.grad is not None and torch.isfinite(out.grad).all()
