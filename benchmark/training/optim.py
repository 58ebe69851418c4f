"""Optimiser and learning-rate schedule, by timm's factories."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.scheduler.multistep_lr import MultiStepLRScheduler
from timm.scheduler.scheduler import Scheduler
from torch import nn

from benchmark.component import Stage
from benchmark.config import OptimizerConfig, RecipeConfig, ScheduleConfig
from benchmark.errors import UsageError


def make_optimizer(
    parameters: Iterable[nn.Parameter | dict[str, Any]], config: OptimizerConfig
) -> torch.optim.Optimizer:
    """An optimiser over ``parameters``; weight decay reaches all of them, norms and biases too.

    Args:
        parameters: parameters, or groups of them with settings of their own, as torch takes them.
        config: the settings.

    Raises:
        UsageError: a name timm does not know.
    """
    groups = list(parameters)
    try:
        optimizer = _create(groups, config)
        return _create(groups, config, fused=True) if fusible(optimizer) else optimizer
    except (ValueError, AssertionError) as error:
        raise UsageError(
            f"Unknown optimiser '{config.name}': {error}",
            where="recipe.optimizer.name",
            todo="use sgd or adamw",
        ) from error


def _create(
    groups: Sequence[nn.Parameter | dict[str, Any]], config: OptimizerConfig, **more: Any
) -> torch.optim.Optimizer:
    # timm calls SGD without Nesterov "momentum"
    name = "momentum" if config.name == "sgd" and not config.nesterov else config.name
    optimizer: torch.optim.Optimizer = create_optimizer_v2(
        # torch writes its defaults into the groups it is given
        [dict(group) if isinstance(group, dict) else group for group in groups],
        opt=name,
        lr=config.lr,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
        filter_bias_and_bn=False,
        **more,
    )
    return optimizer


def fusible(optimizer: torch.optim.Optimizer, devices: tuple[str, ...] = ("cuda",)) -> bool:
    """Whether one kernel can update all parameters, which are all on one of ``devices``.

    On a CPU an update is a thousandth of a step, and its rounding would change with it.
    """
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    return "fused" in optimizer.defaults and all(each.device.type in devices for each in parameters)


class Schedule:
    """The learning rate as a function of the epoch or the step; holds no state of its own.

    Args:
        optimizer: its learning rate is set.
        config: shape of the schedule.
        total: length of the stage in the schedule's unit.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, config: ScheduleConfig, total: int
    ) -> None:
        self.optimizer, self.config = optimizer, config
        self._scheduler = _scheduler(optimizer, config, total)

    def set(self, *, step: int, epoch: int) -> float:
        """Set the rate for the step about to be taken (both 0-based) and return it."""
        if self._scheduler is not None:
            if self.config.unit == "epoch":
                self._scheduler.step(epoch)
            else:
                self._scheduler.step_update(step)
        return float(self.optimizer.param_groups[0]["lr"])


def _scheduler(
    optimizer: torch.optim.Optimizer, config: ScheduleConfig, total: int
) -> Scheduler | None:
    if config.name == "constant":
        return None
    # timm's warm-up reaches the full rate one unit after its last: published ones reach it on it
    warm = max(min(config.warmup, total) - 1, 0)
    shared = {
        "warmup_t": warm,
        "warmup_lr_init": optimizer.param_groups[0]["lr"] / (warm + 1),
        "t_in_epochs": config.unit == "epoch",
        # milestones and the cosine count from the start of the stage, not from the warm-up's end
        "warmup_prefix": False,
    }
    if config.name == "cosine":
        return CosineLRScheduler(optimizer, t_initial=total, lr_min=0.0, **shared)
    drops = [round(share * total) + 1 for share in config.milestones]
    return MultiStepLRScheduler(optimizer, decay_t=drops, decay_rate=config.gamma, **shared)


def stage_optimizer(net: nn.Module, recipe: RecipeConfig, stage: Stage) -> torch.optim.Optimizer:
    """The optimiser of a stage; parameters that it does not train are frozen.

    Raises:
        UsageError: the stage trains a module that the network does not have.
    """
    net.requires_grad_(False)
    trained = [(name, each) for name, each in net.named_parameters() if trains(stage, name)]
    if not trained:
        raise UsageError(
            f"The stage '{stage.name}' trains the {stage.train}, but the network has none"
        )
    decay = stage.weight_decay
    config = replace(
        recipe.optimizer,
        lr=recipe.optimizer.lr * stage.lr_scale,
        weight_decay=recipe.optimizer.weight_decay if decay is None else decay,
    )
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in trained:
        parameter.requires_grad_(True)
        groups.setdefault(_rate(stage, name), []).append(parameter)
    return make_optimizer(
        [{"params": group, "lr": config.lr * rate} for rate, group in groups.items()], config
    )


def trains(stage: Stage, name: str) -> bool:
    """Whether the stage trains the parameter ``name``."""
    return stage.train == "all" or below(stage.train, name)


def below(path: str, name: str) -> bool:
    """Whether ``name`` is the parameter or lies in the module at ``path``."""
    return f"{name}.".startswith(f"{path}.")


def _rate(stage: Stage, name: str) -> float:
    """The factor of the learning rate of a parameter."""
    return next((factor for path, factor in stage.rates if below(path, name)), 1.0)


def stage_schedule(
    optimizer: torch.optim.Optimizer, recipe: RecipeConfig, stage: Stage, steps: int, epochs: int
) -> Schedule:
    """The schedule of a stage: the recipe's shape, or the one the stage names."""
    config = recipe.schedule
    if stage.schedule is not None:
        config = ScheduleConfig(name=stage.schedule, unit="step", warmup=0)  # type: ignore[arg-type]
    return Schedule(optimizer, config, epochs if config.unit == "epoch" else steps)
