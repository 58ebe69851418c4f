"""Published recipes and the backbones they name, against golden values."""

from typing import Any

import pytest
import torch

from benchmark.component import Stage, linear_net
from benchmark.config import RecipeConfig
from benchmark.data.augmentation import pad_images, weak
from benchmark.tiny import MEAN, STD, random_images
from tests.unit.test_models import backbone, problem, size
from tests.unit.test_optim import rates, recipe


def rate(name: str, *epochs: int) -> list[float]:
    """Learning rates of some epochs, 0-based."""
    settings = recipe(name)
    found = rates(settings, Stage("base"), 0, settings.steps.amount)
    return [found[epoch] for epoch in epochs]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r_mislas", {0: 0.02, 4: 0.1, 159: 0.1, 160: 0.01, 179: 0.01, 180: 0.001, 199: 0.001}),
        ("r_ldam", {0: 0.02, 4: 0.1, 159: 0.1, 160: 0.001, 179: 0.001, 180: 1e-5}),
        ("r_ride", {0: 0.02, 4: 0.1, 159: 0.1, 160: 0.001, 179: 0.001, 180: 1e-5}),
        ("r_paco", {0: 0.005, 9: 0.05, 10: 0.05, 319: 0.05, 320: 0.005, 359: 0.005, 360: 0.0005}),
        ("r_risda", {0: 0.1, 158: 0.1, 159: 0.001, 178: 0.001, 179: 1e-5, 199: 1e-5}),
        ("r_wb", {0: 0.01, 160: 0.005}),
        ("r_inlt_kang", {0: 0.2, 45: 0.1}),
        ("r_inlt_cmo", {0: 0.02, 4: 0.1, 59: 0.1, 60: 0.01, 79: 0.01, 80: 0.001, 99: 0.001}),
        ("r_inlt_ride", {0: 0.02, 4: 0.1, 59: 0.1, 60: 0.01, 80: 0.001}),
        ("r_inlt_mislas", {0: 0.1, 90: 0.05}),
        # the cosine counts from the first epoch; the published one from the end of the warm-up
        ("r_inlt_paco", {0: 0.002, 4: 0.01, 9: 0.0199750, 200: 0.01}),
    ],
)
def test_a_recipe_has_the_published_learning_rates(name: str, expected: dict[int, float]) -> None:
    assert rate(name, *expected) == pytest.approx(list(expected.values()), rel=1e-5)


@pytest.mark.parametrize("name", ["r_wb", "r_inlt_kang", "r_inlt_mislas", "r_inlt_paco"])
def test_a_cosine_ends_near_zero(name: str) -> None:
    last = recipe(name).steps.amount - 1
    assert 0 < rate(name, last)[0] < 1e-3 * recipe(name).optimizer.lr


@pytest.mark.parametrize(
    ("name", "epochs", "batch", "decay", "nesterov"),
    [
        ("r_mislas", 200, 128, 2e-4, False),
        ("r_ride", 200, 128, 5e-4, True),
        ("r_paco", 400, 128, 5e-4, False),
        ("r_wb", 320, 64, 0.0, False),
        ("r_risda", 200, 100, 5e-4, True),
        ("r_inlt_kang", 90, 512, 5e-4, False),
        ("r_inlt_cmo", 100, 128, 2e-4, False),
        ("r_inlt_ride", 100, 256, 2e-4, True),
        ("r_inlt_mislas", 180, 256, 5e-4, False),
        ("r_inlt_paco", 400, 128, 5e-4, False),
    ],
)
def test_a_recipe_has_the_published_optimiser(
    name: str, epochs: int, batch: int, decay: float, nesterov: bool
) -> None:
    found = recipe(name)
    assert (found.name, found.steps.unit, found.steps.amount) == (name, "epochs", epochs)
    assert (found.batch_size, found.optimizer.weight_decay) == (batch, decay)
    assert (found.optimizer.name, found.optimizer.momentum) == ("sgd", 0.9)
    assert found.optimizer.nesterov is nesterov


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("r_mislas", {}),
        ("r_wb", {}),
        ("r_ride", {"rotate": 15.0}),
        ("r_risda", {"border": "reflect"}),
        ("r_paco", {"policy": "autoaugment_cifar10", "cutout": 16}),
        *((f"r_inlt_{name}", {"pad": 0, "crop": "resized", "jitter": (0.4, 0.4, 0.4, 0.0)})
          for name in ("kang", "cmo", "ride", "mislas")),
        ("r_inlt_paco", {"pad": 0, "crop": "resized", "jitter": (0.4, 0.4, 0.4, 0.0),
                         "policy": "randaugment", "policy_ops": 2, "policy_magnitude": 10.0}),
    ],
)  # fmt: skip
def test_a_recipe_augments_as_published(name: str, changes: dict[str, Any]) -> None:
    settings: RecipeConfig = recipe(name)
    plain = recipe("r_ldam").augmentation
    found = {key: value for key, value in vars(settings.augmentation).items()
             if value != getattr(plain, key) or key in changes}  # fmt: skip
    assert found == changes
    images = torch.from_numpy(random_images(6, 0))
    padded = pad_images(images, settings.augmentation.pad, MEAN, STD, settings.augmentation.border)
    made = weak(padded, torch.arange(6), settings.augmentation, torch.Generator().manual_seed(0))
    assert made.shape == (6, 3, 8, 8)
    assert bool(made.isfinite().all())


def test_resnet34_for_small_images_has_the_size_of_weight_balancings_resnet32() -> None:
    net = linear_net(backbone("cifar_stem_resnet34"), problem(100))
    assert size(net) == 21_328_292
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 100)


@pytest.mark.parametrize(
    ("name", "features", "expected"),
    [("resnet34", 512, 21_284_672), ("resnext50_32x4d", 2048, 22_979_904)],
)
def test_imagenet_backbones_have_torchvisions_size(name: str, features: int, expected: int) -> None:
    net: Any = backbone(name)
    assert (net.num_features, size(net)) == (features, expected)


@pytest.mark.parametrize("depth", [18, 34])
def test_small_image_stems_keep_the_resolution_until_the_second_stage(depth: int) -> None:
    net: Any = backbone(f"cifar_stem_resnet{depth}").eval()
    stem = net.maxpool(net.act1(net.bn1(net.conv1(torch.zeros(1, 3, 32, 32)))))
    assert stem.shape == (1, 64, 32, 32)
