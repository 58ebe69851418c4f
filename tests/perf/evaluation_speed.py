"""Our evaluation against a usual one: same network, same images.

python -m tests.perf.evaluation_speed [--rounds N] [--images N] [--weights FILE --dataset NAME]

fp32 is the scoring path. bf16 and folded batch norm are measured here and used nowhere: both change
logits, and bf16 changes some predictions; with the weights of a run this says how many.
"""

import argparse
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmark.publishing.evaluating import words_to_rows
from benchmark.publishing.network import read_network
from benchmark.tiny import MEAN, STD
from benchmark.training import evaluate
from tests.perf.input_share import CLASSES, CPU, cifar_pixels
from tests.perf.ratio import Ratio, in_turn, of_rounds, table
from tests.perf.usual_loop import PilRows, plain, usual_net, usual_predictions

Work = Callable[[], object]
NAME = "evaluation, {} against the usual loop"
GOALS = {"fp32": 1.2, "fp32 folded": None, "bf16": 2.0, "bf16 folded": 2.4}


def folded(net: nn.Module) -> nn.Module:
    """A copy of a CIFAR ResNet for evaluation, its batch norms part of its convolutions."""
    made = copy.deepcopy(net).eval()
    for module in list(made.modules()):
        for number in ("1", "2"):
            pair = [getattr(module, name + number, None) for name in ("conv", "bn")]
            if isinstance(pair[0], nn.Conv2d) and isinstance(pair[1], nn.BatchNorm2d):
                setattr(module, f"conv{number}", fuse_conv_bn_eval(*pair))
                setattr(module, f"bn{number}", nn.Identity())
    return made


def ours(
    net: nn.Module,
    images: NDArray[np.uint8],
    half: bool,
    mean: tuple[float, ...] = MEAN,
    std: tuple[float, ...] = STD,
) -> NDArray[np.int64]:
    """Predictions by the suite's evaluation, perhaps with forward passes in bf16."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        found: NDArray[np.int64] = evaluate.logits(net, images, mean, std, CPU).argmax(1)
    return found


def ways(backbone: str, n: int) -> dict[str, Work]:
    """The usual loop first, then ours."""
    images, labels = cifar_pixels(n)
    rows = PilRows(images, labels, plain(MEAN, STD))
    plain_net = usual_net(backbone, CLASSES)
    net: Any = copy.deepcopy(plain_net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused = folded(net)
    return {
        "usual": lambda: usual_predictions(plain_net, rows),
        "fp32": lambda: ours(net, images, half=False),
        "fp32 folded": lambda: ours(fused, images, half=False),
        "bf16": lambda: ours(net, images, half=True),
        "bf16 folded": lambda: ours(fused, images, half=True),
    }


def ratios(backbone: str, rounds: int, n: int) -> list[Ratio]:
    """How many times as fast as the usual loop each way is, over ``rounds`` after one unused."""
    note = f"{rounds} rounds of {n} images, {backbone}"
    return [
        of_rounds(NAME.format(name), own, GOALS[name], note=note)
        for name, own in in_turn(ways(backbone, n), rounds).items()
    ]


def agreement(weights: Path, dataset: str) -> list[str]:
    """What bf16 and folding do to the predictions of a trained network on all test images."""
    net: Any = read_network(weights)[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    scored = words_to_rows([f"dataset={dataset}"])
    images, labels = np.asarray(scored.table.images), scored.table.labels
    shown = (scored.card.mean, scored.card.std)
    expected = ours(net, images, False, *shown)
    lines = [f"fp32: accuracy {100 * (expected == labels).mean():.2f} %"]
    for name, other, half in (
        ("fp32 folded", folded(net), False),
        ("bf16", net, True),
        ("bf16 folded", folded(net), True),
    ):
        found = ours(other, images, half, *shown)
        lines.append(
            f"{name}: accuracy {100 * (found == labels).mean():.2f} %, "
            f"{int((found != expected).sum())} of {len(found)} predictions differ"
        )
    return lines


def main() -> None:
    """Print the ratios for ResNet-32, and how predictions of trained weights change."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--backbone", default="cifar_resnet32")
    parser.add_argument("--weights", type=Path, help="weights.safetensors of a run")
    parser.add_argument("--dataset", default="cifar100lt", help="of that run")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(table(ratios(given.backbone, given.rounds, given.images)))
    if given.weights:
        print("\n".join(agreement(given.weights, given.dataset)))


if __name__ == "__main__":
    main()
