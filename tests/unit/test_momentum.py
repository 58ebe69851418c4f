"""The slow copy and the queue of keys."""

import pytest
import torch
from torch import nn

from baselines.momentum import KeyQueue, follow


def net(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
        made(torch.randn(8, 3))
    return made


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_parameters_move_by_the_moving_average(momentum: float) -> None:
    slow, fast = net(0), net(1)
    before = [part.detach().clone() for part in slow.parameters()]
    follow(slow, fast, momentum)
    for old, new, now in zip(before, fast.parameters(), slow.parameters(), strict=True):
        torch.testing.assert_close(now.detach(), momentum * old + (1 - momentum) * new.detach())


def test_buffers_are_copied_and_the_fast_one_is_left_alone() -> None:
    slow, fast = net(0), net(1)
    kept = {name: value.clone() for name, value in fast.state_dict().items()}
    follow(slow, fast, 0.5)
    assert all(torch.equal(value, kept[name]) for name, value in fast.state_dict().items())
    for one, other in zip(slow.buffers(), fast.buffers(), strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


def test_many_steps_close_the_gap_geometrically() -> None:
    slow, fast = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        slow.weight.fill_(0.0)
        fast.weight.fill_(1.0)
    for _ in range(10):
        follow(slow, fast, 0.9)
    assert slow.weight.item() == pytest.approx(1 - 0.9**10)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        follow(nn.Linear(2, 2), nn.Linear(2, 2, bias=False), 0.5)


def keys(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None].repeat(1, 2)


def test_an_empty_queue_says_so() -> None:
    queue = KeyQueue(2, 3)
    features, labels = queue.entries()
    assert features.tolist() == [[0, 0]] * 3
    assert labels.tolist() == [-1, -1, -1]


def test_the_oldest_keys_go_first() -> None:
    queue = KeyQueue(2, 5)
    for batch in ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0), (7.0,)):
        queue.push(keys(*batch), torch.tensor(batch).long())
    assert sorted(queue.labels.tolist()) == [3, 4, 5, 6, 7]
    assert queue.labels.tolist() == [6, 7, 3, 4, 5]
    assert torch.equal(queue.features[:, 0], queue.labels.float())
    assert int(queue.at) == 2


@pytest.mark.parametrize("size", [1, 3, 4, 7, 100])
def test_the_last_keys_are_held_whatever_the_sizes(size: int) -> None:
    queue, pushed = KeyQueue(2, size), []
    for first in range(0, 40, 4):
        labels = torch.arange(first, first + 4)
        queue.push(keys(*labels.float()), labels)
        pushed += labels.tolist()
        held = {label for label in queue.labels.tolist() if label >= 0}
        assert held == set(pushed[-size:])


def test_entries_stay_as_they_were_when_a_push_follows() -> None:
    queue = KeyQueue(2, 2)
    features, labels = queue.entries()
    query = torch.ones(1, 2, requires_grad=True)
    loss = (query @ features.T).sum()
    queue.push(keys(1.0, 2.0), torch.tensor([0, 1]))
    loss.backward()
    assert labels.tolist() == [-1, -1]
    assert query.grad is not None
    assert not query.grad.any()


def test_half_precision_keys_are_kept_in_full_precision_without_gradient() -> None:
    queue = KeyQueue(2, 2)
    queue.push(keys(1.0).bfloat16().requires_grad_(), torch.tensor([0]))
    assert queue.features.dtype == torch.float32
    assert not queue.features.requires_grad


def test_the_queue_survives_a_checkpoint() -> None:
    queue, again = KeyQueue(2, 3), KeyQueue(2, 3)
    queue.push(keys(1.0, 2.0), torch.tensor([4, 5]))
    again.load_state_dict(queue.state_dict())
    for one in (queue, again):
        one.push(keys(3.0, 4.0), torch.tensor([6, 7]))
    assert again.labels.tolist() == queue.labels.tolist() == [7, 5, 6]
