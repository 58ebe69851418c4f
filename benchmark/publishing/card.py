"""The model card of an export: what the hub reads, and what people should know; no torch."""

from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import EvalResult, ModelCardData
from markupsafe import Markup

from benchmark.boards import text
from benchmark.data.cards import Card
from benchmark.errors import BenchError
from benchmark.publishing.target import dataset_of
from benchmark.recording.blueprint import Blueprint
from benchmark.recording.record_models import Record
from benchmark.statistics.metrics import GROUPS

TEMPLATE = "model_card.md.j2"
TAGS = ("image-classification", "long-tailed-recognition", "imbalanced-learning", "synaug-bench")


def render_card(record: Record, plan: Blueprint, licence: str | None = None) -> str:
    """``README.md`` of an export: front matter for the hub, then text.

    Args:
        record: of the run.
        plan: of its network.
        licence: of the weights, as the hub names it; None is "other".
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # text.escape leaves no markup, so what it returns is not escaped a second time
    environment.filters |= {
        "md": lambda value: Markup(text.escape(str(value))),  # noqa: S704
        "code": lambda value: Markup(text.code(str(value))),  # noqa: S704
        "line": lambda value: Markup(" ".join(str(value).split())),  # noqa: S704
    }
    values = _values(record, plan)
    body = environment.get_template(TEMPLATE).render(values)
    return f"---\n{front_matter(record, licence)}\n---\n\n{body}"


def front_matter(record: Record, licence: str | None) -> str:
    """The YAML that the hub reads, our numbers in its model-index form."""
    data = ModelCardData(
        license=licence or "other",
        license_name=None if licence else "not-stated",
        library_name="pytorch",
        pipeline_tag="image-classification",
        tags=[*TAGS, record.method.track],
        datasets=[record.dataset.name],
        metrics=["accuracy"],
        model_name=f"{record.experiment.label} on {record.dataset.name}, seed {record.seed}",
        eval_results=[_result(record, *each) for each in _numbers(record)],
    )
    return str(data.to_yaml())


def _result(record: Record, kind: str, name: str, value: float) -> EvalResult:
    return EvalResult(
        task_type="image-classification",
        task_name="Long-tailed image classification",
        dataset_type=record.dataset.name,
        dataset_name=record.dataset.name,
        dataset_split="test",
        metric_type=kind,
        metric_name=name,
        metric_value=round(value, 6),
    )


def _numbers(record: Record) -> list[tuple[str, str, float]]:
    """(type, name, value) of the metrics that the hub is told."""
    found = record.metrics
    numbers = [("accuracy", "All", found.accuracy), ("accuracy", "Macro", found.macro)]
    for convention, groups in found.groups.items():
        for group in GROUPS:
            value = getattr(groups, group)
            if value is not None:
                numbers.append(("accuracy", f"{group.title()} ({convention})", value))
    return [*numbers, ("ece", "ECE, 15 bins", found.ece), ("nll", "NLL", found.nll)]


def _values(record: Record, plan: Blueprint) -> dict[str, Any]:
    card, found = _card(record), record.metrics
    groups = [
        [name, text.percent(found.accuracy), *(text.percent(getattr(each, g)) for g in GROUPS)]
        for name, each in found.groups.items()
    ]
    header = ["convention", "All", "Many", "Medium", "Few"]
    versions = record.environment.model_dump()
    return {
        "record": record,
        "plan": plan,
        "card": card,
        "table": Markup(text.markdown_table(header, groups)),  # noqa: S704
        "percent": text.percent,
        "number": text.number,
        "counts": (max(record.dataset.counts_real), min(record.dataset.counts_real)),
        "kept": sum(record.budget.keep),
        "added": sum(record.budget.add),
        "versions": {name: versions[name] for name in _VERSIONS if versions[name]},
    }


_VERSIONS = ("bench", "python", "torch", "timm", "numpy", "torchvision", "diffusers")


def _card(record: Record) -> Card | None:
    """Facts of the data set; None where they are not at hand."""
    config = record.experiment.config.get("dataset")
    try:
        return dataset_of(config if isinstance(config, dict) else {}).card(record.seed)
    except BenchError:
        return None
