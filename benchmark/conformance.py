"""The public test kit: does a component keep the promises that the harness relies on?

``check_component`` trains the component for a few steps on tiny random images through the real
loop and returns one ``CheckResult`` a promise; nothing is downloaded and nothing is kept. Plugin
authors call it from a test of their own::

    results = check_component(MyLoss, {"gamma": 2.0})
    assert all(result.passed for result in results), list(map(str, results))
"""

import json
import random
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.component import ORIGINS, Component, ImageRequest, Net, Stage
from benchmark.config import parse
from benchmark.experiments.untrained import Untrained
from benchmark.pairs import built_in_pieces, pair_problems
from benchmark.tiny import (
    CASES,
    MAIN_CASE,
    MEAN,
    STD,
    Piece,
    Seen,
    Stop,
    Watch,
    random_images,
    running_statistics,
    tiny_job,
    tiny_recipe,
    tiny_task,
)
from benchmark.training import checkpoints, evaluate
from benchmark.training.checkpoints import weights_hash
from benchmark.training.optim import below, trains
from benchmark.training.stage_store import StageStore
from benchmark.training.train import train


@dataclass(frozen=True)
class CheckResult:
    """Whether one promise was kept.

    Attributes:
        name: the promise.
        passed: whether it was kept.
        detail: what was seen instead, if it was not.
    """

    name: str
    passed: bool
    detail: str = ""

    def __str__(self) -> str:
        verdict, why = "ok  " if self.passed else "FAIL", f": {self.detail}" if self.detail else ""
        return f"{verdict} {self.name}{why}"


def check_component(
    cls: type[Component],
    config: Any = None,
    name: str | None = None,
    only: Collection[str] | None = None,
) -> list[CheckResult]:
    """Check one component by itself.

    Args:
        cls: the component's class.
        config: its ``Config`` object or a mapping of settings; None means all defaults.
        name: the name it is registered under; by default the class name in lower case.
        only: names of the promises to check; None checks all.

    Returns:
        One result a promise, in a fixed order.
    """
    return check_stack([Piece(cls, config, name or cls.__name__.lower())], only)


def check_stack(pieces: Sequence[Piece], only: Collection[str] | None = None) -> list[CheckResult]:
    """Check several components acting as one method, in stack order."""
    run = _Runner(tuple(pieces))
    checks: list[tuple[str, Callable[[], str]]] = [
        ("settings survive a round trip through plain values", lambda: _round_trip(pieces)),
        ("every added stage names its owner", run.owners),
        ("image requests are well formed", run.request),
        *((f"trains and deploys with {case}", _shape(run, case)) for case in CASES),
        ("a step changes what its stage trains and only that", run.changes),
        ("batch statistics follow the stage", run.statistics),
        ("gradients reach what is trained", run.gradients),
        ("the network is its head on its features", run.forward),
        ("the same seed gives the same trace", run.repeats),
        ("another seed gives another trace", run.seeds_differ),
        ("global random state is neither read nor changed", run.global_state),
        ("a killed and resumed run ends with the same weights", run.resumes),
        ("trained stages and the deployed module survive saving and loading", run.reloads),
        ("a batch in pieces teaches what it does whole, or must stay whole", run.in_pieces),
    ]
    if len(pieces) == 1:
        checks.append(("stacks with the built-in components, or refuses", run.pairs))
    return [_result(name, check) for name, check in checks if only is None or name in only]


def _result(name: str, check: Callable[[], str]) -> CheckResult:
    try:
        problem = check()
    except Exception as error:
        problem = f"{type(error).__name__}: {error}"
    return CheckResult(name, not problem, problem)


def _shape(run: "_Runner", case: str) -> Callable[[], str]:
    return lambda: run.shape(case)


# tiny fixtures, also of use in a plugin's own tests


@contextmanager
def global_seeds(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, NumPy and torch, and put them back after."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])


def _global_state() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)
    assert isinstance(numpy_state, dict)
    return (
        random.getstate(),
        numpy_state["state"]["key"].tolist(),
        numpy_state["state"]["pos"],
        torch.get_rng_state().tolist(),
    )


@dataclass
class _Runner:
    """Trains the pieces and answers for each promise with "" or what was seen instead."""

    pieces: tuple[Piece, ...]
    kept: dict[str, tuple[Net, Watch]] = field(default_factory=dict)
    undisturbed: bool = True

    def watch(self, **settings: Any) -> Watch:
        return Watch(tuple(piece.build() for piece in self.pieces), **settings)

    def train(self, watch: Watch, case: str = MAIN_CASE, **changes: Any) -> tuple[Net, Watch]:
        task = tiny_task(CASES[case], added=1)
        with tempfile.TemporaryDirectory() as folder:
            net, _, _ = train(tiny_job(watch, Path(folder), task=task, **changes))
        return net, watch

    def once(self) -> tuple[Net, Watch]:
        """A watched run of the main case, made when first needed."""
        if "main" not in self.kept:
            with global_seeds(1):
                self.kept["main"] = self.train(self.watch(deep=True))
        return self.kept["main"]

    # promises

    def owners(self) -> str:
        names = {piece.name for piece in self.pieces}
        stages = self.watch().stages([Stage("base")])
        seen = [stage.name for stage in stages]
        for stage in stages:
            if stage.name != "base" and stage.owner not in names:
                wanted = " or ".join(sorted(names))
                return f"the stage '{stage.name}' has the owner {stage.owner!r}, not {wanted}"
            if seen.count(stage.name) > 1:
                return f"two stages are called '{stage.name}'"
        return "" if stages else "no stage is left"

    def request(self) -> str:
        task = tiny_task(CASES[MAIN_CASE])
        found = [self.watch().request_images(task) for _ in range(2)]
        if found[0] != found[1]:
            return "two calls gave two requests"
        request = found[0]
        if request is None:
            return ""
        good = isinstance(request, ImageRequest) and request.origin in ORIGINS[1:]
        return "" if good else f"not a request for added images: {request!r}"

    def shape(self, case: str) -> str:
        short = tiny_recipe(steps=4)
        net, watch = (
            self.once() if case == MAIN_CASE else self.train(self.watch(), case, recipe=short)
        )
        if not np.isfinite(watch.trace).all():
            return f"losses {watch.trace}"
        module = watch.deploy(net, tiny_task(CASES[case], added=1))
        return _deploys(module, len(CASES[case]))

    def changes(self) -> str:
        for seen in self.once()[1].seen:
            stage = seen.stage
            wrong = {name for name in seen.changed if not trains(stage, name)}
            if wrong:
                return f"stage '{stage.name}' trains the {stage.train} but changed {min(wrong)}"
            if not seen.changed:
                return f"step {seen.index} of stage '{stage.name}' changed nothing"
            frozen = {
                name
                for name in seen.touched
                if name.startswith(("backbone.", "head.")) and not trains(stage, name)
            }
            if frozen:
                return f"after a step of stage '{stage.name}' a hook changed {min(frozen)}"
        return ""

    def statistics(self) -> str:
        net, watch = self.once()
        if not running_statistics(net):
            return ""
        for seen in watch.seen:
            declared = seen.stage.batch_norm == "train"
            if seen.statistics != declared:
                done = "changed" if seen.statistics else "did not change"
                return (
                    f"stage '{seen.stage.name}' declares batch_norm={seen.stage.batch_norm}, "
                    f"but batch statistics {done} in step {seen.index}"
                )
        return ""

    def gradients(self) -> str:
        net, watch = self.once()
        named = [name for name, _ in net.named_parameters()]
        by_stage: dict[str, set[str]] = {}
        for seen in watch.seen:
            by_stage.setdefault(seen.stage.name, set()).update(seen.graded)
        for stage in {seen.stage.name: seen.stage for seen in watch.seen}.values():
            graded = by_stage[stage.name]
            # a network may have more than a stage of all needs, such as a second head
            part = "backbone" if stage.train == "all" else stage.train
            missed = [name for name in named if below(part, name) and name not in graded]
            if missed:
                return f"no gradient reaches {missed[0]} in stage '{stage.name}'"
            if not any(trains(stage, name) for name in graded):
                return f"no gradient reaches the {stage.train} in stage '{stage.name}'"
        return ""

    def forward(self) -> str:
        net, _ = self.once()
        images = torch.from_numpy(random_images(7, 3)).permute(0, 3, 1, 2).float() / 255
        net.eval()
        with torch.inference_mode():
            whole, parts = net(images), net.head(net.features(images))
        return "" if _equal(whole, parts) else "net(images) is not net.head(net.features(images))"

    def elsewhere(self) -> tuple[Net, Watch]:
        """The run again under other global seeds, made when first needed."""
        if "elsewhere" not in self.kept:
            with global_seeds(2):
                before = _global_state()
                self.kept["elsewhere"] = self.train(self.watch())
                self.undisturbed = _global_state() == before
        return self.kept["elsewhere"]

    def repeats(self) -> str:
        if not _same(*self.once(), *self.elsewhere(), ""):
            return ""
        # what differs may be the global state alone: hold that fixed
        with global_seeds(1):
            again = self.train(self.watch())
        return _same(*self.once(), *again, "a second run with the same seed")

    def seeds_differ(self) -> str:
        other = self.train(self.watch(), seed=1, recipe=tiny_recipe(steps=3))[1]
        alike = other.trace[0] == self.once()[1].trace[0]
        return "seeds 0 and 1 gave the same first loss" if alike else ""

    def global_state(self) -> str:
        different = _same(*self.once(), *self.elsewhere(), "another global random state")
        return different if self.undisturbed else "the run changed a global random state"

    def resumes(self) -> str:
        net, watch = self.once()
        with tempfile.TemporaryDirectory() as folder:
            for stop_at in _kill_points(watch.seen):
                job = tiny_job(self.watch(stop_at=stop_at), Path(folder), checkpoint_seconds=0.0)
                try:
                    train(job)
                except Stop:
                    continue
                return f"the run did not reach {stop_at}"
            again, _, _ = train(tiny_job(self.watch(), Path(folder)))
        whole, found = net.state_dict(), again.state_dict()
        if whole.keys() != found.keys():
            return f"other parts after killing and resuming: {sorted(whole.keys() ^ found.keys())}"
        names = [key for key in whole if not torch.equal(whole[key], found[key])]
        return f"'{names[0]}' differs after killing and resuming" if names else ""

    def reloads(self) -> str:
        short, task = tiny_recipe(steps=4), tiny_task(CASES[MAIN_CASE], added=1)
        with tempfile.TemporaryDirectory() as folder:
            store, path = StageStore(Path(folder)), Path(folder) / "module"
            net, watch = self.train(self.watch(), shared=store, recipe=short)
            module = watch.deploy(net, task)
            checkpoints.save(path, dict(module.state_dict()))
            with global_seeds(3):
                again, other = self.train(self.watch(), shared=store, recipe=short)
            blank, fresh = self.train(self.watch(), shared=Untrained(), recipe=short)
            loaded = fresh.deploy(blank, task)
            loaded.load_state_dict(checkpoints.load(path, torch.device("cpu")))
        if other.seen:
            return f"the kept stage '{other.seen[0].stage.name}' was trained again"
        expected = _logits(module)
        if not np.array_equal(expected, _logits(other.deploy(again, task))):
            return "a new network with the kept weights gives other logits"
        same = np.array_equal(expected, _logits(loaded))
        return "" if same else "a new deployed module with the saved state gives other logits"

    def in_pieces(self) -> str:
        if self.watch().needs_whole_batch():
            return ""
        # the last batch of an epoch is among these, with pieces of another size
        short = tiny_recipe(steps=4, batch_size=20)
        whole, parts = (
            self.train(self.watch(still=True), recipe=short, pieces=number)[0] for number in (1, 3)
        )
        found = dict(parts.named_parameters())
        for name, expected in whole.named_parameters():
            if not torch.allclose(found[name], expected, rtol=1e-3, atol=1e-4):
                return (
                    f"'{name}' differs: rows of a batch act on each other; set "
                    "needs_whole_batch, or divide by Batch.weight_sum"
                )
        return ""

    def pairs(self) -> str:
        return next(pair_problems(self.pieces[0], built_in_pieces()), "")


def _kill_points(seen: Sequence[Seen]) -> list[tuple[str, int]]:
    """In each stage: before its first step (not of the first stage), its middle and its last."""
    points: list[tuple[str, int]] = []
    for name in dict.fromkeys(step.stage.name for step in seen):
        last = max(step.index for step in seen if step.stage.name == name)
        points += [(name, index) for index in sorted({0, (last + 1) // 2, last})]
    return points[1:]


def _deploys(module: nn.Module, classes: int) -> str:
    first, second = _logits(module), _logits(module)
    if first.shape != (7, classes):
        return f"deployed logits have the shape {first.shape}, not (7, {classes})"
    if not np.isfinite(first).all():
        return "deployed logits are not finite"
    return "" if np.array_equal(first, second) else "deployed logits change from call to call"


def _logits(module: nn.Module) -> NDArray[np.float32]:
    """What a deployed module says to seven images."""
    return evaluate.logits(module, random_images(7, 3), MEAN, STD, torch.device("cpu"))


def _equal(one: Any, other: Any) -> bool:
    """Whether two outputs agree bit by bit: tensors, or sequences and mappings of them."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    return len(one) == len(other) and all(map(_equal, one, other))


def _same(net: Net, watch: Watch, again: Net, other: Watch, what: str) -> str:
    if watch.trace != other.trace:
        pairs = zip(watch.trace, other.trace, strict=False)
        step = next((n for n, (one, two) in enumerate(pairs) if one != two), len(watch.trace))
        return f"{what} gave other losses from step {step + 1} on"
    return "" if weights_hash(net) == weights_hash(again) else f"{what} gave other weights"


def _round_trip(pieces: Sequence[Piece]) -> str:
    for piece in pieces:
        config = piece.build().config
        values: Mapping[str, Any] = json.loads(json.dumps(asdict(config)))
        if parse(piece.cls.Config, values, f"method.{piece.name}") != config:
            return f"{piece.name}: {config} became something else"
    return ""
