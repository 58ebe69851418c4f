"""Do components stack, or say why not? Part of the public test kit (``conformance.py``).

A pair is tried in both orders: the stack is refused with a ``UsageError``, or it is one that
trains. Every ordered pair is put together; a fixed sample of those in which the component checked
comes first takes two steps, so that over a registry each sampled pair trains once.
"""

import tempfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import UsageError
from benchmark.identity import shipped_settings
from benchmark.models import build_backbone
from benchmark.registry import BUILT_IN, COMPONENTS
from benchmark.tiny import Piece, Watch, tiny_job, tiny_recipe
from benchmark.training.train import train

# one in so many ordered pairs trains; all of them would double the time of the contract tests
SAMPLE = 4


def built_in_pieces() -> list[Piece]:
    """Every component that ships with the project, as its YAML file sets it."""
    entries = COMPONENTS.entries.values()
    names = [entry.name for entry in entries if entry.origin == BUILT_IN]
    return [Piece(COMPONENTS.load(name), shipped_settings(name), name) for name in names]


def pair_problems(own: Piece, others: Iterable[Piece], sample: int = SAMPLE) -> Iterator[str]:
    """What goes wrong where a component is stacked with one other, a line each.

    Args:
        own: the component checked.
        others: its partners; one of the same name is left out.
        sample: one in so many pairs trains for two steps; 1 trains all.
    """
    for other in others:
        if other.name == own.name:
            continue
        for pieces in ((own, other), (other, own)):
            trains = pieces[0] is own and _sampled(pieces, sample)
            problem = stack_problem(pieces, trains=trains)
            if problem:
                yield f"{' + '.join(piece.name for piece in pieces)}: {problem}"


def _sampled(pieces: Sequence[Piece], sample: int) -> bool:
    """Whether a stack is in the sample, by a hash of its names: the same on every machine."""
    return zlib.crc32("+".join(piece.name for piece in pieces).encode()) % sample == 0


def stack_problem(pieces: Sequence[Piece], *, trains: bool) -> str:
    """What is wrong with a stack, or "": it was refused before its first step, or is sound.

    Args:
        pieces: the components, in stack order.
        trains: whether it takes two steps; else it is only put together.
    """
    try:
        watch = Watch(tuple(piece.build() for piece in pieces))
    except UsageError:
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return _trained(watch) if trains else ""


def _trained(watch: Watch) -> str:
    try:
        with tempfile.TemporaryDirectory() as folder:
            job = tiny_job(watch, Path(folder), recipe=tiny_recipe(steps=2))
            watch.check_head(watch.build(build_backbone(job.backbone), job.task))
            train(job)
    except UsageError as error:
        return f"is refused in step {len(watch.seen) + 1} only: {error}" if watch.seen else ""
    except Exception as error:
        return f"{type(error).__name__} in step {len(watch.seen) + 1}: {error}"
    return "" if np.isfinite(watch.trace).all() else f"losses {watch.trace}"
