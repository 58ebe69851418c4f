"""Balanced softmax and both forms of logit adjustment: one prior, three uses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from baselines.class_prior import adjusted_logits, log_prior
from baselines.logit_adjustment_posthoc import Adjusted
from benchmark.component import Net
from benchmark.tiny import Watch, tiny_job, tiny_task
from benchmark.training.train import train
from tests.unit.test_class_prior import exponential
from tests.unit.test_components import CPU, batch, generator, part, step, trace

COUNTS = (6, 3, 1)
LABELS = batch().labels
LOGITS = 2 * torch.randn(6, 3, generator=generator())


def net(classes: int = 3) -> Net:
    torch.manual_seed(0)
    return Net(nn.Flatten(), nn.Linear(3 * 8 * 8, classes))


@pytest.mark.parametrize(
    ("counts", "places", "golden"),
    [
        (exponential(500, 100, 100), (0, 50, 99), (-3.077036, -5.420443, -7.682206)),
        (exponential(500, 50, 100), (0, 50, 99), (-3.227479, -5.207980, -7.139502)),
        (exponential(500, 10, 100), (0, 50, 99), (-3.667298, -4.832050, -5.969883)),
        (exponential(5000, 100, 10), (0, 5, 9), (-0.908742, -3.467511, -5.513913)),
    ],
)
def test_log_priors_are_the_golden_ones(
    counts: tuple[int, ...], places: tuple[int, ...], golden: tuple[float, ...]
) -> None:
    found = log_prior(counts, CPU)
    assert found[list(places)].tolist() == pytest.approx(golden, abs=1e-6)
    assert float(found.exp().sum()) == pytest.approx(1, abs=1e-5)


def test_balanced_softmax_weighs_every_class_by_its_count() -> None:
    """The form of the paper: n_y e^z_y / sum_k n_k e^z_k, with its gradient."""
    logits, exact = LOGITS.clone().requires_grad_(), LOGITS.double().requires_grad_()
    found = part("balanced_softmax").criterion(logits, LABELS, step())
    raised = torch.tensor(COUNTS).double() * exact.exp()
    expected = -(raised[torch.arange(6), LABELS] / raised.sum(1)).log()
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(found, expected.float())
    torch.testing.assert_close(logits.grad, exact.grad.float())  # type: ignore[union-attr]


def test_balanced_softmax_is_the_adjusted_loss_at_tau_1() -> None:
    balanced = part("balanced_softmax").criterion(LOGITS, LABELS, step())
    assert torch.equal(
        balanced, part("logit_adjustment", tau=1.0).criterion(LOGITS, LABELS, step())
    )
    # log n in place of log pi moves all logits alike
    raised = LOGITS + torch.tensor(COUNTS).log()
    shifted = functional.cross_entropy(raised, LABELS, reduction="none")
    torch.testing.assert_close(balanced, shifted)


def test_tau_0_is_cross_entropy(tmp_path: Path) -> None:
    found = part("logit_adjustment", tau=0.0).criterion(LOGITS, LABELS, step())
    assert torch.equal(found, functional.cross_entropy(LOGITS, LABELS, reduction="none"))
    plain = trace(tmp_path / "ce", part("ce"), steps=4)
    assert trace(tmp_path / "none", part("logit_adjustment", tau=0.0), steps=4) == plain
    assert trace(tmp_path / "some", part("logit_adjustment"), steps=4) != plain


def test_tau_scales_the_log_prior() -> None:
    log_pi = log_prior(COUNTS, CPU)
    found = adjusted_logits(torch.zeros(1, 3), log_pi, 2.5)
    torch.testing.assert_close(found[0], 2.5 * (torch.tensor(COUNTS) / 10).log())


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjustment"])
def test_flat_counts_make_the_prior_neutral(name: str) -> None:
    flat = step(task=tiny_task((7, 7, 7)))
    found = part(name, prior="train").criterion(LOGITS, LABELS, flat)
    torch.testing.assert_close(found, functional.cross_entropy(LOGITS, LABELS, reduction="none"))


@pytest.mark.parametrize("name", ["balanced_softmax", "logit_adjustment"])
def test_a_class_without_images_counts_as_one_image(name: str) -> None:
    found = part(name).criterion(LOGITS, LABELS, step(task=tiny_task((6, 3, 0))))
    assert torch.equal(found, part(name).criterion(LOGITS, LABELS, step()))


def test_the_prior_is_the_one_asked_for() -> None:
    task = tiny_task(COUNTS, added=5)
    found = {
        prior: part("logit_adjustment", prior=prior).criterion(LOGITS, LABELS, step(task=task))
        for prior in ("real", "train")
    }
    for prior, counts in (("real", COUNTS), ("train", (11, 8, 6))):
        raised = LOGITS + torch.tensor(counts).log()
        expected = functional.cross_entropy(raised, LABELS, reduction="none")
        torch.testing.assert_close(found[prior], expected)


# after training


def test_the_deployed_network_takes_the_prior_off() -> None:
    images = batch().images
    plain, made = net(), part("logit_adjustment_posthoc", tau=1.5).deploy(net(), tiny_task(COUNTS))
    expected = plain(images) - 1.5 * (torch.tensor(COUNTS) / 10).log()
    torch.testing.assert_close(made(images), expected)


def test_tau_0_deploys_the_same_logits() -> None:
    images, made = batch().images, part("logit_adjustment_posthoc", tau=0.0)
    assert torch.equal(made.deploy(net(), tiny_task(COUNTS))(images), net()(images))


def test_flat_counts_leave_every_prediction() -> None:
    images = batch().images
    made = part("logit_adjustment_posthoc", prior="train").deploy(net(), tiny_task((9, 9, 9)))
    assert torch.equal(made(images).argmax(1), net()(images).argmax(1))


def test_a_stronger_adjustment_never_favours_the_head_more() -> None:
    images, task = batch(60).images, tiny_task(COUNTS)
    heads = [
        int((part("logit_adjustment_posthoc", tau=tau).deploy(net(), task)(images).argmax(1) == 0)
            .sum())
        for tau in (0.0, 0.5, 1.0, 2.0, 8.0)
    ]  # fmt: skip
    assert heads == sorted(heads, reverse=True)
    assert heads[0] > heads[-1]


def test_the_counts_travel_with_the_deployed_network() -> None:
    made: Any = part("logit_adjustment_posthoc").deploy(net(), tiny_task(COUNTS))
    other = Adjusted(net(), torch.zeros(3), 1.0)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(batch().images), made(batch().images))


def test_training_is_that_of_plain_cross_entropy(tmp_path: Path) -> None:
    found = {}
    for name in ("ce", "logit_adjustment_posthoc"):
        watch = Watch((part(name),))
        (tmp_path / name).mkdir()
        trained, _, _ = train(tiny_job(watch, tmp_path / name))
        found[name] = watch.trace, trained.state_dict()
    (losses, weights), (others, same) = found.values()
    assert losses == others
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[key], same[key]) for key in weights)
