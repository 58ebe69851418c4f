"""Whether a record can be what it says: its parts against one another, its card, its predictions.

No torch; what needs it is in ``deep_checks``.
"""

import math
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from benchmark.boards.spending import check_cost
from benchmark.data.cards import Card
from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.publishing.findings import Finding, judged
from benchmark.publishing.plausible import look_at
from benchmark.publishing.target import dataset_of
from benchmark.recording import records
from benchmark.recording.record_models import SCHEMA, Record, StageDone
from benchmark.statistics import metrics
from benchmark.statistics.metrics import GROUPS
from benchmark.system.files import content_hash

# seconds are rounded to a thousandth, images a second to a tenth
SLACK_SECONDS, SLACK_RATE = 0.05, 0.06


def check_record(path: Path) -> list[Finding]:
    """Everything that can be checked of one record without torch.

    Raises:
        DataError: there is no such file.
    """
    try:
        record = records.load(path)
    except IntegrityError as error:
        return [Finding("schema", "fail", error.problem)]
    form = Finding("schema", "pass", f"{SCHEMA}, by version {record.environment.bench}")
    facts = [judged(name, check(record), _seen(record, name)) for name, check in CHECKS.items()]
    return [form, *facts, *_card(record), *_predictions(path, record)]


def _seen(record: Record, item: str) -> str:
    """What a passed check looked at, in a few words."""
    steps = f"{record.recipe.steps_total:,} steps in {len(record.stages)} stages"
    seen = {
        "identity": f"hash {record.experiment.hash} of the settings, words and stack",
        "data": f"{record.dataset.n_train:,} rows of {len(record.dataset.classes)} classes",
        "budget": f"{sum(record.budget.keep):,} kept, {sum(record.budget.add):,} added",
        "steps": steps,
        "cost": f"{record.cost.training.images:,} images in {record.cost.training.seconds:g} s",
    }
    return seen.get(item, "")


def _identity(record: Record) -> Iterator[str]:
    config, found = record.experiment.config, record.experiment.hash
    again = content_hash(config)
    if again != found:
        yield f"the hash of the settings is {again}, but the record says {found}"
    if record.recipe.config != config.get("recipe"):
        yield "the recipe is not that of the settings"
    backbone = config.get("backbone")
    if not isinstance(backbone, dict) or backbone.get("name") != record.backbone.name:
        yield "the backbone is not that of the settings"
    stack = [part.model_dump(include={"name", "settings", "version"}) for part in
             record.method.stack]  # fmt: skip
    if record.search is None and stack != config.get("method"):
        yield "the stack is not that of the settings"
    words = ["python", "-m", "benchmark", "run", *record.experiment.overrides]
    if _split(record.command) != [*words, f"seed={record.seed}"]:
        yield "the command is not made of the words and the seed"


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


def _data(record: Record) -> Iterator[str]:
    data = record.dataset
    if data.design == "blocked" and data.split.replicate != record.seed:
        yield f"the split is of replicate {data.split.replicate}, but the seed is {record.seed}"
    for name, groups in data.conventions.items():
        sizes = {
            group: [n for n, each in zip(data.counts_real, groups, strict=True) if each == group]
            for group in GROUPS
        }
        present = [sizes[group] for group in GROUPS if sizes[group]]
        for larger, smaller in pairwise(present):
            if min(larger) < max(smaller):
                yield f"convention {name}: a class of {min(larger)} images counts as larger than "\
                      f"one of {max(smaller)}"  # fmt: skip


def _budget(record: Record) -> Iterator[str]:
    real, spent = record.dataset.counts_real, record.budget
    over = [at for at, (k, n) in enumerate(zip(spent.keep, real, strict=True)) if k > n]
    if over:
        yield f"{spent.keep[over[0]]} real images of class {over[0]} are kept, of {real[over[0]]}"
    added = sum(spent.add)
    if (record.method.track == "real") == bool(added):
        yield f"the track is {record.method.track}, but {added:,} images were added"
    if record.pool and record.pool.images != added:
        yield f"the pool gave {record.pool.images:,} images, but {added:,} were added"
    cost = record.cost.generation
    if cost and cost.accepted != added:
        yield f"the cost is that of {cost.accepted:,} images, but {added:,} were added"


def _steps(record: Record) -> Iterator[str]:
    recipe = record.recipe
    total = sum(stage.steps for stage in record.stages)
    if total != recipe.steps_total:
        yield f"the stages have {total:,} steps, but the recipe says {recipe.steps_total:,}"
    steps, size = recipe.config.get("steps"), recipe.config.get("batch_size")
    if not isinstance(steps, dict) or steps.get("unit") != recipe.steps_rule:
        yield f"steps are fixed by {recipe.steps_rule}, but not in the recipe"
    if not isinstance(size, int) or size < 1:
        yield f"the recipe has a batch size of {size!r}"
        return
    for stage in record.stages:
        epochs = math.ceil(stage.steps / math.ceil(stage.rows / size)) if stage.rows else 0
        if stage.epochs != epochs:
            yield f"stage '{stage.name}': {epochs} epochs of its steps, but {stage.epochs} stated"
        if stage.rows > record.dataset.n_train:
            yield f"stage '{stage.name}' has more rows than there are"


def _cost(record: Record) -> Iterator[str]:
    training, size = record.cost.training, record.recipe.config.get("batch_size")
    if isinstance(size, int) and size > 0 and all(stage.rows for stage in record.stages):
        images = sum(_images(stage, size) for stage in record.stages)
        if images != training.images:
            yield f"the stages took in {images:,} images, but {training.images:,} are stated"
    rate = SLACK_RATE * training.seconds + SLACK_RATE / 100 * training.images_per_second + 1
    if abs(training.images_per_second * training.seconds - training.images) > rate:
        yield f"{training.images_per_second:g} images a second for {training.seconds:g} s do not "\
              f"make {training.images:,}"  # fmt: skip
    stages = math.fsum(stage.seconds for stage in record.stages)
    if abs(stages - training.seconds) > SLACK_SECONDS + 0.01 * training.seconds:
        yield f"the stages took {stages:g} s, but training {training.seconds:g} s"
    yield from _generation(record)


def _images(stage: StageDone, size: int) -> int:
    whole, rest = divmod(stage.steps, math.ceil(stage.rows / size))
    return whole * stage.rows + min(rest * size, stage.rows)


def _generation(record: Record) -> Iterator[str]:
    try:
        check_cost(record)
    except IntegrityError as error:
        yield error.problem
    cost = record.cost.generation
    if cost is None:
        return
    if cost.candidates != cost.accepted + cost.rejected:
        yield f"{cost.candidates:,} candidates are not {cost.accepted:,} accepted and "\
              f"{cost.rejected:,} rejected ones"  # fmt: skip
    if cost.pool_candidates and cost.pool_candidates < cost.candidates:
        yield f"{cost.candidates:,} candidates of a pool of {cost.pool_candidates:,}"
    if cost.knowledge and not set(cost.knowledge) <= set(record.method.knowledge):
        yield "the generator brings knowledge that the method does not state"


CHECKS: dict[str, Callable[[Record], Iterator[str]]] = {
    "identity": _identity,
    "data": _data,
    "budget": _budget,
    "steps": _steps,
    "cost": _cost,
}


def _card(record: Record) -> list[Finding]:
    """The record's data set against the card of this version."""
    config = record.experiment.config.get("dataset")
    try:
        card = dataset_of(config if isinstance(config, dict) else {}).card(record.seed)
    except (DataError, UsageError) as error:
        return [Finding("card", "warn", f"not compared: {error.problem}")]
    return [judged("card", _against_card(record, card), f"as {card.name} is here")]


def _against_card(record: Record, card: Card) -> Iterator[str]:
    data = record.dataset
    stated = (data.classes, data.counts_real, data.conventions, data.design, record.protocol)
    own = (card.classes, card.counts, card.groups, card.design, card.protocol)
    names = ("classes", "counts", "shot groups", "design", "protocol")
    yield from (
        f"{name} are not those of the card"
        for name, one, other in zip(names, stated, own, strict=True)
        if one != other
    )
    each = card.n_test_per_class
    if data.name == card.name and each is not None and set(record.metrics.per_class.n) != {each}:
        yield f"the test set has {each} images of each class, but other counts were scored"


def _predictions(path: Path, record: Record) -> list[Finding]:
    file = path.parent / record.predictions.file
    if not file.is_file():
        todo = "metrics are as stated and were not recomputed"
        return [Finding("predictions", "warn", f"no {record.predictions.file} beside it: {todo}")]
    try:
        problems = records.verify(path)
        found = metrics.load_predictions(file)
    except BenchError as error:
        return [Finding("predictions", "fail", error.problem)]
    seen = f"hash, and every metric recomputed from {record.dataset.test_n:,} rows"
    return [judged("predictions", problems, seen), *look_at(found, len(record.dataset.classes))]
