"""The verb ``evaluate``: a run, a checkpoint, a timm model or predictions, by shot group."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import IntegrityError, UsageError, unknown
from benchmark.vocabulary.words import Parser

if TYPE_CHECKING:
    from benchmark.publishing.evaluating import EvaluateConfig

USAGE = (
    "FOLDER | dataset=NAME predictions=FILE | dataset=NAME checkpoint=FILE model=NAME "
    "| dataset=NAME model=NAME pretrained=true  [KEY=VALUE ...] [--out DIR]"
)
SUMMARY = """Score anything on the test set of a data set of the suite, by shot group.

FOLDER is a finished run or an export. predictions=FILE (.npz, .npy, .csv) holds classes,
probabilities or logits, rows in the order of the test set or with ids. checkpoint=FILE
(.safetensors, .pt, .pth) holds weights of the timm model model=NAME.

Keys: values=labels|probabilities|logits, map=FILE|imagenet-1k (the output of each class),
mean=[..] std=[..] size=N resize=bicubic|bilinear|nearest, batch_size=N device=auto|cpu|cuda
threads=N; seed=N is the split replicate, and dataset.KEY=VALUE changes the data set.
"""


def main(args: Sequence[str]) -> int:
    """Run ``evaluate`` with the words after the verb and return the exit code."""
    parser = Parser("evaluate", USAGE, SUMMARY)
    parser.add_argument("folder", nargs="?", type=Path, help="a finished run, or an export")
    parser.add_argument("--out", type=Path, help="write evaluation.json and preds.npz there")
    given, words = parser.overrides(args)
    from benchmark.experiments.compose import quiet_libraries

    quiet_libraries()
    own, data = _sorted(words)
    config = _config(own)
    if given.folder is None:
        from benchmark.publishing.evaluating import evaluate_given, words_to_rows

        evaluation, judged = evaluate_given(config, words_to_rows(data))
    else:
        _check_folder(given.folder, config, data)
        from benchmark.publishing.evaluating import evaluate_folder

        evaluation, judged = evaluate_folder(given.folder, config)
    from benchmark.publishing.evaluation import save, show
    from benchmark.vocabulary.listing import terminal_width

    print("\n".join(show(evaluation, terminal_width())))
    if given.out is not None:
        print("\n".join(map(str, save(given.out, evaluation, judged))))
    return 0


def _sorted(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words of this verb, and those that name rows."""
    from benchmark.publishing.evaluating import EvaluateConfig

    own = [field.name for field in fields(EvaluateConfig)]
    rows = ("dataset", "seed")
    for word in words:
        key = word.partition("=")[0]
        if key.partition(".")[0] not in rows and key not in own:
            raise unknown("key", key, [*own, *rows], where=word)
    named = [word for word in words if word.partition("=")[0].partition(".")[0] in rows]
    return [word for word in words if word not in named], named


def _config(words: Sequence[str]) -> "EvaluateConfig":
    from benchmark.config import parse
    from benchmark.publishing.evaluating import EvaluateConfig

    return parse(EvaluateConfig, dict(map(_value, words)), "evaluate")


def _value(word: str) -> tuple[str, Any]:
    """Key and value of a word; paths are taken as they are, the rest as in YAML."""
    from benchmark.system.yaml_text import parse_yaml

    key, _, text = word.partition("=")
    if key in ("predictions", "checkpoint", "map", "model"):
        return key, text
    try:
        return key, parse_yaml(text, word)
    except IntegrityError:
        return key, text


def _check_folder(folder: Path, config: "EvaluateConfig", data: Sequence[str]) -> None:
    """A folder says by itself what is scored on which rows."""
    from benchmark.publishing.evaluating import EvaluateConfig

    free = ("batch_size", "device", "threads")
    unset = EvaluateConfig()
    for field in fields(EvaluateConfig):
        if field.name not in free and getattr(config, field.name) != getattr(unset, field.name):
            data = [*data, field.name]
    if data:
        raise UsageError(
            f"Expected a folder alone, but got '{data[0]}' beside it",
            where=folder,
            todo="a run is scored on its own rows as it was trained",
        )
