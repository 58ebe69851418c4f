"""Words about who draws: what they give, and one error for those that cannot be meant."""

import subprocess
import sys

import pytest

from benchmark.errors import UsageError
from benchmark.generation.engines import HERE
from benchmark.generation.scale import extras
from benchmark.generation.scale.array_engine import ArrayEngine
from benchmark.generation.scale.ray_engine import RayEngine
from benchmark.generation.scale.words import engine_of, mistyped, split_words
from tests.conftest import ROOT


def _engine(text: str) -> object:
    return engine_of(split_words(text.split())[1])


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("", HERE),
        ("engine=here", HERE),
        ("engine=ray", RayEngine()),
        ("engine=ray workers=3 cpus=2", RayEngine(least=3, most=3, cpus=2)),
        (
            "engine=ray workers=2..16 gpus=0.5 address=auto block=64",
            RayEngine(least=2, most=16, gpus=0.5, address="auto", block=64),
        ),
        ("engine=submitit workers=4", ArrayEngine(workers=4)),
        (
            "engine=submitit cluster=slurm split=shards partition=gpu minutes=60 slurm.qos=low",
            ArrayEngine(
                cluster="slurm", split="shards", partition="gpu", minutes=60, slurm={"qos": "low"}
            ),
        ),
    ],
)
def test_words_give_an_engine(text: str, engine: object) -> None:
    assert _engine(text) == engine


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("engine=rey", "Unknown engine 'rey'; did you mean ray"),
        ("workers=3", r"Expected workers= with another engine.*add engine=ray or engine=submitit"),
        ("engine=ray cluster=slurm", "add engine=submitit, or leave cluster out"),
        ("engine=ray workers=0", r"Expected workers=4 or workers=2\.\.16, but got workers=0"),
        ("engine=ray workers=5..2", r"but got workers=5\.\.2"),
        ("engine=ray gpus=1.5", "a share of one such as 0.5, but got gpus=1.5"),
        ("engine=ray block=0", "greater than 0, but got 0"),
        ("engine=ray workers=[", "Expected valid YAML"),
        ("engine=submitit workers=x", "valid integer.*but got 'x'"),
        ("engine=submitit cluster=slrum", "Unknown cluster 'slrum'.*; did you mean slurm?"),
        ("engine=submitit split=shard", "Unknown split 'shard'.*; did you mean shards?"),
        ("engine=submitit slurm.qos=low", "Expected cluster=slurm with slurm.qos"),
    ],
)
def test_a_wrong_word_is_one_error(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _engine(text)


def test_other_words_are_left_to_the_configuration() -> None:
    words = ["engine=ray", "dataset=digitslt", "workers=2", "generator.steps=2"]
    assert split_words(words)[0] == ["dataset=digitslt", "generator.steps=2"]


def test_a_mistyped_word_is_compared_with_ours_too() -> None:
    with (
        pytest.raises(UsageError, match=r"Unknown word 'worker'.*did you mean workers\?"),
        mistyped(["worker=3"]),
    ):
        raise UsageError("Unknown key 'worker'")
    with pytest.raises(UsageError, match="Unknown key 'datset'"), mistyped(["datset=3"]):
        raise UsageError("Unknown key 'datset'")


def test_an_absent_library_names_its_extra() -> None:
    with pytest.raises(UsageError, match=r"engine=nolib.*pip install 'synaug-bench\[nolib\]'"):
        extras.need("nolib", "data")


def test_the_extra_of_submitit_is_that_of_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"engine=submitit.*pip install 'synaug-bench\[slurm\]'"):
        ArrayEngine().check()


def test_ray_is_missed_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"engine=ray.*pip install 'synaug-bench\[ray\]'"):
        RayEngine().check()


def test_an_address_that_is_none_is_one_error() -> None:
    pytest.importorskip("ray")
    with (
        pytest.raises(UsageError, match=r"address=nonsense\]; start one \(ray start --head\)"),
        RayEngine(address="nonsense")._cluster(),
    ):
        pass


def test_words_need_no_optional_library() -> None:
    code = (
        "import sys; import benchmark.generation.scale.words; "
        "sys.exit(' '.join({'ray', 'pyarrow', 'submitit', 'torch'} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
