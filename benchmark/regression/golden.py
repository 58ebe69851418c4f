"""Tier 0: golden results on a CPU, compared exactly where rounding is the same.

Three kinds: the facts of each data set's card, the losses of each component on a tiny problem, and
whole runs from the command line's words to the record. The files stand in ``tests/golden``, with a
key of what rounding depends on; under another key numbers may differ by a little, and what hangs on
single bits is not compared.
"""

import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmark.errors import BenchError, DataError
from benchmark.identity import shipped_settings
from benchmark.paths import PACKAGE
from benchmark.registry import BUILT_IN, COMPONENTS, yaml_names
from benchmark.system.files import read_json
from benchmark.tiny import Piece, Watch, tiny_job
from benchmark.training.train import train

GOLDEN = PACKAGE.parent / "tests" / "golden"
TRACES, CARDS = GOLDEN / "traces.json", GOLDEN / "cards.json"
FIRST = 10
# a step builds on those before it, so the first steps tell most
NEAR, FAR = 1e-4, 1e-2


def key() -> str:
    """What rounding depends on: torch, its instruction set, machine."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__} {capability} {platform.system()} {platform.machine()}"


def names() -> list[str]:
    """All built-in components."""
    return [name for name in COMPONENTS.names() if COMPONENTS.entry(name).origin == BUILT_IN]


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def trace(name: str) -> list[float]:
    """Losses of all steps of the component's run on the tiny problem, in one thread."""
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        part = Piece(COMPONENTS.load(name), shipped_settings(name), name).build()
        watch = Watch((part,))
        train(tiny_job(watch, Path(folder)))
    return watch.trace


def unlike_losses(found: Sequence[float], expected: Sequence[float], exact: bool) -> str:
    """Where two loss curves part, in words; "" where they agree.

    Args:
        found: losses of all steps.
        expected: the golden ones.
        exact: to the last bit; else to 1e-4 in the first ten steps and to 1e-2 after them.
    """
    if len(found) != len(expected):
        return f"expected {len(expected)} steps, but got {len(found)}"
    for step, (now, before) in enumerate(zip(found, expected, strict=True)):
        limit = 0.0 if exact else (NEAR if step < FIRST else FAR) * abs(before)
        # written so that NaN is a difference
        if not abs(now - before) <= limit:
            return f"the loss of step {step} was {before:.7g}, but is {now:.7g}"
    return ""


def card_facts(name: str) -> dict[str, Any] | None:
    """What the card of a data set says at seed 3; None where it needs prepared images."""
    from benchmark.experiments.compose import settings

    try:
        card = settings([f"dataset={name}"]).dataset.card(3)
    except DataError:
        return None
    return {
        "classes": len(card.classes),
        "counts": list(card.counts),
        "groups": {convention: list(groups) for convention, groups in card.groups.items()},
        "image_size": card.image_size,
        "mean": list(card.mean),
        "std": list(card.std),
        "n_test_per_class": card.n_test_per_class,
        "protocol": card.protocol,
        "design": card.design,
    }


def all_cards() -> dict[str, Any]:
    """The facts of every data set that needs no prepared images."""
    from benchmark.regression.golden_runs import scratch

    with scratch():
        found = {name: card_facts(name) for name in yaml_names("dataset")}
    return {name: facts for name, facts in found.items() if facts is not None}


def golden(path: Path) -> Any:
    """The content of a golden file.

    Raises:
        DataError: there is none: the package was installed without its tests.
        IntegrityError: it is broken.
    """
    if not path.exists():
        todo = "run in a checkout of the repository"
        raise DataError("Expected golden results, but found none", where=path, todo=todo)
    return read_json(path)


def check_cards() -> list[str]:
    """One line for each fact of a card that is not the golden one."""
    return list(unlike(all_cards(), golden(CARDS), "cards"))


def check_trace(name: str, expected: Mapping[str, Any]) -> list[str]:
    """One line if the component's losses are not the golden ones.

    Args:
        name: of the component.
        expected: the content of the file of traces.
    """
    if name not in expected["traces"]:
        return [f"{name}: has no golden trace"]
    try:
        found = trace(name)
    except BenchError as error:
        return [f"{name}: {error}"]
    said = unlike_losses(found, expected["traces"][name], key() == expected["key"])
    return [f"{name}: {said}"] if said else []


def unlike(found: Any, expected: Any, where: str) -> Iterator[str]:
    """Every place at which two plain values differ, one line each."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            yield from unlike(found.get(name), expected.get(name), f"{where}.{name}")
    elif found != expected:
        yield f"{where}: was {_short(expected)}, but is {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 90 else f"{text[:87]}..."


def check_all() -> tuple[list[str], str]:
    """Repeat every golden result.

    Returns:
        One line for each difference, and a line on what was compared.

    Raises:
        DataError: there are no golden files here.
    """
    from benchmark.regression import golden_runs
    from benchmark.system.progress import Tracker

    traces, runs = golden(TRACES), golden_runs.golden_file()
    words = golden_runs.read_words()
    found = check_cards()
    total = len(names()) + len(words)
    with Tracker("golden", total, "results") as bar:
        for name in names():
            found += check_trace(name, traces)
            bar.advance(1, name)
        for name, run in words.items():
            found += golden_runs.check_run(name, run, runs)
            bar.advance(1, name)
    same = key() == traces["key"], golden_runs.run_key() == runs["key"]
    how = "exactly" if all(same) else f"within rounding, since this is {golden_runs.run_key()}"
    return found, f"{total} golden results and the cards compared {how}"
