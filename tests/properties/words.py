"""Command lines made at random: legal ones from the groups and registries, and broken ones."""

from collections.abc import Mapping
from functools import cache
from random import Random
from typing import Any

import yaml

from benchmark.errors import BenchError
from benchmark.experiments import compose, experiment
from benchmark.experiments.compose import GROUPS
from benchmark.experiments.experiment import Experiment
from benchmark.paths import config_dir
from benchmark.registry import yaml_names

Words = list[str]
# values that no setting of most types takes
ODD = (
    "", "x", "-1", "0", "1e999", "9" * 400, "nan", "inf", "true", "null", "[]", "{}", "[1,2]",
    "{a:1}",
    "[[1]]", "'quoted'", '"', "\u00fc", "\u202e", "\u00b2", "a b", "\x1b[2J", "a\nb", "${seed}",
    "${nothing}",
    "${oc.env:HOME}", "???", "choice(1,2)", "range(0,3)", "1,2", "glob(*)", "[a", "a]", "\\",
    "../x", "%",
    "=", "==", "@x", "~", "x" * 3000, "[" * 300, "_target_", "{_target_:os.system}", "1_000",
    "0x10",
)  # fmt: skip
STRANGE = (
    "~method", "~method=[ce,ldam]", "~seed", "~dataset.kind", "~recipe.ema", "~nothing",
    "~recipe", "+new=1",
    "++new=1", "+recipe.new=1", "++seed=1",
    "hydra.run.dir=/tmp/x", "hydra/launcher=nothing", "hydra.verbose=true", "hydra.job.chdir=true",
    "=3", "seed", "--flag", "-m", "seed==1", "seed=", "method", "method=[", "method=[]",
    "method=[ce",
    "method@x=ce", "dataset@y=digitslt", "recipe.optimizer=3", "recipe=[]", "budget=[none]",
    "budget.counts=[1,2,3]", "method.=1", ".=1", "a.b.c.d.e=1", "recipe..lr=1", "\u00fc=1",
    " =1", "seed =1",
    "+method=ce", "+method.ldam.scale=3", "seed={a:1}", "out=[a]", "defaults=[]", "_self_=1",
    "_target_=os.system", "+recipe._target_=os.system", "dataset.kind=x", "generator.kind=os",
    "backbone.options={a:1}", "+backbone.options.a=1", "method={ce:{}}", "grid=table1", "\x00=1",
    "",
)  # fmt: skip


@cache
def _values(group: str, name: str) -> Mapping[str, Any]:
    text = (config_dir() / group / f"{name}.yaml").read_text(encoding="utf-8")
    return {key: value for key, value in (yaml.safe_load(text) or {}).items() if key != "defaults"}


def _leaves(values: Mapping[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found = []
    for key, value in values.items():
        name = f"{path}.{key}" if path else str(key)
        found += _leaves(value, name) if isinstance(value, dict) and value else [(name, value)]
    return found


def _near(value: Any, rng: Random) -> str:
    """A value of the same type, often one that can be meant."""
    if isinstance(value, bool):
        return rng.choice(("true", "false"))
    if isinstance(value, int):
        return str(rng.choice((value, value + 1, max(value // 2, 1), 3)))
    if isinstance(value, float):
        return str(rng.choice((value, value / 2, 0.25)))
    if isinstance(value, list):
        return "[" + ",".join(map(str, value)) + "]"
    return "null" if value is None else str(value)


def _budget(rng: Random) -> Words:
    kind = rng.choice(yaml_names("budget"))
    amount = [f"budget.amount={rng.choice((0, 1, 7, 50))}"]
    own = {
        "add": amount, "tail": amount, "uniform": rng.choice(([], amount)),
        "list": [f"budget.counts=[{','.join(str(rng.randrange(9)) for _ in range(10))}]"],
        "replace": [f"budget.share={rng.choice((0, 0.1, 0.5, 1))}",
                    f"budget.by={rng.choice(('images', 'classes'))}"],
    }  # fmt: skip
    more = rng.choice(
        ([], ["budget.keep_real=3"], ["budget.limit_calls=100000"], ["budget.acceptance=0.5"])
    )
    return [f"budget={kind}", *own.get(kind, []), *more]


def legal(rng: Random) -> Words:
    """Words of names and settings that there are; together they may still be refused."""
    names = rng.sample(yaml_names("method"), rng.randint(1, 4) if rng.random() < 0.5 else 1)
    words = [f"method=[{','.join(names)}]" if len(names) > 1 else f"method={names[0]}"]
    words += _budget(rng) if rng.random() < 0.6 else []
    for group in ("recipe", "backbone", "generator", "dataset"):
        if rng.random() < 0.35:
            name = rng.choice(yaml_names(group))
            words.append(f"{group}={name}")
            leaves = _leaves(_values(group, name))
            for key, value in rng.sample(leaves, min(len(leaves), rng.randrange(3))):
                words.append(f"{group}.{key}={_near(value, rng)}")
    words += rng.sample(
        ["seed=3", "pool_seed=4", "score_on=heldout", "search_trials=2", "protocol=iso_nfe",
         "protocol=iso_training", "modifiers=none", "out=elsewhere", "threads=1", "progress=false",
         "beside=[ce]", "save_weights=false", "device=cpu"], rng.randrange(3),
    )  # fmt: skip
    for name in names:
        leaves = _leaves(_values("method", name))
        if leaves and rng.random() < 0.4:
            key, value = rng.choice(leaves)
            words.append(f"method.{name}.{key}={_near(value, rng)}")
    rng.shuffle(words)
    return words


def _misspelt(word: str, rng: Random) -> str:
    at = rng.randrange(max(len(word) - 1, 1))
    kind = rng.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] * 2 + word[at + 1 :]
    return word[:at] + "q" + word[at + 1 :]


def misspelt(rng: Random) -> Words:
    """A group, a choice or a key of its settings with one letter too many, too few or wrong."""
    group = rng.choice(GROUPS)
    name = rng.choice(yaml_names(group))
    leaves = _leaves(_values(group, name))
    kind = rng.randrange(3)
    if kind == 0 or not leaves:
        return [f"{_misspelt(group, rng)}={name}"]
    if kind == 1:
        return [f"{group}={_misspelt(name, rng)}"]
    key, value = rng.choice(leaves)
    head, dot, last = key.rpartition(".")
    inside = f"method.{name}" if group == "method" else group
    return [f"{group}={name}", f"{inside}.{head}{dot}{_misspelt(last, rng)}={_near(value, rng)}"]


def broken(rng: Random) -> Words:
    """Legal words with one of them damaged, repeated, replaced or joined by a strange one."""
    words = legal(rng)
    at, kind = rng.randrange(len(words)), rng.randrange(5)
    key, _, value = words[at].partition("=")
    if kind == 0:
        words[at] = f"{_misspelt(key, rng)}={_misspelt(value, rng) if value else value}"
    elif kind == 1:
        words[at] = f"{key}={rng.choice(ODD)}"
    elif kind == 2:
        words.insert(rng.randrange(len(words) + 1), rng.choice(STRANGE))
    elif kind == 3:
        words.insert(rng.randrange(len(words) + 1), words[at])
    else:
        words[at] = rng.choice(("~", "+", "++")) + words[at]
    return words


def outcome(words: Words) -> Experiment | BenchError:
    """The experiment that words mean, or their refusal.

    Raises:
        Exception: whatever else composing raises: a bug.
    """
    try:
        return experiment.resolve(compose.settings(words))
    except BenchError as error:
        return error
