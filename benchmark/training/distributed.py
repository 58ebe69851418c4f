"""Joining and leaving the processes that torchrun started for one training run."""

import atexit
import time
from datetime import timedelta
from functools import cache

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from benchmark.errors import BenchError, one_line
from benchmark.training.ranks import Rank, mute, rank_here
from benchmark.training.team import ALONE, FAILED, POLL_SECONDS, Team

EXCHANGE = timedelta(minutes=10)
LINGER_SECONDS = 10.0
OVER = "over"


@cache
def team() -> Team:
    """The processes of this run; joined when first asked for.

    Raises:
        UsageError: the environment describes no such processes.
        BenchError: the others do not come.
    """
    here = rank_here()
    if here.size == 1:
        return ALONE
    mute(here)
    joined = join(here)
    atexit.register(_part, joined)
    return joined


def join(here: Rank) -> Team:
    """Meet the other processes at the address that the environment gives.

    Raises:
        BenchError: they do not come.
    """
    nccl = torch.cuda.is_available() and dist.is_nccl_available()
    try:
        store, _, _ = next(rendezvous("env://", timeout=EXCHANGE))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if nccl else "gloo",
            store=PrefixStore("group", store),
            rank=here.rank,
            world_size=here.size,
            timeout=EXCHANGE,
        )
    except (RuntimeError, ValueError) as error:
        raise BenchError(
            f"Expected {here.size} processes to meet, but got: {one_line(error)}",
            where="torchrun",
            todo="check MASTER_ADDR and MASTER_PORT, and that every machine was started",
        ) from error
    return Team(here, PrefixStore("run", store))


def _part(joined: Team) -> None:
    """Let the first process end first: torchrun stops the others as soon as one fails."""
    try:
        failed = bool(joined.store.check([FAILED]))
        if joined.first:
            joined.store.set(OVER, "")
        elif joined.told:
            # the others wait for this process, and learn by its end that it failed
            return
        until = time.monotonic() + LINGER_SECONDS
        while not joined.store.check([OVER]) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        # a group that was left in the middle of an exchange might never let go
        if not failed:
            dist.destroy_process_group()
    except RuntimeError:
        # whoever kept the store has gone
        return
