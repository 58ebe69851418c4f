"""This process among those that torchrun started for one training run; needs no torch.

torchrun describes a process by environment variables. Without them, or with a single process, all
is as it always was.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import BenchError, UsageError

NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Rank:
    """A place among processes.

    Attributes:
        rank: number of this process, from 0 on; 0 is the one that writes.
        local_rank: its number on its machine; it picks the GPU.
        size: processes in all.
        local_size: processes on its machine.
    """

    rank: int = 0
    local_rank: int = 0
    size: int = 1
    local_size: int = 1


def rank_here() -> Rank:
    """The place that the environment gives this process.

    Raises:
        UsageError: the variables are no whole numbers, or contradict each other.
    """
    if any(name not in os.environ for name in NEEDED):
        return Rank()
    rank, size = _number("RANK"), _number("WORLD_SIZE")
    if not 0 <= rank < size:
        raise UsageError(
            f"Expected RANK below WORLD_SIZE, but got {rank} and {size}",
            where="environment",
            todo="start the processes with torchrun, or unset both",
        )
    return Rank(rank, _number("LOCAL_RANK", rank), size, _number("LOCAL_WORLD_SIZE", size))


def _number(name: str, default: int = 0) -> int:
    text = os.environ.get(name, str(default))
    if not text.isdecimal():
        raise UsageError(
            f"Expected a whole number in {name}, but got '{text}'",
            where="environment",
            todo="start the processes with torchrun, or unset it",
        )
    return int(text)


def mute(here: Rank) -> None:
    """Let only the first process speak: what the others would print is the same."""
    if here.rank:
        # nobody closes it: the process prints until it ends
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        sys.stdout = sys.stderr = nowhere


def check_command(args: Sequence[str], here: Rank) -> None:
    """Refuse under several processes whatever is not one training run.

    Raises:
        UsageError: another verb, a sweep or a grid.
    """
    if here.size == 1:
        return
    verb = args[0] if args else "help"
    many = [word for word in args if word in ("-m", "--multirun") or word.startswith("grid=")]
    if verb == "run" and not many:
        return
    raise UsageError(
        f"Expected one training run for {here.size} processes, but got {(many or [verb])[0]}",
        where="torchrun",
        todo="leave torchrun out; a sweep or a grid runs side by side by itself",
    )


def started(main: Callable[[], int]) -> int:
    """Call ``main`` as one of perhaps several processes; its exit code."""
    try:
        here = rank_here()
        if here.size > 1:
            # torch's own words on a lost connection are pages of C++ frames
            os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        mute(here)
        check_command(sys.argv[1:], here)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return main()
