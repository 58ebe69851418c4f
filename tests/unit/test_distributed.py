"""One run on several processes: who they are, what they share, and that it is the same run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.component import Batch, Component, Stage, Step
from benchmark.errors import DataError, UsageError
from benchmark.stack import Stack, blended_loss
from benchmark.tiny import MEAN, STD, random_images, tiny_task
from benchmark.training import evaluate
from benchmark.training.pieces import cuts, own_rows, rows_at_once
from benchmark.training.ranks import Rank, check_command, rank_here
from benchmark.training.sharing import Norms, check_sharing
from benchmark.training.team import ALONE, Team
from tests.fixtures.processes import distance, on_processes, place, trained

TWO = Rank(1, 1, 2, 2)


# places


def test_without_torchrun_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert rank_here() == Rank()
    assert ALONE.alone
    assert ALONE.first


def test_torchrun_says_who_a_process_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in place(1, 2, 1234).items():
        monkeypatch.setenv(name, value)
    assert rank_here() == TWO


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"RANK": "x"}, "Expected a whole number in RANK, but got 'x'"),
        ({"RANK": "2"}, "Expected RANK below WORLD_SIZE, but got 2 and 2"),
    ],
)
def test_a_place_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], message: str
) -> None:
    for name, value in (place(0, 2, 1) | changes).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        rank_here()


@pytest.mark.parametrize(
    ("words", "got"),
    [(["ls", "methods"], "ls"), ([], "help"), (["run", "-m", "seed=0,1"], "-m"),
     (["run", "grid=table1"], "grid=table1")],
)  # fmt: skip
def test_only_one_training_run_may_have_several_processes(words: list[str], got: str) -> None:
    check_command(words, Rank())
    with pytest.raises(UsageError, match=f"one training run for 2 processes, but got {got}"):
        check_command(words, TWO)


# rows


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 7, 16, 129])
def test_processes_take_every_row_once_and_shares_add_up(rows: int, size: int) -> None:
    parts = [own_rows(rows, rank, size) for rank in range(size)]
    taken = [row for own, share in parts if share for row in range(rows)[own]]
    assert taken == list(range(rows))
    assert sum(share for _, share in parts) == pytest.approx(1)
    assert all(len(range(rows)[own]) for own, _ in parts)


@pytest.mark.parametrize("limit", [1, 3, 16, 200])
@pytest.mark.parametrize("rows", [1, 5, 48, 129])
def test_pieces_are_few_even_and_complete(rows: int, limit: int) -> None:
    sizes = [each.stop - each.start for each in cuts(rows, limit)]
    assert sum(sizes) == rows
    assert max(sizes) <= limit
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == -(-rows // limit)


def test_rows_at_once_of_uneven_parts() -> None:
    assert [rows_at_once(128, size, pieces) for size, pieces in ((1, 1), (3, 1), (3, 4))] == [
        128, 43, 11]  # fmt: skip


class Weighted(Component):
    """Class weights that enter as a weighted mean."""

    def class_weights(self, step: Step) -> Tensor:
        """Far from ones."""
        return torch.tensor([1.0, 7.0, 0.2])


def test_means_over_pieces_add_up_to_the_weighted_mean_over_the_batch() -> None:
    """The sum of class weights is that of the whole batch, for each label set of a blend."""
    draw = torch.Generator().manual_seed(0)
    out = torch.randn(11, 3, generator=draw)
    one, other = (torch.randint(3, (11,), generator=draw) for _ in range(2))
    share = torch.rand(11, generator=draw)
    whole = Batch(out, ((one, share), (other, 1 - share)), one, one, views=(out,))
    stack = Stack((Weighted(Weighted.Config(), "weighted"),))
    step = Step(Stage("base"), tiny_task((3, 3, 3)), 0, 1, 0, 1, 0, torch.device("cpu"))
    expected = blended_loss(stack, out, whole, step)
    pieces = [whole.piece(each).piece(slice(None)) for each in cuts(11, 4)]
    parts = [blended_loss(stack, each.images, each, step) * len(each.index) / 11 for each in pieces]
    torch.testing.assert_close(sum(parts), expected)
    assert [len(each.views[0]) for each in pieces] == [3, 4, 4]


# refusals


def chosen(batch_size: int = 8, search_trials: int = 0, whole: tuple[str, ...] = ()) -> Any:
    return SimpleNamespace(
        stack=SimpleNamespace(needs_whole_batch=lambda: list(whole)),
        recipe=SimpleNamespace(batch_size=batch_size),
        search_trials=search_trials,
        plumbing=SimpleNamespace(device="cpu"),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (chosen(whole=("paco",)), "'paco' needs every batch whole, but 2 processes would share it"),
        (chosen(batch_size=1), "a row of each batch for each of 2 processes, but got batches of 1"),
        (chosen(search_trials=4), "no search, but got 4 trials for 2 processes"),
    ],
)
def test_what_processes_cannot_share_is_refused(settings: Any, message: str) -> None:
    check_sharing(settings, Rank())
    with pytest.raises(UsageError, match=message):
        check_sharing(settings, TWO)


# the same run


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        # of 52 rows: a last batch of 7, of which one process gets more than the other
        ("frozen,ldam,drw,cmo", 15),
        # a last batch of a single row, which one process takes
        ("frozen,mixup", 17),
        # a stage on features computed once
        ("frozen,retrain_head", 16),
    ],
)
def test_two_processes_take_the_steps_of_one(tmp_path: Path, names: str, rows: int) -> None:
    one = trained(ALONE, tmp_path / "one", names, rows=rows)
    both = on_processes(2, trained_with, tmp_path / "two", names, rows)
    for two in both:
        assert distance(one, two) < 1e-5
    losses = [[row["loss"] for row in each["progress"].history] for each in (one, *both)]
    assert losses[1] == losses[2]
    assert losses[1] == pytest.approx(losses[0], abs=1e-5)
    assert [each["progress"].processes for each in (one, *both)] == [1, 2, 2]
    assert (tmp_path / "two" / "history.csv").exists()


def trained_with(team: Team, folder: Path, names: str, rows: int) -> dict[str, Any]:
    return trained(team, folder, names, rows=rows)


def test_processes_end_with_one_network_though_batch_norm_sees_parts(tmp_path: Path) -> None:
    one = trained(ALONE, tmp_path / "one", "ce")
    first, second = on_processes(2, trained, tmp_path / "two", "ce")
    assert distance(first, second) == 0
    assert 1e-4 < distance(one, first) < 1


def test_evaluation_is_shared_and_the_numbers_are_those_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = scores(ALONE)
    for found in on_processes(3, scores):
        np.testing.assert_array_equal(found, expected)


def scores(team: Team) -> Any:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    # five batches, the last one short; of the second set some processes get none
    sizes = (2 * evaluate.BATCH + 1, 3)
    found = [evaluate.logits(net, random_images(n, 1), MEAN, STD, torch.device("cpu"), team)
             for n in sizes]  # fmt: skip
    assert [len(each) for each in found] == list(sizes)
    return np.concatenate(found)


# exchanges


def exchanges(team: Team) -> list[Any]:
    rank = team.here.rank
    tensors = [torch.full((2,), float(rank)), torch.tensor(3.0 * rank)]
    team.average(tensors)
    return [
        team.from_first(lambda: f"said by {rank}"),
        team.first_alone(lambda: rank),
        team.any(rank == 1),
        team.any(False),
        float(team.add(torch.tensor(rank + 1.0))),
        [each.tolist() for each in tensors],
    ]


def test_texts_flags_sums_and_means_reach_all() -> None:
    first, second = on_processes(2, exchanges)
    assert first == ["said by 0", 0, True, False, 3.0, [[0.5, 0.5], 1.5]]
    assert second == ["said by 0", 1, *first[2:]]


def differing(team: Team) -> None:
    team.same("the checkpoint", f"step {team.here.rank}")
    team.meet()


def test_a_process_that_sees_other_files_ends_the_run() -> None:
    first, second = on_processes(2, differing)
    expected = "Expected the checkpoint as process 0 has it, but process 1 has another"
    assert (second.kind, second.code) == ("DataError", 3)
    assert second.said.startswith(expected)
    assert (first.kind, first.code) == ("PeerFailed", 3)
    assert first.said.startswith(f"process 1: {expected}")


def failing(team: Team) -> None:
    if team.first:
        raise DataError("Expected luck, but got none")
    team.any(False)
    team.meet()


def test_a_failure_of_the_first_process_ends_the_others_with_its_code() -> None:
    first, second = on_processes(2, failing)
    assert (first.kind, first.said, first.code) == ("DataError", "Expected luck, but got none", 3)
    assert (second.kind, second.code) == ("PeerFailed", 3)
    assert "process 0: Expected luck" in second.said


# batch norm on GPUs, as far as it goes without one


def test_synchronised_batch_norm_shares_all_tensors_and_leaves_no_trace() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4)))
    before, names = list(net.modules()), list(net.state_dict())
    norms = Norms(net, Team(TWO), torch.device("cuda"))
    assert list(net.modules()) == before
    with norms.shared():
        kinds = [type(each) for each in net.modules()]
        assert kinds.count(nn.SyncBatchNorm) == 2
        assert nn.BatchNorm2d not in kinds
        assert list(net.state_dict()) == names
        shared = dict(net.named_parameters()) | dict(net.named_buffers())
    after = dict(net.named_parameters()) | dict(net.named_buffers())
    assert all(shared[name] is after[name] for name in names)
    assert list(net.modules()) == before


def test_a_single_process_changes_no_batch_norm() -> None:
    net = nn.Sequential(nn.BatchNorm2d(4))
    with Norms(net, ALONE, torch.device("cuda")).shared():
        assert type(net[0]) is nn.BatchNorm2d
