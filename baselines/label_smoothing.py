"""Label-aware smoothing: labels of frequent classes are smoothed more than those of rare ones."""

from dataclasses import dataclass

from torch import Tensor

from baselines.class_prior import counts_tensor
from baselines.smoothing import Shape, smoothed_cross_entropy, smoothing_of
from benchmark.component import Citation, Component, Prior, Step, space
from benchmark.config import Probability


class LabelSmoothing(Component):
    """Cross-entropy with labels smoothed by class frequency, against overconfidence in the head.

    The loss of the second stage of MiSLAS, here on its own and throughout. With head and tail equal
    it is ordinary label smoothing, at 0 plain cross-entropy. Zhong et al. (2021), section 3.2.

    Equation:
        loss_i = -(1 - e) log p_{y_i} - e/K sum_k log p_k,  p = softmax(z_i),  e = eps_{y_i}
        eps_k = tail + (head - tail) f(x_k),  x_k = (n_k - n_min) / (n_max - n_min)
        f(x) = sin(pi x / 2) (concave), x (linear), 1 - cos(pi x / 2) (convex)

    Published:
        none on its own; mislas with it: 47.0/52.3/63.2 on CIFAR-100-LT, IF 100/50/10, ResNet-32

    Differences:
        The authors use it in their second stage only, on a frozen backbone.
        Where all counts are equal every class is smoothed by head; the formula divides by 0 there.
        Their power law ("exp") as a shape is left out.
    """

    citation = Citation(
        authors="Zhong, Cui, Liu, Jia",
        title="Improving Calibration for Long-Tailed Recognition",
        venue="CVPR",
        year=2021,
        url="https://arxiv.org/abs/2104.00466",
    )
    search = space(head=(0.2, 0.3, 0.4), tail=(0.0, 0.1))

    @dataclass(frozen=True, kw_only=True)
    class Config:
        """Settings.

        Attributes:
            head: smoothing of the most frequent class.
            tail: smoothing of the rarest class.
            shape: how smoothing grows between them, by count.
            prior: counts before ("real") or after the budget ("train").
        """

        head: Probability
        tail: Probability
        shape: Shape
        prior: Prior

    def criterion(self, out: Tensor, labels: Tensor, step: Step) -> Tensor:
        """Cross-entropy of each example with its smoothed label."""
        counts = counts_tensor(step.task.counts(self.config.prior), step.device)
        eps = smoothing_of(counts, self.config.head, self.config.tail, self.config.shape)
        return smoothed_cross_entropy(out, labels, eps)
