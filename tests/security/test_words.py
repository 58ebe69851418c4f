"""Command lines, lists of jobs and YAML that would run code, read secrets or never end."""

import json
from pathlib import Path

import pytest
import yaml

from benchmark.errors import BenchError
from benchmark.publishing.submit_cli import _read
from benchmark.system.yaml_text import parse_yaml
from benchmark.verbs import cli
from benchmark.vocabulary.hydra_words import LAUNCHERS, parse, refuse_unsafe
from benchmark.vocabulary.launchers import LAUNCHERS as INSTALLABLE
from tests.security.cases import MARK, Case, each, files_below, outcome_of

NO_HYDRA, NO_CALL, NO_PACKAGE = "no setting of Hydra", "a call of a resolver", "without a package"
WORDS = [
    # what Hydra instantiates by dotted path
    Case("launcher by path", "hydra.launcher._target_=os.system", said=NO_HYDRA),
    Case("launcher by path, forced", "++hydra.launcher._target_=os.system", said=NO_HYDRA),
    Case("launcher as a mapping", "hydra.launcher={_target_: os.system}", said=NO_HYDRA),
    Case("launcher's setting as a mapping", "hydra.launcher.a={_target_: os.system}",
         said=NO_HYDRA),
    Case("mapping in a list", "hydra.launcher.setup=[{_target_: os.system}]", said=NO_HYDRA),
    Case("arguments of a call", "hydra.launcher._args_=[touch]", said=NO_HYDRA),
    Case("part that is private", "hydra.launcher.ray._target_=os.system", said=NO_HYDRA),
    Case("sweeper by path", "hydra.sweeper._target_=os.system", said=NO_HYDRA),
    Case("sweeper by name", "hydra/sweeper=optuna", said=NO_HYDRA),
    Case("callback", "+hydra.callbacks.x._target_=os.system", said=NO_HYDRA),
    Case("callback group", "+hydra/callbacks=x", said=NO_HYDRA),
    Case("log handler by class", "+hydra.job_logging.handlers.x.class=evil.Evil", said=NO_HYDRA),
    Case("log handler by call", "+hydra.job_logging.handlers={x: {(): evil.Evil}}", said=""),
    Case("log group", "hydra/job_logging=colorlog", said=NO_HYDRA),
    Case("Hydra's own logging", "hydra/hydra_logging=none", said=NO_HYDRA),
    Case("help template", "hydra/help=x", said=NO_HYDRA),
    # where Hydra reads and writes
    Case("search path", "hydra.searchpath=[file:///tmp]", said=NO_HYDRA),
    Case("run folder", "hydra.run.dir=/tmp/x", said=NO_HYDRA),
    Case("sweep folder", "hydra.sweep.dir=/tmp/x", said=NO_HYDRA),
    Case("working folder", "hydra.job.chdir=true", said=NO_HYDRA),
    Case("environment of a job", "+hydra.job.env_set.PATH=/tmp", said=NO_HYDRA),
    Case("environment copied", "hydra.job.env_copy=[HOME]", said=NO_HYDRA),
    Case("output folder of Hydra", "hydra.output_subdir=x", said=NO_HYDRA),
    Case("everything at once", "hydra={launcher: {_target_: os.system}}", said=NO_HYDRA),
    Case("everything as a group", "hydra=evil", said=NO_HYDRA),
    Case("a part removed", "~hydra.launcher", said=NO_HYDRA),
    Case("a group removed", "~hydra/launcher", said=NO_HYDRA),
    # the launcher's name
    Case("launcher nobody knows", "hydra/launcher=evil", said="Unknown launcher 'evil'"),
    Case("launcher by a path", "hydra/launcher=../../evil", said="Unknown launcher"),
    Case("launcher in a list", "hydra/launcher=[basic]", said="Unknown launcher"),
    Case("launchers in a sweep", "hydra/launcher=basic,joblib", said="Unknown launcher"),
    Case("launcher added", "+hydra/launcher=joblib", said=NO_HYDRA),
    Case("launcher's setting in a sweep", "hydra.launcher.n_jobs=1,2", said=NO_HYDRA),
    Case("launcher's setting in a range", "hydra.launcher.n_jobs=range(3)", said=NO_HYDRA),
    # packages, by which any group lands anywhere
    Case("package of a group", "method@hydra.launcher=ce", said=NO_PACKAGE),
    Case("package of everything", "+dataset@_global_=x", said=NO_PACKAGE),
    Case("package of a launcher", "hydra/launcher@x=basic", said=NO_PACKAGE),
    # keys of Hydra's own in ours
    Case("target at the top", "_target_=os.system", said="a key of letters"),
    Case("target in a group", "+recipe._target_=os.system", said="a key of letters"),
    Case("dollar in a key", "$out=3", said="a key of letters"),
    Case("hidden part", "+method._convert_=all", said="a key of letters"),
    # resolvers
    Case("environment", "out=${oc.env:HOME}", said=NO_CALL),
    Case("environment in quotes", "out='${oc.env:HOME}'", said=NO_CALL),
    Case("environment in double quotes", 'out="x${oc.env:HOME}y"', said=NO_CALL),
    Case("environment behind escapes", r"out=$\{oc.env:HOME\}", said=NO_CALL),
    Case("environment in a list", "beside=[a,'${oc.env:HOME}']", said=NO_CALL),
    Case("environment in a mapping", "+x={a: '${oc.env:HOME}'}", said=NO_CALL),
    Case("environment as a key", "+x={'${oc.env:HOME}': 1}", said=""),
    Case("environment in a sweep", "out=choice(a,'${oc.env:HOME}')", said=NO_CALL),
    Case("environment in a pattern", "method=glob('${oc.env:HOME}')", said=NO_CALL),
    Case("environment in a launcher", "hydra.launcher.name=${oc.env:HOME}", said=NO_CALL),
    Case("environment by default", "out=${oc.env:NONE,x}", said=NO_CALL),
    Case("decoded text", "out=${oc.decode:x}", said=NO_CALL),
    Case("new value by call", "out=${oc.create:{a: 1}}", said=""),
    Case("select by call", "out=${oc.select:seed}", said=NO_CALL),
    Case("Hydra by call", "out=${hydra:runtime.cwd}", said=NO_CALL),
    Case("reference in a reference", "out=${${out}}", said=""),
    Case("resolver by a reference", "out=${${out}:x}", said=""),
    # no words
    Case("lists without end", "method=" + "[" * 5000, said="Expected"),
    Case("no key", "=x", said="Expected a key"),
    Case("escape sequence", "\x1b[31mout=x", said=""),
    Case("line break", "out=x\nhydra.run.dir=y", said=""),
    # what is allowed
    *(Case(f"launcher {name}", f"hydra/launcher={name}", "harmless") for name in LAUNCHERS),
    Case("launcher's number", "hydra.launcher.n_jobs=2", "harmless"),
    Case("launcher's text", "hydra.launcher.partition='gpu'", "harmless"),
    Case("launcher's list", "hydra.launcher.setup=['module load cuda']", "harmless"),
    Case("launcher's setting, added", "+hydra.launcher.additional_parameters.mail-user=x",
         "harmless"),
    Case("plain reference", "out=${seed}", "harmless"),
    Case("group of a list", "method=[t2i,cmo]", "harmless"),
    Case("removed key", "~recipe.ema", "harmless"),
    Case("Jinja", "out='{{ 7 * 7 }}'", "harmless"),
    Case("shell", "out='$(touch EXECUTED)'", "harmless"),
]  # fmt: skip


@each(WORDS)
def test_words_reach_hydra_by_an_allow_list(case: Case) -> None:
    outcome_of(lambda: refuse_unsafe([case.given]), case)


LAUNCHING = [case for case in WORDS if case.outcome == "harmless" and "launcher" in case.given]


@pytest.mark.parametrize("case", LAUNCHING, ids=lambda case: case.name)
def test_words_of_a_file_choose_no_launcher(case: Case) -> None:
    outcome_of(lambda: refuse_unsafe([case.given], launcher=False), Case("", None, said=NO_HYDRA))


def test_the_launchers_are_those_that_can_be_installed() -> None:
    assert set(LAUNCHERS) == set(INSTALLABLE)


def test_a_word_is_parsed_as_hydra_does() -> None:
    found = parse("recipe.epochs=3")
    assert (found.key_or_group, found.value()) == ("recipe.epochs", 3)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "evil.py").write_text(f"open({MARK!r}, 'w')\nclass Evil: pass\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


LINES = [
    ("run", "+hydra.callbacks.x._target_=evil.Evil"),
    ("run", "+hydra.job_logging.handlers.x.class=evil.Evil"),
    ("run", "hydra.launcher._target_=evil.Evil", "-m", "seed=0,1"),
    ("run", "hydra.searchpath=[file://.]"),
    ("run", "out=${oc.env:HOME}"),
    ("run", "--config-dir=."), ("run", "--config-path=."), ("run", "--config-name=evil"),
    ("run", "-cd", "."), ("run", "-cp", "."), ("run", "-cn", "evil"),
    ("run", "--experimental-rerun=x"), ("run", "-r"), ("run", "--shell-completion"),
    ("run", "--cfg", "job", "hydra.run.dir=x"), ("run", "--info", "all", "+hydra.callbacks.x=1"),
    ("run", "method=../../evil"), ("run", "method=evil.Evil"), ("run", "dataset=/etc/passwd"),
    ("run", "method=t2i", "modifiers=../../evil"), ("run", "grid=../../evil"),
    ("run", "method=ce", "dataset=folder", "dataset.root_name=../x"),
    ("run", "method=t2i", "generator.weights=package:evil.inner/x"),
    ("generate", "hydra.run.dir=x", "method=t2i"),
    ("prepare", "dataset=digitslt", "hydra.searchpath=[file://.]"),
    ("check", "component", "../../evil"), ("check", "component", "evil.Evil"),
    ("new", "component", "../evil"), ("new", "component", "os.path"),
    ("new", "component", "a\x1b[31m"), ("new", "component", "class"),
    ("show", "method=\x1b]0;title\x07"), ("ls", "a\u202eb"), ("generate", "show", "../../x"),
]  # fmt: skip


@pytest.mark.parametrize("words", LINES, ids=" ".join)
def test_a_command_line_is_refused_in_one_line(
    words: tuple[str, ...], inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_below(inside)
    assert cli.main(list(words)) in (2, 3)
    out, err = capsys.readouterr()
    # a sweep says first how many runs there are
    lines = [line for line in err.splitlines() if not line.startswith("launch ")]
    assert out == "" and len(lines) == 1 and lines[0].isprintable()
    assert str(Path.home()) not in err
    assert files_below(inside) == before


def job(*words: str) -> str:
    return json.dumps(
        {"name": "x", "seed": 0, "hash": "0" * 12, "folder": "runs/x", "overrides": list(words)}
    )


JOBS = [
    Case("launcher in a job", job("hydra/launcher=basic"), said=NO_HYDRA),
    Case("code in a job", job("hydra.launcher._target_=evil.Evil"), said=NO_HYDRA),
    Case("secret in a job", job("out=${oc.env:HOME}"), said=NO_CALL),
    Case("flag in a job", job("--config-dir=."), said=""),
    Case("shell in a job", job("method=ce; touch EXECUTED"), said=""),
    Case("job of other types", '{"overrides": 3}', said="Expected a job"),
    Case("job without end", "[" * 100_000, said="Expected a job"),
]


@each(JOBS)
def test_a_list_of_jobs_is_a_list_of_words(case: Case, inside: Path) -> None:
    from benchmark.launch.work import main

    (inside / "jobs.jsonl").write_text(case.given + "\n")
    outcome_of(lambda: main(["jobs.jsonl", "--index", "0"]), case)
    assert MARK not in files_below(inside)


LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
YAML = [
    Case("object", "!!python/object/apply:os.system ['touch EXECUTED']", said="valid YAML"),
    Case("new object", "!!python/object/new:evil.Evil []", said="valid YAML"),
    Case("module", "!!python/module:evil", said="valid YAML"),
    Case("name", "!!python/name:os.system", said="valid YAML"),
    Case("tuple of Python", "!!python/tuple [1]", said="valid YAML"),
    Case("object under a key", "a: !!python/object:evil.Evil {}", said="valid YAML"),
    Case("tag of our own", "!evil x", said="valid YAML"),
    Case("a billion laughs", LAUGHS, said="aliases stand for"),
    Case("an alias of itself", "&a [*a]", said="aliases stand for"),
    Case("lists without end", "[" * 1500, said="valid YAML"),
    Case("two documents", "a: 1\n---\na: 2\n", said="valid YAML"),
    Case("key of a list", "{[1]: 2}", said="valid YAML"),
    Case("date that is none", "2024-99-99", said="valid YAML"),
    Case("escape sequence", "a: \x1b[31m", said="valid YAML"),
    Case("target", "_target_: os.system", "harmless"),
    Case("call of a resolver", "a: ${oc.env:HOME}", "harmless"),
    Case("Jinja", "a: '{{ 7 * 7 }}'", "harmless"),
]


@each(YAML)
def test_yaml_is_values(case: Case, inside: Path) -> None:
    found = outcome_of(lambda: parse_yaml(case.given, "x.yaml"), case)
    if case.outcome == "harmless":
        assert found == yaml.safe_load(case.given)
    assert MARK not in files_below(inside)


def test_yaml_of_authors_has_the_keys_that_are_asked(inside: Path) -> None:
    (inside / "x.yaml").write_text("_target_: os.system\n")
    with pytest.raises(BenchError, match="Unknown key '_target_'"):
        _read(inside / "x.yaml")


@pytest.mark.parametrize(
    "template",
    ["{class.__class__}", "{class!r}", "{class:>9999999999}", "{0}", "{class} {modifier.x}",
     "{class} {", "{__import__}"],
)  # fmt: skip
def test_a_prompt_template_has_two_fields_and_no_more(template: str) -> None:
    from benchmark.generation.prompts import PromptSpec

    with pytest.raises(BenchError):
        PromptSpec(template=template)
