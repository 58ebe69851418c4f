"""Several experts on one trunk: the network that multi-expert components share.

Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts" (ICLR 2021),
section 3: early stages are shared, later ones and the classifier are each expert's own.
"""

import copy
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt, Le
from timm.models.resnet import ResNet
from torch import Tensor, nn

from baselines.ldam import CosineHead
from benchmark.component import Batch, Net, Stage, Task
from benchmark.errors import UsageError
from benchmark.models.cifar_resnet import BasicBlock, CifarResNet

Width = Annotated[float, Gt(0), Le(1)]
Fan = Literal["fan_in", "fan_out"]


class ExpertBackbone(nn.Module):
    """A trunk that all experts share, and the later layers of each.

    Args:
        trunk: images to maps.
        experts: each takes those maps to pooled features.
        num_features: width of one expert's features.
    """

    def __init__(self, trunk: nn.Module, experts: Iterable[nn.Module], num_features: int) -> None:
        super().__init__()
        self.trunk, self.experts = trunk, nn.ModuleList(experts)
        self.num_features = num_features

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width) -> features (batch, experts, width)."""
        shared = self.trunk(images)
        return torch.stack([expert(shared) for expert in self.experts], 1)


class ExpertHeads(nn.Module):
    """A scaled cosine classifier for each expert.

    Every classifier has ``reset_parameters``, so the whole can be re-initialised.

    Args:
        experts: how many.
        features: width of one expert's features.
        classes: number of classes.
        scale: multiplies the cosines.

    Attributes:
        averaged: whether the output is the mean over experts; follows from the stage.
    """

    def __init__(self, experts: int, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.heads = nn.ModuleList(CosineHead(features, classes) for _ in range(experts))
        self.scale, self.averaged = scale, False

    def forward(self, features: Tensor) -> Tensor:
        """(batch, experts, features) -> (batch, experts, classes), or their mean over experts."""
        pairs = zip(self.heads, features.unbind(1), strict=True)
        logits = self.scale * torch.stack([head(own) for head, own in pairs], 1)
        return logits.mean(1) if self.averaged else logits


class MeanOfExperts(nn.Module):
    """The plain network that is evaluated: images to the mean of the experts' logits.

    Args:
        net: images to (batch, experts, classes), or to their mean.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """(batch, 3, height, width) -> (batch, classes)."""
        logits: Tensor = self.net(images)
        return logits.mean(1) if logits.dim() == 3 else logits


def expert_net(
    backbone: nn.Module, task: Task, *, experts: int, own_stages: int, reduce: float, scale: float
) -> Net:
    """A network of experts that share the first stages of a residual network.

    Args:
        backbone: a CIFAR ResNet or a ResNet of timm, built without a classifier.
        task: gives the number of classes.
        experts: how many.
        own_stages: last stages that every expert has for itself, drawn anew.
        reduce: channels of those stages, as a share of the backbone's; 1 leaves them.
        scale: multiplies the cosines of the classifiers.

    Raises:
        UsageError: another kind of backbone, too few stages, or widths it cannot be reduced to.
    """
    stem, stages, pool, fan = _parts(backbone)
    if own_stages > len(stages):
        raise _refusal(f"{own_stages} own stages of {len(stages)}", "lower own_stages")
    cut = len(stages) - own_stages
    trunk = nn.Sequential(*stem, *stages[:cut])
    later = nn.Sequential(*stages[cut:])
    if reduce != 1:
        later = narrowed(later, reduce)
    width = _scaled(int(backbone.num_features), reduce)  # type: ignore[arg-type]
    each = [nn.Sequential(fresh(later, fan), copy.deepcopy(pool)) for _ in range(experts)]
    return Net(
        ExpertBackbone(trunk, each, width), ExpertHeads(experts, width, task.n_classes, scale)
    )


def _parts(backbone: nn.Module) -> tuple[list[nn.Module], list[nn.Module], nn.Module, Fan]:
    """Stem, stages, pooling, and the fan by which the backbone scales its first weights."""
    if isinstance(backbone, CifarResNet):
        pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        return [backbone.conv1, backbone.bn1, nn.ReLU()], list(backbone.stages), pool, "fan_in"
    if isinstance(backbone, ResNet):
        part: Any = backbone
        stem = [part.conv1, part.bn1, part.act1, part.maxpool]
        stages = [part.layer1, part.layer2, part.layer3, part.layer4]
        drop = [nn.Dropout(part.drop_rate)] if part.drop_rate else []
        return stem, stages, nn.Sequential(part.global_pool, *drop), "fan_out"
    raise _refusal(
        f"{type(backbone).__name__}, which cannot be split into stages",
        "choose a ResNet or ResNeXt: python -m benchmark ls backbones",
    )


def fresh(stages: nn.Sequential, fan: Fan) -> nn.Sequential:
    """A copy with new weights: Kaiming-normal convolutions, identity batch norm.

    Args:
        stages: blocks of a residual network; where a block can start as the identity, as timm's
            do by default, it does.
        fan: the fan that scales the draws.
    """
    made = copy.deepcopy(stages)
    for part in made.modules():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode=fan, nonlinearity="relu")
    for part in made.modules():
        if callable(quiet := getattr(part, "zero_init_last", None)):
            quiet()
    return made


def narrowed(stages: nn.Sequential, factor: float) -> nn.Sequential:
    """A copy with all channels scaled, but for those that enter; its weights are to be drawn.

    Args:
        stages: of blocks whose entry is called ``conv1``, beside a ``downsample`` if they have one.
        factor: of the channels, in (0, 1].

    Raises:
        UsageError: a layer other than convolution and batch norm, or channels that do not fit.
    """
    made = copy.deepcopy(stages)
    first: Any = made[0][0]  # type: ignore[index]
    entries = {first.conv1, *(getattr(first, "downsample", None) or nn.Identity()).modules()}
    for name, part in list(made.named_modules()):
        if type(part) is nn.Conv2d:
            made.set_submodule(name, _narrow_convolution(part, factor, part in entries))
        elif type(part) is nn.BatchNorm2d:
            channels = _scaled(part.num_features, factor)
            made.set_submodule(name, nn.BatchNorm2d(channels, part.eps, part.momentum))
        elif part._parameters or part._buffers:
            raise _refusal(f"{type(part).__name__} in it, which cannot be reduced", "set reduce=1")
    for part in made.modules():
        if isinstance(part, BasicBlock):
            _fit_shortcut(part)
    return made


def _scaled(channels: int, factor: float) -> int:
    return max(1, round(channels * factor))


def _narrow_convolution(part: nn.Conv2d, factor: float, entry: bool) -> nn.Conv2d:
    inputs = part.in_channels if entry else _scaled(part.in_channels, factor)
    outputs, groups = _scaled(part.out_channels, factor), part.groups
    if inputs % groups or outputs % groups:
        raise _refusal(f"{outputs} channels in {groups} groups", "choose another reduce")
    names = ("kernel_size", "stride", "padding", "dilation", "groups")
    shape: dict[str, Any] = {name: getattr(part, name) for name in names}
    return nn.Conv2d(inputs, outputs, bias=part.bias is not None, **shape)


def _fit_shortcut(block: BasicBlock) -> None:
    added = block.conv2.out_channels - block.conv1.in_channels
    if added < 0 or added % 2:
        raise _refusal(
            f"{block.conv1.in_channels} channels that become {block.conv2.out_channels}",
            "choose a reduce that adds an even number of channels",
        )
    block.pad = added // 2


def _refusal(found: str, todo: str) -> UsageError:
    return UsageError(
        f"Expected a backbone that experts can share, but got {found}", where="backbone", todo=todo
    )


def average_where_plain(net: nn.Module, stage: Stage) -> None:
    """Let the experts answer as one in a stage in which their own loss rests.

    Whatever loss acts there then reads ordinary logits (batch, classes). To be called in
    ``start_stage``; the head may have been wrapped.
    """
    for part in net.modules():
        if isinstance(part, ExpertHeads):
            part.averaged = "loss" in stage.plain


def blended_mean(
    batch: Batch, losses: Callable[[Tensor], Tensor], weights: Tensor | None = None
) -> Tensor:
    """Sum over target pairs of the mean over examples of share x loss.

    Args:
        batch: its target pairs.
        losses: labels int64 (batch,) to the loss of each example (batch,).
        weights: of classes, (classes,); each pair's mean is divided by its own sum of them, which
            is PyTorch's rule. None means ones.
    """
    total = torch.zeros((), device=batch.images.device)
    for pair, (labels, share) in enumerate(batch.targets):
        row = torch.ones_like(share) if weights is None else weights[labels]
        divisor = row.sum() if weights is None else batch.weight_sum(weights, pair)
        total = total + (row * share * losses(labels)).sum() / divisor
    return total
