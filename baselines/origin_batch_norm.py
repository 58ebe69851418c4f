"""Batch norm by origin: real and added rows are normalised by statistics of their own."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.component import ORIGINS, AtHand, Citation, Component, Net, Step, TrainingRows
from benchmark.errors import UsageError


def group_statistics(x: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the values of each group of rows; zeros for an empty group.

    Args:
        x: float (batch, channels, height, width).
        member: bool (2, batch), one True in each column.

    Returns:
        Two tensors (2, channels).
    """
    # sums over all rows rather than indexing: shapes do not depend on the data, so nothing waits
    # for the device, and a compiled network stays in one piece
    share = (member / member.sum(1, keepdim=True).clamp(min=1))[:, :, None]
    mean = (share * x.mean((2, 3))).sum(1)
    squares = (x - of_group(mean, member)).square().mean((2, 3))
    return mean, (share * squares).sum(1)


def of_group(values: Tensor, member: Tensor) -> Tensor:
    """The values of each row's group: (2, channels), (2, batch) -> (batch, channels, 1, 1)."""
    return torch.where(member[1][:, None], values[1], values[0])[:, :, None, None]


class OriginBatchNorm2d(nn.BatchNorm2d):
    """Batch norm in which added rows have running statistics, perhaps an affine map, of their own.

    In evaluation it is the batch norm of the real rows and asks for no origins. An origin with
    fewer than two values a channel in a batch leaves its running statistics as they were.

    Args:
        plain: the module whose place it takes, parameters and statistics included.
        at_hand: where the network puts the origins of a batch.
        separate: whether added rows get an affine map of their own.
    """

    running_mean_added: Tensor
    running_var_added: Tensor

    def __init__(self, plain: nn.BatchNorm2d, at_hand: AtHand, separate: bool) -> None:
        super().__init__(plain.num_features, plain.eps, plain.momentum)
        self._parameters.update(plain._parameters)
        self._buffers.update(plain._buffers)
        self.train(plain.training)
        self.at_hand, self.separate = at_hand, separate
        for name in ("running_mean", "running_var"):
            self.register_buffer(f"{name}_added", getattr(plain, name).clone())
        if self.separate:
            self.weight_added = nn.Parameter(plain.weight.detach().clone())
            self.bias_added = nn.Parameter(plain.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width), the same out."""
        if not self.training:
            return super().forward(x)
        origins = self.at_hand.origins
        if origins is None:
            raise UsageError(
                "Expected the origins of a batch in training, but a component calls the network "
                "by itself",
                where="method.origin_batch_norm",
                todo="leave out origin_batch_norm, or the component that brings its own loss",
            )
        real = origins == ORIGINS.index("real")
        return self._normalise(x.float(), torch.stack([real, ~real])).to(x.dtype)

    def _normalise(self, x: Tensor, member: Tensor) -> Tensor:
        mean, variance = group_statistics(x, member)
        self._follow(mean.detach(), variance.detach(), member.sum(1) * x[0, 0].numel())
        weight, bias = self._affine()
        scale = of_group(weight * (variance + self.eps).rsqrt(), member)
        # centred before it is scaled: the other way round a small variance costs digits
        return (x - of_group(mean, member)) * scale + of_group(bias, member)

    def _affine(self) -> tuple[Tensor, Tensor]:
        """Scale and shift of the real rows and of the added ones, (2, channels) each."""
        own = added = (self.weight, self.bias)
        if self.separate:
            added = (self.weight_added, self.bias_added)
        weight, bias = (torch.stack(pair) for pair in zip(own, added, strict=True))
        return weight, bias

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, values: Tensor) -> None:
        rate = (values > 1) * float(self.momentum or 0.0)
        unbiased = variance * (values / (values - 1).clamp(min=1))[:, None]
        for group, suffix in enumerate(("", "_added")):
            getattr(self, f"running_mean{suffix}").lerp_(mean[group], rate[group])
            getattr(self, f"running_var{suffix}").lerp_(unbiased[group], rate[group])


def split_batch_norm(net: Net, separate: bool) -> None:
    """Give every batch norm of the backbone statistics by origin; once is enough.

    Raises:
        UsageError: the backbone has no batch norm, or one of a kind that cannot be split.
    """
    found = {
        name: module
        for name, module in net.backbone.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    }
    if not found:
        raise _refusal("no batch norm")
    for name, module in found.items():
        if isinstance(module, OriginBatchNorm2d):
            continue
        if type(module) is not nn.BatchNorm2d:
            raise _refusal(f"{type(module).__name__} at {name}")
        if module.running_mean is None or module.momentum is None or not module.affine:
            raise _refusal(f"one without running statistics or affine map at {name}")
        place, _, last = name.rpartition(".")
        split = OriginBatchNorm2d(module, net.at_hand, separate)
        setattr(net.backbone.get_submodule(place), last, split)


def _refusal(found: str) -> UsageError:
    return UsageError(
        f"Expected a backbone with BatchNorm2d layers, but got {found}",
        where="method.origin_batch_norm",
        todo="choose a backbone such as resnet32, or leave origin_batch_norm out",
    )


class OriginBatchNorm(Component):
    """In training, added rows pass through auxiliary batch-norm statistics.

    The remedy of AdvProp for adversarial examples: what differs in distribution is not averaged
    with the real rows, whose statistics alone are used in evaluation. A blended image counts
    where its own row does.

    Equation:
        y = gamma (x - mu_o) / sqrt(var_o + eps) + beta,  o = origin of the row; o = real in use

    Published:
        none on long-tailed sets

    Differences:
        AdvProp runs two batches, one a kind, and adds their losses; here both are in one batch.
        AdvProp's affine maps are separate too, which is ``affine=separate``.
    """

    citation = Citation(
        authors="Xie, Tan, Gong, Wang, Yuille, Le",
        title="Adversarial Examples Improve Image Recognition",
        venue="CVPR",
        year=2020,
        url="https://arxiv.org/abs/1911.09665",
    )
    needs_whole_batch = True

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            affine: whether scale and shift are "shared", or "separate" for added rows.
        """

        affine: Literal["shared", "separate"]

    def start_stage(self, net: Net, rows: TrainingRows, step: Step) -> None:
        """Split the backbone's batch norm as the first stage, or a fresh network, begins.

        So is that of a network inside this one, such as the slow copy that makes keys.
        """
        for each in [module for module in net.modules() if isinstance(module, Net)]:
            split_batch_norm(each, self.config.affine == "separate")
