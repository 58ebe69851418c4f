"""Plain softmax cross-entropy: no hook is filled."""

from benchmark.component import Component


class CrossEntropy(Component):
    """The baseline that everything is compared with (empirical risk minimisation)."""
