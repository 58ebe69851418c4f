"""Scoring anything on the rows of a data set: a run, a checkpoint, a timm model, predictions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Le
from torch import nn

from benchmark.config import NonNegativeInt, PositiveInt
from benchmark.data.cards import Triple
from benchmark.errors import DataError, UsageError
from benchmark.publishing.evaluation import PREDICTIONS, Evaluation, Subject
from benchmark.publishing.foreign import load_checkpoint, pretrained
from benchmark.publishing.given import Values, read_given
from benchmark.publishing.given_rows import judge
from benchmark.publishing.judged import Judged, score
from benchmark.publishing.network import read_network
from benchmark.publishing.output_map import read_map
from benchmark.publishing.showing import Device, Resize, Shown, score_network
from benchmark.publishing.target import RowsName, Scored, load_rows
from benchmark.recording import records
from benchmark.recording.record_models import PredictionFile
from benchmark.recording.weights_file import find_weights
from benchmark.system.files import sha256_file
from benchmark.training import evaluate

UNKNOWN_HASH = "0" * 64


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to score and how images are shown to it.

    Attributes:
        predictions: a file of classes, probabilities or logits.
        values: what that file holds.
        checkpoint: a file of weights.
        model: timm's name of the network.
        pretrained: take the weights that timm publishes.
        map: the output of each class; see ``output_map.read_map``.
        mean: of each channel on the [0, 1] scale; None takes the model's where its weights are
            published ones, else the data set's.
        std: likewise.
        size: height and width that images are brought to; None likewise.
        resize: how.
        batch_size: images at once.
        device: "auto", "cpu" or "cuda".
        threads: CPU threads; 0 leaves torch's choice.
    """

    predictions: str | None = None
    values: Values = "auto"
    checkpoint: str | None = None
    model: str | None = None
    pretrained: bool = False
    map: str | None = None
    mean: Triple | None = None
    std: Triple | None = None
    size: Annotated[PositiveInt, Le(4096)] | None = None
    resize: Resize = "bicubic"
    batch_size: Annotated[PositiveInt, Le(evaluate.BATCH)] = 250
    device: Device = "auto"
    threads: NonNegativeInt = 0


def evaluate_given(config: EvaluateConfig, scored: Scored) -> tuple[Evaluation, Judged]:
    """Score what a configuration names on some rows.

    Raises:
        UsageError: not exactly one thing to score, or options that do not go with it.
        DataError: a file or weights that are absent, or do not fit the rows.
        IntegrityError: a damaged file.
    """
    _check_one(config)
    outputs = read_map(config.map, scored.card) if config.map else None
    if config.predictions is not None:
        return _predictions(config, Path(config.predictions).expanduser(), scored, outputs)
    return _network(config, scored, outputs)


def _check_one(config: EvaluateConfig) -> None:
    ways = {
        "predictions=FILE": config.predictions is not None,
        "checkpoint=FILE": config.checkpoint is not None,
        "pretrained=true": config.pretrained,
    }
    chosen = [way for way, is_set in ways.items() if is_set]
    if len(chosen) != 1:
        got = " and ".join(chosen) or "none"
        raise UsageError(
            f"Expected one of {', '.join(ways)} or a run's folder, but got {got}",
            where="evaluate",
            todo="see: python -m benchmark evaluate --help",
        )
    if config.predictions is None and config.model is None:
        raise UsageError(
            "Expected the network's name, but got none", where="model", todo="add model=NAME"
        )


def _predictions(
    config: EvaluateConfig, path: Path, scored: Scored, outputs: list[int] | None
) -> tuple[Evaluation, Judged]:
    judged = judge(read_given(path, config.values), scored, outputs, path)
    subject = Subject(kind="predictions", name=path.name, sha256=sha256_file(path))
    return _evaluation(subject, scored, judged), judged


def _network(
    config: EvaluateConfig, scored: Scored, outputs: list[int] | None
) -> tuple[Evaluation, Judged]:
    assert config.model is not None
    n = scored.card.n_classes
    if config.checkpoint is None:
        net, name, digest = pretrained(config.model), config.model, None
    else:
        path = Path(config.checkpoint).expanduser()
        net = load_checkpoint(config.model, path, n, outputs is not None)
        name, digest = path.name, sha256_file(path)
    shown = _shown(config, net, scored)
    judged = _score(net, scored, shown, outputs, config)
    subject = Subject(
        kind="pretrained" if config.checkpoint is None else "checkpoint",
        name=name,
        sha256=digest,
        model=config.model,
        parameters=_parameters(net),
        preprocessing=str(shown),
    )
    return _evaluation(subject, scored, judged), judged


def _score(
    net: nn.Module,
    scored: Scored,
    shown: Shown,
    outputs: list[int] | None,
    config: EvaluateConfig,
) -> Judged:
    if config.threads:
        torch.set_num_threads(config.threads)
    return score_network(
        net, scored, shown, outputs, batch_size=config.batch_size, device=config.device
    )


def _parameters(net: nn.Module) -> int:
    return sum(weight.numel() for weight in net.parameters())


def _shown(config: EvaluateConfig, net: nn.Module, scored: Scored) -> Shown:
    """As asked, else as the published weights were trained, else as the data set's card says."""
    card, own = scored.card, _published(net) if config.pretrained else {}
    return Shown(
        mean=config.mean or own.get("mean") or card.mean,
        std=config.std or own.get("std") or card.std,
        size=config.size or own.get("size") or card.image_size,
        resize=config.resize,
    )


def _published(net: nn.Module) -> Mapping[str, Any]:
    from timm.data import resolve_model_data_config

    found = resolve_model_data_config(net)
    return {"mean": found["mean"], "std": found["std"], "size": found["input_size"][-1]}


def _evaluation(subject: Subject, scored: Scored, judged: Judged) -> Evaluation:
    target = scored.target
    return Evaluation(
        target=target,
        subject=subject,
        scores=score(judged, len(target.classes), target.conventions),
        predictions=PredictionFile(file=PREDICTIONS, sha256=UNKNOWN_HASH),
    )


def evaluate_folder(folder: Path, config: EvaluateConfig) -> tuple[Evaluation, Judged]:
    """Score the network of a run folder or of an export on the rows its record was scored on.

    Raises:
        DataError: there are no weights, or the data set is not prepared.
        IntegrityError: weights or record are damaged.
        UsageError: what built the network is not installed, or in another version.
    """
    path = find_weights(folder)
    net, plan = read_network(path)
    record = records.load(folder / "record.json")
    if (plan.experiment, plan.seed) != (record.experiment.hash, record.seed):
        raise DataError(
            "Expected the weights of the record beside them, but got those of another run",
            where=path,
            todo="restore both",
        )
    scored = rows_of(record)
    shown = Shown(plan.mean, plan.std, plan.image_size, "bicubic")
    judged = _score(net, scored, shown, None, config)
    subject = Subject(
        kind="run",
        name=plan.label,
        sha256=sha256_file(path),
        model=record.backbone.name,
        parameters=_parameters(net),
        preprocessing=str(shown),
        experiment=plan.experiment,
    )
    return _evaluation(subject, scored, judged), judged


def rows_of(record: records.Record) -> Scored:
    """The rows that a record's run was scored on.

    Raises:
        DataError: the data set is not prepared, or is not the one of the record.
    """
    config = record.experiment.config
    rows: RowsName = config.get("score_on", "test")  # type: ignore[assignment]
    dataset = config["dataset"]
    assert isinstance(dataset, dict)
    scored = load_rows(dataset, record.seed, rows)
    if scored.target.split != record.dataset.split:
        raise DataError(
            f"Expected the rows of the record, but {record.dataset.name} is another one here",
            where="dataset",
            todo="prepare it from the same source",
        )
    return scored


def words_to_rows(words: list[str]) -> Scored:
    """The test rows of a data set named on the command line; ``seed`` is the split replicate.

    Raises:
        UsageError: no data set, or a word that cannot be meant.
        DataError: the data set is not prepared.
    """
    if not any(word.startswith("dataset=") for word in words):
        raise UsageError(
            "Expected a data set, but got none", where="dataset", todo="add dataset=NAME"
        )
    from benchmark.experiments.compose import settings
    from benchmark.identity import plain

    chosen = settings(words)
    config = {"kind": chosen.values["dataset"]["kind"]} | plain(chosen.dataset.config)
    return load_rows(json.loads(json.dumps(config)), chosen.seed)
