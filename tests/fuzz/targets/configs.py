"""Words of a command line, YAML of people, and caches of what words mean."""

import json
from collections.abc import Mapping
from contextlib import suppress

import yaml
from pydantic import ValidationError

from benchmark.experiments import compose, expansion
from benchmark.generation import prompts
from benchmark.grid import grids
from benchmark.launch import jobs_file
from benchmark.paths import config_dir
from benchmark.publishing import evaluate_cli, submit_cli
from benchmark.publishing.submission import Details
from benchmark.regression.policy import read_policy
from benchmark.vocabulary import hydra_words
from tests.conftest import ROOT
from tests.fuzz.kit import Target, file, folder


def words(data: bytes) -> None:
    """Words of a command line, one a line: what they name, and the points of their sweep."""
    given = data.decode("utf-8", "replace").split("\n")[:8]
    hydra_words.refuse_unsafe(given)
    compose.check_overrides(compose.with_neutral(given))
    compose.every_point(given)


def shard(data: bytes) -> None:
    first, of = grids.shard(data.decode("utf-8", "replace"))
    assert 0 <= first < of


def grid(data: bytes) -> None:
    """A grid as its file has it, on each of its data sets, with all its experiments."""
    try:
        values = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    found = grids.parsed(values if isinstance(values, Mapping) else {}, "grid=x")
    for dataset in found.datasets or [None]:
        for cell in grids.cells(grids.on(found, dataset)):
            grids.canonical(cell.words)


def modifiers(data: bytes) -> None:
    """A modifier set, and the prompts that follow."""
    file("modifiers/mine.yaml", data)
    found = prompts.load_modifiers("mine", folder() / "modifiers")
    made = prompts.prompt_spec("a photo of {modifier} {class}", found, ["cat"])
    prompts.prompt(made, "cat", 3)


def template(data: bytes) -> None:
    """The template of a prompt."""
    text = data.decode("utf-8", "replace")
    found = prompts.PromptSpec(template=text, modifiers=("old", "red"))
    prompts.prompt(found, "fire truck", 1)


def details(data: bytes) -> None:
    """What authors say of a method."""
    said = submit_cli._read(file("details.yaml", data))
    answers = {key: submit_cli._answer(key, value) for key, value in said.items()}
    # the caller makes one line of a ValidationError, and of nothing else
    with suppress(ValidationError):
        Details.model_validate(answers)


def policy(data: bytes) -> None:
    read_policy(file("regression.yaml", data))


def expansions(data: bytes) -> None:
    """A cache that is made again whatever is wrong with it."""
    found = expansion._read(file("expansions.json", data), "k")
    assert isinstance(found, dict)


def word(data: bytes) -> None:
    """Words of ``evaluate``, one a line."""
    given = data.decode("utf-8", "replace").split("\n")[:4]
    own, _ = evaluate_cli._sorted(given)
    evaluate_cli._config(own)


def jobs(data: bytes) -> None:
    """A file of jobs, whose words must be safe to give to Hydra."""
    for job in jobs_file.read_jobs(file("jobs.jsonl", data)):
        hydra_words.refuse_unsafe(job.overrides, launcher=False)


def _jobs() -> list[bytes]:
    job = {
        "name": "ce", "seed": 0, "hash": "a" * 12, "folder": f"runs/d/ce/{'a' * 12}/s0",
        "overrides": ["method=ce", "seed=0"],
    }  # fmt: skip
    return [json.dumps(job).encode() + b"\n"]


def _grids() -> list[bytes]:
    return [path.read_bytes() for path in sorted((config_dir() / "grid").glob("*.yaml"))]


def _modifiers() -> list[bytes]:
    first = {
        "name": "mine", "version": 1, "licence": "CC0", "written_by": "me", "description": "d",
        "words": ["old", "red"],
    }  # fmt: skip
    source = {
        "model": "m", "reported": ["m"], "endpoint": "localhost", "date": "2026-01-02",
        "query": "q", "query_hash": "a", "temperature": 0.7, "seed": 0,
        "answer_hashes": {"cat": "a"},
    }  # fmt: skip
    second = first | {"words": [], "classes": {"cat": ["old", "rusty red"]}, "source": source}
    return [yaml.safe_dump(each).encode() for each in (first, second)]


def _details() -> list[bytes]:
    said = {
        "method": "Kind", "description": "A loss.", "track": "real", "authors": "A", "paper": None,
        "url": "https://example.org", "code": "not stated", "training_data": "all",
        "knowledge": "none", "backbone": "b", "parameters": 3, "recipe": "r", "epochs": 2.5,
        "images_added": 0, "cost": None,
    }  # fmt: skip
    return [yaml.safe_dump(said).encode()]


def _words() -> list[bytes]:
    lines = (
        "method=[synaug,ldam,drw]\nseed=0,1\nbudget=uniform\nbudget.amount=5",
        "~recipe.ema\n+backbone.options.wings=2\nmodifiers=${nothing}\nmethod.ldam.scale=3",
        "recipe.schedule.milestones=[0.5,0.75]\nout='a b'",
        "seed=range(0,3)\nmethod=choice(ce,ldam)",
    )
    return [line.encode() for line in lines]


def _expansions() -> list[bytes]:
    fact = {
        "hash": "a", "dataset": "d", "label": "l", "folder": "f", "recipe": "r", "backbone": "b",
        "generator": "", "image_size": 0, "add": [1, 2], "calls": 0, "fit_calls": 0, "steps": 3,
        "pool": "", "pool_a_seed": False,
    }  # fmt: skip
    return [json.dumps({"key": "k", "facts": {'["method=ce"]': fact}}).encode()]


TARGETS = (
    Target("words", "text", words, _words, ("hydra.core.override_parser",)),
    Target("shard", "text", shard, lambda: [b"0/2", b"1/4"]),
    Target("grid", "yaml", grid, _grids),
    Target("modifiers", "yaml", modifiers, _modifiers, ("yaml",)),
    Target("template", "text", template, lambda: [b"a photo of {modifier} {class}"]),
    Target("details", "yaml", details, _details, ("yaml",)),
    Target("policy", "yaml", policy,
    lambda: [(ROOT / "leaderboards/regression.yaml").read_bytes()]),
    Target("jobs", "jsonl", jobs, _jobs),
    Target("expansions", "json", expansions, _expansions),
    Target("evaluate_words", "text", word,
           lambda: [b"predictions=a.npz\nvalues=logits\nseed=3", b"batch_size=3"], ("yaml",)),
)  # fmt: skip
