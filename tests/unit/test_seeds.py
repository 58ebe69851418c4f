"""Named streams: reproducible, distinct, and without a trace in global state."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.seeds import derive, numpy_generator, scoped_global_seed, torch_generator

SEEDS = st.integers(0, 2**31 - 1)


def test_streams_never_change() -> None:
    # records depend on these: a change here orphans all of them
    assert derive(0) == 4761921975702974394
    assert derive(1, "order", 3) == 566311224565714898


@given(SEEDS, st.text(), st.integers())
def test_equal_names_give_equal_streams(seed: int, name: str, index: int) -> None:
    assert derive(seed, name, index) == derive(seed, name, index)
    assert 0 <= derive(seed, name, index) < 2**63


def test_seeds_and_names_tell_streams_apart() -> None:
    found = {
        derive(seed, name, index) for seed in range(20) for name in "ab" for index in range(20)
    }
    assert len(found) == 800


def test_generators_repeat_and_differ() -> None:
    first, again, other = (torch_generator(0, name) for name in ("a", "a", "b"))
    draws = [torch.rand(5, generator=each) for each in (first, again, other)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    same = [numpy_generator(3, "x").random(4) for _ in range(2)]
    assert np.array_equal(*same)


def test_a_scoped_seed_restores_the_global_generator() -> None:
    before = torch.get_rng_state()
    with scoped_global_seed(0, "init"):
        inside = torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)
    with scoped_global_seed(0, "init"):
        assert torch.equal(torch.rand(3), inside)


def test_a_scoped_seed_restores_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), scoped_global_seed(0):  # noqa: PT012
        torch.rand(1)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)
