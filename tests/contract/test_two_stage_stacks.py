"""Two-stage methods keep the harness's promises in the stacks they are meant for."""

from pathlib import Path

import pytest

from benchmark import api
from benchmark.conformance import check_stack
from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.paths import cache_root
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece

STACKS = [
    ["t2i", "crt"],
    ["ldam", "drw", "crt"],
    ["mixup", "mislas_stage2"],
    ["t2i", "domain_mixup", "drw", "mislas_stage2"],
    ["weight_balancing", "cmo"],
    ["t2i", "domain_mixup", "weight_balancing"],
    ["lws", "drw"],
    ["t2i", "ldam", "drw", "cmo", "lws"],
    ["lws", "tau_norm"],
    ["weight_balancing", "tau_norm"],
    ["lws", "weight_balancing"],
    ["fake_to_real", "crt"],
]
# the paths that shipped settings do not take
SWITCHED = {
    "crt": {"sampler": "weighted", "batch_norm": "train", "cached_passes": 0},
    "lws": {"cached_passes": 2},
    "mislas_stage2": {"batch_norm": "eval", "cached_passes": 2},
    "weight_balancing": {
        "loss": "bce",
        "projection": "epoch",
        "batch_norm": "train",
        "cached_passes": 0,
    },
    "tau_norm": {"bias": "keep"},
}


def piece(name: str, **changes: object) -> Piece:
    settings = shipped_settings(name)
    if name in SWITCHED and "share" in settings:
        # a stage of several steps and epochs
        settings["share"] = 0.25
    return Piece(COMPONENTS.load(name), settings | changes, name)


def failures(pieces: list[Piece]) -> list[str]:
    return [str(result) for result in check_stack(pieces) if not result.passed]


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_a_stack_keeps_its_promises(names: list[str]) -> None:
    assert failures([piece(name) for name in names]) == []


@pytest.mark.parametrize("name", SWITCHED)
def test_switches_keep_the_promises(name: str) -> None:
    assert failures([piece("mixup"), piece(name, **SWITCHED[name])]) == []


def test_a_head_that_a_method_cannot_use_is_refused_before_images_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path / "cache"))
    words = ("method=[t2i,ldam,tau_norm]", f"out={tmp_path / 'runs'}", "progress=false")
    with pytest.raises(UsageError, match="expects a head of kind Linear, but 'ldam' builds a Cos"):
        api.run(*words)
    assert not (tmp_path / "runs").exists()
    assert not list(cache_root().glob("pools/*"))
