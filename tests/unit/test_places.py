"""Cores and GPUs shared out among processes."""

import pytest

from benchmark.system import places as module
from benchmark.system.places import places, visible_gpus


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.mark.parametrize(("workers", "threads"), [(1, "4"), (2, "2"), (3, "1"), (4, "1"), (9, "1")])
def test_cores_are_divided(workers: int, threads: str) -> None:
    assert places(workers) == [{"OMP_NUM_THREADS": threads}] * workers


def test_a_number_of_threads_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert places(2) == [{}, {}]


def test_gpus_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-ab")
    assert [place["CUDA_VISIBLE_DEVICES"] for place in places(5)] == [
        "3", "GPU-ab", "3", "GPU-ab", "3"
    ]  # fmt: skip


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_hidden_gpus_are_not_used(hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert visible_gpus() == []


@pytest.mark.parametrize(("answer", "expected"), [(None, []), ("", []), ("0\n1\n", ["0", "1"])])
def test_the_driver_is_asked_where_nothing_is_set(
    answer: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setattr(module, "ask", lambda *_: answer)
    assert visible_gpus() == expected
