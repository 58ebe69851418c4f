"""The README and the docs tell the truth: commands, links, placeholders."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from benchmark.experiments.compose import check_overrides, settings
from benchmark.experiments.experiment import Experiment, resolve
from benchmark.generation.scale.words import engine_of, split_words
from benchmark.grid.grid_run import is_grid, read
from benchmark.launch.jobs_file import Job, write_jobs
from benchmark.recording import records
from benchmark.verbs import cli
from benchmark.verbs.dry_run import take_write
from benchmark.verbs.generate_cli import WORDS
from benchmark.vocabulary.listing import noun
from benchmark.vocabulary.words import launcher_words
from tests.conftest import ROOT
from tests.fixtures.documents import commands, documents, links, name
from tests.fixtures.records import make_record

PAGES = pytest.mark.parametrize("page", documents(), ids=name)
# one page makes its own component (tests/cli/test_add_a_method.py), one shows what goes wrong
# (tests/faults/test_messages.py), one goes on with what it made (tests/cli/test_publishing.py),
# and one needs new runs of the reference (tests/cli/test_check_regression.py)
ELSEWHERE = ("add_a_method.md", "errors.md", "publishing.md", "regression.md")
OTHERS = [page for page in documents() if page.name not in ELSEWHERE]
COMMANDS = {shlex.join(words): words for page in OTHERS for words in commands(page.read_text())}
# their cards are known once images are prepared
OWN = {"dataset=folder", "dataset=listed", "dataset=imagenetlt"}
LIGHT = ("ls", "show", "status", "version", "report", "check")
DRAWING = ("draw", "plan", "check", "steps")
NAMED = re.compile(r"`((?:benchmark|baselines|synaug|configs|tests|docs)/[\w./-]+\.\w+)`")


def of(*verbs: str) -> pytest.MarkDecorator:
    """Every command of these verbs."""
    found = {text: words for text, words in COMMANDS.items() if words[0] in verbs}
    return pytest.mark.parametrize("words", found.values(), ids=list(found))


def experiments(words: list[str]) -> list[Experiment]:
    """What a command stands for: one experiment, or a sweep of them."""
    given = take_write(words[1:])[0]
    own = [word for word in given if word not in launcher_words(given)]
    overrides = [word for word in own if not word.startswith("-")]
    if is_grid(overrides):
        return [resolve(settings(cell.words)) for cell in read(overrides).cells[:3]]
    check_overrides(overrides)
    parsed = OverridesParser.create().parse_overrides(overrides)
    choices = [
        [f"{each.key_or_group}={value}" for value in each.sweep_string_iterator()]
        if each.is_sweep_override()
        else [each.input_line]
        for each in parsed
    ]
    return [resolve(settings(job)) for job in itertools.product(*choices)]


def test_every_verb_is_mentioned() -> None:
    pages = [*OTHERS, ROOT / "docs" / "publishing.md"]
    said = {words[0] for page in pages for words in commands(page.read_text())}
    assert {name for name, verb in cli.VERBS.items() if verb.shown} - {"version"} == said


@of("run")
def test_a_run_resolves(words: list[str]) -> None:
    if OWN & set(words):
        # prepared and run in tests/faults/test_grid_faults.py and tests/unit/test_listed.py
        own = [word for word in words[1:] if not word.startswith("-")]
        for line in [cell.words for cell in read(own).cells] if is_grid(own) else [own]:
            check_overrides(line)
        return
    found = experiments(words)
    assert len({(each.hash, each.seed) for each in found}) == len(found) > 0


@of("generate")
def test_a_generation_has_something_to_draw(words: list[str]) -> None:
    first = words[1] if len(words) > 1 else "draw"
    if first in WORDS and first not in DRAWING:
        with pytest.raises(SystemExit) as end:
            cli.main(["generate", first, "--help"])
        assert end.value.code == 0
        return
    given = [word for word in words if word not in WORDS and not word.startswith("steps=")]
    own, engine = split_words(given)
    engine_of(engine)
    if own[1:] != ["--help"]:
        (found,) = experiments(own)
        assert found.request
        assert sum(found.allocation.add) > 0


@of("prepare")
def test_what_is_prepared_exists(words: list[str]) -> None:
    chosen = [word.split("=") for word in words if word.startswith(("dataset=", "generator="))]
    assert chosen
    for group, choice in chosen:
        assert choice in {row.name for row in noun(group).rows()}


@of("work")
def test_work_runs_a_file_of_jobs(words: list[str], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    records.save(tmp_path / "run" / "record.json", make_record())
    write_jobs(tmp_path / "jobs.jsonl", [Job("a", 0, "h", "run", ("seed=0",))] * 2)
    assert cli.main([word.replace("$SLURM_ARRAY_TASK_ID", "1") for word in words]) == 0


@of(*LIGHT)
def test_a_light_verb_runs(words: list[str], tmp_path: Path, monkeypatch) -> None:
    records.save(tmp_path / "leaderboards" / "records" / "s0" / "record.json", make_record())
    (tmp_path / "runs").mkdir()
    if "--all" in words:
        # it reads more of a record than the one made here says truly
        (tmp_path / "leaderboards" / "records" / "s0" / "record.json").unlink()
    # these name rows of the committed records, or need their policy, and write nothing
    monkeypatch.chdir(ROOT if {"compare", "regression"} & set(words[1:2]) else tmp_path)
    assert cli.main(words) == 0


@PAGES
def test_every_link_leads_somewhere(page: Path) -> None:
    assert [link for link in links(page) if not (page.parent / link).exists()] == []


@PAGES
def test_no_placeholder_is_left(page: Path) -> None:
    assert "@@" not in page.read_text()


@PAGES
def test_every_file_named_in_the_text_exists(page: Path) -> None:
    made_there = "frequency_smoothing"
    named = [path for path in NAMED.findall(page.read_text()) if made_there not in path]
    assert [path for path in named if not (ROOT / path).exists()] == []
