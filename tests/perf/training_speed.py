"""Our training loop against a usual one: same network, batch size, optimiser and rows.

python -m tests.perf.training_speed [--rounds N] [--compile]

CPU seconds, every way in turn within a round. Compiling takes minutes where the cache of torch's
compiler has no such code.
"""

import argparse
from collections.abc import Callable
from functools import partial

import torch

from benchmark.tiny import MEAN, STD, tiny_recipe
from benchmark.training.half_precision import SLOWER, half_ratio
from tests.perf.input_share import CLASSES, SuiteLoop, cifar_pixels, cifar_rows
from tests.perf.ratio import Ratio, in_turn, of_rounds, table
from tests.perf.usual_loop import PilRows, UsualLoop, augmented, sgd, usual_net

Take = Callable[[int], object]
NAME = "training, {} against the usual loop"
GOALS = {"fp32": 1.3, "bf16": 2.0}


def usual(backbone: str, batch_size: int = 128) -> UsualLoop:
    """The usual loop on random pixels in the shape of CIFAR."""
    net = usual_net(backbone, CLASSES)
    optimizer = tiny_recipe().optimizer
    rows = PilRows(*cifar_pixels(), augmented(MEAN, STD))
    return UsualLoop(net, rows, sgd(net, optimizer.lr, optimizer.weight_decay), batch_size)


def ways(backbone: str, compiled: bool, batch_size: int = 128) -> dict[str, Take]:
    """The usual loop first, then ours; in bf16 only where that is not slower than fp32."""
    rows = cifar_rows()
    found: dict[str, Take] = {"usual": usual(backbone, batch_size).take}
    slow = half_ratio(torch.device("cpu")) > SLOWER
    for precision in ("fp32",) if slow else ("fp32", "bf16"):
        found[precision] = SuiteLoop(backbone, rows, batch_size, precision).take
        if compiled:
            found[f"{precision} + compile"] = SuiteLoop(
                backbone, rows, batch_size, precision, True
            ).take
    return found


def ratios(backbone: str, rounds: int, steps: int, compiled: bool = False) -> list[Ratio]:
    """How many times as fast as the usual loop each way is.

    Args:
        backbone: name of the network.
        rounds: of measuring every way, after one that counts for nothing.
        steps: of each way in a round.
        compiled: whether to measure compiled code, too.
    """
    timed = {name: partial(take, steps) for name, take in ways(backbone, compiled).items()}
    note = f"{rounds} rounds of {steps} steps of 128, {backbone}"
    return [
        of_rounds(NAME.format(name), own, GOALS.get(name), note=note)
        for name, own in in_turn(timed, rounds).items()
    ]


def main() -> None:
    """Print the ratios for ResNet-32."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=1, help="of each way in a round")
    parser.add_argument("--backbone", default="cifar_resnet32")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(table(ratios(given.backbone, given.rounds, given.steps, given.compile)))


if __name__ == "__main__":
    main()
