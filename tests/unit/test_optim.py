"""Optimiser and schedule: golden learning rates, weight decay, frozen parameters."""

from dataclasses import replace

import pytest
import torch
import yaml
from torch import nn

from benchmark.component import Net, Stage
from benchmark.config import OptimizerConfig, RecipeConfig, ScheduleConfig, parse
from benchmark.errors import UsageError
from benchmark.paths import config_dir
from benchmark.tiny import tiny_recipe
from benchmark.training.optim import (
    Schedule,
    _create,
    fusible,
    make_optimizer,
    stage_optimizer,
    stage_schedule,
)


def recipe(name: str) -> RecipeConfig:
    text = (config_dir() / "recipe" / f"{name}.yaml").read_text(encoding="utf-8")
    return parse(RecipeConfig, yaml.safe_load(text), "recipe")


def small_net() -> Net:
    return Net(nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.BatchNorm1d(3)), nn.Linear(3, 2))


def rates(settings: RecipeConfig, stage: Stage, steps: int, epochs: int) -> list[float]:
    """The rate of each epoch (or step) of a stage, starting with the first."""
    schedule = stage_schedule(
        stage_optimizer(small_net(), settings, stage), settings, stage, steps, epochs
    )
    return [schedule.set(step=at, epoch=at) for at in range(max(steps, epochs))]


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [(1, 0.02), (5, 0.1), (6, 0.1), (160, 0.1), (161, 0.001), (180, 0.001), (181, 0.00001)],
)
def test_r_ldam_has_the_published_learning_rates(epoch: int, rate: float) -> None:
    settings = recipe("r_ldam")
    found = rates(settings, Stage("base"), 0, settings.steps.amount)
    assert found[epoch - 1] == pytest.approx(rate, rel=1e-6)


def test_r_ldam_warms_up_linearly() -> None:
    found = rates(recipe("r_ldam"), Stage("base"), 0, 200)
    assert found[:5] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_r_tiny_drops_once_after_90_epochs() -> None:
    found = rates(recipe("r_tiny"), Stage("base"), 0, 120)
    assert found[89] == pytest.approx(0.1)
    assert found[90] == found[119] == pytest.approx(0.01)


def test_a_cosine_falls_from_the_full_rate_towards_zero() -> None:
    found = rates(recipe("digits"), Stage("base"), 600, 200)
    assert found[0] == pytest.approx(0.1)
    assert found[300] == pytest.approx(0.05)
    assert 0 < found[599] < 1e-5
    assert found == sorted(found, reverse=True)


def test_a_rate_depends_on_the_epoch_alone() -> None:
    settings = recipe("r_ldam")
    optimizer = stage_optimizer(small_net(), settings, Stage("base"))
    schedule = stage_schedule(optimizer, settings, Stage("base"), 0, 200)
    assert schedule.set(step=0, epoch=170) == pytest.approx(0.001)
    assert schedule.set(step=0, epoch=2) == pytest.approx(0.06)


def test_a_stage_replaces_schedule_rate_and_decay() -> None:
    stage = Stage("second", lr_scale=0.5, weight_decay=0.0, schedule="cosine")
    optimizer = stage_optimizer(small_net(), recipe("r_ldam"), stage)
    assert optimizer.param_groups[0]["weight_decay"] == 0
    found = rates(recipe("r_ldam"), stage, 10, 2)
    assert found[0] == pytest.approx(0.05)
    assert found[5] == pytest.approx(0.025)


def test_a_constant_schedule_keeps_the_rate() -> None:
    assert set(rates(tiny_recipe(), Stage("base"), 5, 5)) == {0.05}


def test_weight_decay_reaches_norms_and_biases() -> None:
    optimizer = stage_optimizer(small_net(), recipe("r_ldam"), Stage("base"))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [2e-4]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 6


def test_sgd_takes_the_textbook_step_with_momentum() -> None:
    weight = nn.Parameter(torch.tensor([1.0]))
    config = OptimizerConfig(name="sgd", lr=0.1, momentum=0.9, weight_decay=0.5, nesterov=False)
    optimizer = make_optimizer([weight], config)
    for _ in range(2):
        weight.grad = torch.tensor([1.0])
        optimizer.step()
    # d1 = 1 + .5, w1 = 1 - .15; d2 = 1 + .5 w1, v2 = .9 d1 + d2, w2 = w1 - .1 v2
    assert weight.item() == pytest.approx(0.85 - 0.1 * (1.35 + 1.425))


def test_nesterov_is_only_used_when_asked_for() -> None:
    config = OptimizerConfig(name="sgd", lr=0.1, momentum=0.9, weight_decay=0, nesterov=True)
    weight = [nn.Parameter(torch.ones(1))]
    assert make_optimizer(weight, config).defaults["nesterov"]
    assert not make_optimizer(weight, replace(config, nesterov=False)).defaults["nesterov"]


def test_a_head_stage_freezes_the_backbone() -> None:
    net = small_net()
    optimizer = stage_optimizer(net, tiny_recipe(), Stage("head", train="head"))
    trained = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    assert trained == {id(weight) for weight in net.head.parameters()}
    assert not any(weight.requires_grad for weight in net.backbone.parameters())


def test_the_next_stage_thaws_the_backbone() -> None:
    net = small_net()
    stage_optimizer(net, tiny_recipe(), Stage("head", train="head"))
    stage_optimizer(net, tiny_recipe(), Stage("all"))
    assert all(weight.requires_grad for weight in net.parameters())


def test_a_head_stage_of_a_network_without_head_is_refused() -> None:
    with pytest.raises(UsageError, match="trains the head, but the network has none"):
        stage_optimizer(nn.Linear(2, 2), tiny_recipe(), Stage("late", train="head"))


def test_an_unknown_optimiser_is_refused() -> None:
    config = OptimizerConfig(name="sgdd", lr=0.1, momentum=0.9, weight_decay=0, nesterov=False)
    with pytest.raises(UsageError, match="Unknown optimiser"):
        make_optimizer([nn.Parameter(torch.ones(1))], config)


def test_a_warm_up_longer_than_the_stage_ends_at_the_full_rate() -> None:
    optimizer = make_optimizer([nn.Parameter(torch.ones(1))], tiny_recipe().optimizer)
    config = ScheduleConfig(name="multistep", unit="step", warmup=50, milestones=(0.8,), gamma=0.5)
    schedule = Schedule(optimizer, config, 4)
    found = [schedule.set(step=step, epoch=0) for step in range(4)]
    assert found[:3] == pytest.approx([0.0125, 0.025, 0.0375])


def test_a_stage_may_train_one_module_inside_the_head() -> None:
    net = small_net()
    net.head = nn.Sequential(net.head, nn.Linear(2, 2))
    stage_optimizer(net, tiny_recipe(), Stage("scale", train="head.1"))
    trained = [name for name, weight in net.named_parameters() if weight.requires_grad]
    assert trained == ["head.1.weight", "head.1.bias"]


@pytest.mark.parametrize(("name", "can"), [("sgd", True), ("adamw", True), ("lamb", False)])
def test_updates_are_fused_only_where_the_optimiser_can_and_the_device_is_a_gpu(
    name: str, can: bool
) -> None:
    config = replace(tiny_recipe().optimizer, name=name)
    optimizer = make_optimizer(small_net().parameters(), config)
    assert not fusible(optimizer)
    assert fusible(optimizer, ("cpu",)) is can
    assert not optimizer.defaults.get("fused")


def test_fused_updates_are_the_plain_ones_up_to_rounding() -> None:
    config, nets = tiny_recipe().optimizer, [small_net(), small_net()]
    nets[1].load_state_dict(nets[0].state_dict())
    for net, more in zip(nets, ({}, {"fused": True}), strict=True):
        groups = [{"params": list(net.parameters()), "lr": 0.3}]
        optimizer = _create(groups, config, **more)
        assert list(groups[0]) == ["params", "lr"]
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.linspace(-1, 1, 8).reshape(2, 4)).square().sum().backward()
            optimizer.step()
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
