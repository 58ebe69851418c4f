"""Whether bfloat16 pays: measured without touching seeds, told once, before the work."""

import pytest
import torch

from benchmark.training import half_precision
from benchmark.training.half_precision import SLOWER, half_ratio, say_if_slow

CPU = torch.device("cpu")


def test_a_look_at_the_machine_moves_no_seed() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    half_ratio.cache_clear()
    assert 0.01 < half_ratio(CPU) < 1000
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("ratio", "told"), [(0.5, False), (SLOWER, False), (4.06, True)])
def test_only_a_slower_way_is_worth_a_line(
    ratio: float,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(half_precision, "half_ratio", lambda device: ratio)
    say_if_slow(CPU, "recipe.precision")
    said = capsys.readouterr().err
    assert bool(said) == told
    if told:
        assert "4.1 times as long as fp32 on this cpu: recipe.precision=fp32" in said
