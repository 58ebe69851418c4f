"""Plain softmax cross-entropy: no hook is filled."""

from benchmark.component import Component


class CrossEntropy(Component):
    """The baseline that everything is compared with (empirical risk minimisation).

    Equation:
        loss_i = -log softmax(z_i)_{y_i}

    Published:
        CIFAR-100-LT, ResNet-32, IF 100/50/10: 38.32/43.85/55.70 (LDAM, crop and flip, 200 epochs)
        CIFAR-10-LT, ResNet-32, IF 100/50/10: 70.36/74.81/86.39 (LDAM, crop and flip, 200 epochs)

    Differences:
        none known
    """
