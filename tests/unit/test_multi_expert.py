"""The network of several experts: sizes, splitting, narrowing, first weights, blended means."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from baselines.multi_expert import (
    ExpertHeads,
    MeanOfExperts,
    average_where_plain,
    blended_mean,
    expert_net,
    fresh,
    narrowed,
)
from benchmark.component import Batch, Stage
from benchmark.config import BackboneConfig
from benchmark.errors import UsageError
from benchmark.models import build_backbone
from benchmark.tiny import tiny_task
from synaug.retrain_head import reset_head


def backbone(name: str, **options: object) -> Any:
    return build_backbone(BackboneConfig(name=name, options=options))


def experts_of(name: str, classes: int = 10, **changes: Any) -> Any:
    options = changes.pop("options", {})
    settings: dict[str, Any] = {"experts": 3, "own_stages": 2, "reduce": 0.75, "scale": 30.0}
    task = tiny_task((1,) * classes)
    return expert_net(backbone(name, **options), task, **settings | changes)


def tiny(**changes: Any) -> Any:
    return experts_of("cifar_resnet8", classes=5, options={"width": 4}, **changes)


def one_expert(whole: nn.Module) -> Any:
    task = tiny_task((1, 1))
    return expert_net(whole, task, experts=1, own_stages=2, reduce=1, scale=1.0).eval()


def size(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def shapes(net: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in net.state_dict().values()]


def images(n: int = 4, pixels: int = 8) -> Tensor:
    return torch.randn(n, 3, pixels, pixels, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("experts", "reduce", "published", "exact"),
    [
        (2, 0.75, 0.531, 530_512),
        (3, 0.75, 0.784, 783_856),
        (4, 0.75, 1.037, 1_037_200),
        (6, 0.75, 1.544, 1_543_888),
        (3, 1, 1.362, 1_362_064),
    ],
)
def test_resnet32_has_the_published_size(
    experts: int, reduce: float, published: float, exact: int
) -> None:
    found = size(experts_of("cifar_resnet32", 100, experts=experts, reduce=reduce))
    assert (round(found / 1e6, 3), found) == (published, exact)


def test_each_further_expert_costs_its_own_stages_and_classifier() -> None:
    two, three, four = (size(tiny(experts=n)) for n in (2, 3, 4))
    net = tiny()
    assert three - two == four - three
    assert three - two == size(net.backbone.experts[0]) + 5 * 12


def test_features_and_logits_have_an_axis_of_experts() -> None:
    net = tiny()
    features = net.features(images())
    assert features.shape == (4, 3, 12)
    assert net.backbone.num_features == 12
    assert net.head(features).shape == net(images()).shape == (4, 3, 5)


def test_logits_are_scaled_cosines_of_each_expert() -> None:
    net = tiny(scale=7.0)
    features = net.features(images())
    for expert, head in enumerate(net.head.heads):
        cosine = nn.functional.cosine_similarity(features[:, expert, None], head.weight[None], 2)
        torch.testing.assert_close(net.head(features)[:, expert], 7 * cosine)


def test_one_unreduced_expert_with_the_weights_of_the_backbone_is_the_backbone() -> None:
    whole = backbone("cifar_resnet20").eval()
    net = one_expert(whole)
    for own, given in zip(net.backbone.experts[0][0], whole.stages[1:], strict=True):
        own.load_state_dict(given.state_dict())
    x = images(2, 32)
    torch.testing.assert_close(net.features(x)[:, 0], whole(x))


@pytest.mark.parametrize("name", ["resnet18", "cifar_stem_resnet18"])
def test_timm_networks_split_where_their_layers_do(name: str) -> None:
    whole = backbone(name).eval()
    net = one_expert(whole)
    expert: Any = net.backbone.experts[0][0]
    expert[0].load_state_dict(whole.layer3.state_dict())
    expert[1].load_state_dict(whole.layer4.state_dict())
    x = images(2, 32)
    torch.testing.assert_close(net.features(x)[:, 0], whole(x))


@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d"])
def test_narrowing_gives_the_shapes_of_a_network_built_narrow(name: str) -> None:
    """RIDE's ImageNet-LT widths: 192 and 384 planes instead of 256 and 512."""
    with torch.device("meta"):
        whole, narrow = backbone(name), backbone(name, channels=(64, 128, 192, 384))
        found = narrowed(nn.Sequential(whole.layer3, whole.layer4), 0.75)
    assert shapes(found) == shapes(nn.Sequential(narrow.layer3, narrow.layer4))


@pytest.mark.parametrize("name", ["resnet18", "seresnet50", "resnet10t"])
@pytest.mark.parametrize("reduce", [1, 0.75])
def test_timm_networks_learn_as_experts(name: str, reduce: float) -> None:
    with torch.device("meta"):
        net = experts_of(name, experts=2, reduce=reduce)
        logits = net(torch.zeros(2, 3, 32, 32))
    assert logits.shape == (2, 2, 10)
    logits.square().sum().backward()
    assert all(weight.grad is not None for weight in net.parameters())


def test_experts_share_the_trunk_and_start_apart() -> None:
    torch.manual_seed(0)
    net = tiny(experts=2)
    first, second = (list(expert.parameters()) for expert in net.backbone.experts)
    assert not torch.equal(first[0], second[0])
    of_first = net(images())[:, 0].sum()
    of_first.backward()
    assert not any(weight.grad.any() for weight in second)
    assert all(weight.grad.any() for weight in first if weight.dim() == 4)
    assert all(weight.grad.any() for weight in net.backbone.trunk.parameters())


@pytest.mark.parametrize(
    ("name", "fan"), [("cifar_resnet32", "fan_in"), ("cifar_stem_resnet18", "fan_out")]
)
def test_first_weights_have_the_spread_of_the_backbone(name: str, fan: str) -> None:
    torch.manual_seed(0)
    net = experts_of(name, experts=1)
    convolution: Any = net.backbone.experts[0][0][1][1].conv1
    into, out = convolution.in_channels * 9, convolution.out_channels * 9
    expected = (2 / (into if fan == "fan_in" else out)) ** 0.5
    # four standard errors of a standard deviation
    rel = 4 / (2 * convolution.weight.numel()) ** 0.5
    assert convolution.weight.std().item() == pytest.approx(expected, rel=rel)


def test_drawing_anew_forgets_what_batch_norm_saw_and_leaves_the_original() -> None:
    stages = nn.Sequential(backbone("resnet18").layer1)
    stages.train()(torch.randn(2, 64, 8, 8))
    before = [value.clone() for value in stages.state_dict().values()]
    made = fresh(stages, "fan_out")
    assert not made[0][0].bn1.running_mean.any()
    assert not made[0][0].bn2.weight.any()
    assert all(map(torch.equal, stages.state_dict().values(), before))


# refusals


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("convnext_atto", {}, "ConvNeXt, which cannot be split into stages"),
        ("resnetv2_50", {}, "ResNetV2, which cannot be split into stages"),
        ("cifar_resnet8", {"own_stages": 4}, "4 own stages of 3"),
        ("ecaresnet26t", {}, "Conv1d in it, which cannot be reduced"),
        ("cifar_resnet8", {"reduce": 0.9}, "16 channels that become 29"),
        ("cifar_resnet8", {"reduce": 0.25}, "16 channels that become 8"),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused(
    name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        experts_of(name, **changes)


def test_groups_that_narrow_channels_do_not_fill_are_refused() -> None:
    with torch.device("meta"):
        stages = nn.Sequential(backbone("resnext50_32x4d").layer3)
    with pytest.raises(UsageError, match="358 channels in 32 groups"):
        narrowed(stages, 0.7)


# heads and deployment


def test_the_head_can_be_re_initialised() -> None:
    net = tiny()
    before = [head.weight.detach().clone() for head in net.head.heads]
    reset_head(net.head)
    for head, old in zip(net.head.heads, before, strict=True):
        assert not torch.equal(head.weight, old)
        torch.testing.assert_close(head.weight.norm(dim=1).detach(), torch.ones(5))


def test_what_is_deployed_is_the_mean_of_the_experts() -> None:
    net = tiny().eval()
    expected = net(images()).mean(1)
    torch.testing.assert_close(MeanOfExperts(net)(images()), expected)
    average_where_plain(net, Stage("other", plain=frozenset({"loss"})))
    torch.testing.assert_close(net(images()), expected)
    torch.testing.assert_close(MeanOfExperts(net)(images()), expected)
    average_where_plain(net, Stage("base", plain=frozenset({"mix"})))
    assert net(images()).shape == (4, 3, 5)


def test_a_wrapped_head_is_told_too() -> None:
    net = tiny()
    net.head = nn.Sequential(net.head)
    average_where_plain(net, Stage("other", plain=frozenset({"loss"})))
    assert [part.averaged for part in net.modules() if isinstance(part, ExpertHeads)] == [True]


# blended means


def _batch(*pairs: tuple[list[int], list[float]]) -> Batch:
    targets = tuple((torch.tensor(labels), torch.tensor(share)) for labels, share in pairs)
    n = len(pairs[0][0])
    return Batch(
        torch.zeros(n, 3, 8, 8), targets, torch.zeros(n, dtype=torch.uint8), torch.arange(n)
    )


def test_each_pair_is_divided_by_its_own_class_weights() -> None:
    batch = _batch(([0, 1], [0.75, 0.75]), ([1, 1], [0.25, 0.25]))
    values, weights = torch.tensor([2.0, 6.0]), torch.tensor([1.0, 3.0])
    got = blended_mean(batch, lambda labels: values[labels], weights)
    assert float(got) == pytest.approx(0.75 * (1 * 2 + 3 * 6) / 4 + 0.25 * 6)
    assert float(blended_mean(batch, lambda labels: values[labels])) == pytest.approx(
        0.75 * 4 + 0.25 * 6
    )
