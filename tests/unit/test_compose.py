"""Everything shipped composes; everything that cannot be meant is refused in one line."""

import pytest

from benchmark.errors import DataError, UsageError
from benchmark.experiments.compose import GROUPS, every_point, main_job, settings
from benchmark.registry import yaml_names

# what a configuration leaves to the command line
GIVEN = {
    "generator=path": ["generator.weights=x", "generator.size=32"],
    "generator=fitted": ["generator.weights=x"],
    "budget=list": ["budget.counts=[0,1]"],
}
CHOICES = [f"{group}={name}" for group in GROUPS for name in yaml_names(group)]
TYPOS = {
    "methd=ce": "method",
    "method=lda": "ldam",
    "method=[t2i,cmoo]": "cmo",
    "dataset=cifar100": "cifar100lt",
    "recipe=r_ldm": "r_ldam",
    "backbone=resnet23": "resnet32",
    "budget=unifrm": "uniform",
    "generator=embeded": "embedded",
    "sed=3": "seed",
    "recipe.batchsize=3": "batch_size",
    "recipe.optimizer.lrr=3": "lr",
    "recip.batch_size=3": "recipe",
    "method.t2i.templat=x": "template",
    "budget.ammount=3": "amount",
}
IMPOSSIBLE = {
    "seed=-1": "seed",
    "seed=1.5": "seed",
    "pool_seed=x": "pool_seed",
    "recipe.batch_size=0": "recipe.batch_size",
    "recipe.batch_size=many": "recipe.batch_size",
    "recipe.optimizer.lr=-1": "recipe.optimizer.lr",
    "recipe.precision=fp8": "recipe.precision",
    "budget.amount=-3": "budget",
    "device=tpu": "device",
    "wandb=perhaps": "wandb",
    "method.domain_mixup.alpha=0": "method.domain_mixup.alpha",
    "method.retrain_head.rows=some": "method.retrain_head.rows",
}
CLASHES = {
    "method=[ldam,ldam]": "'ldam' stands twice",
    "method=[synaug,t2i]": "'t2i' stands twice",
    "method=[t2i,heldout_real]": "'t2i' and 'heldout_real' cannot be stacked",
}


@pytest.mark.parametrize("name", yaml_names("dataset"))
def test_a_data_set_has_a_card_or_says_how_to_get_one(name: str) -> None:
    dataset = settings([f"dataset={name}"]).dataset
    try:
        counts = dataset.card(0).counts
    except DataError as error:
        counts, advice = (), str(error)
    assert sum(counts) > 0 or "python -m benchmark prepare" in advice


@pytest.mark.parametrize("choice", CHOICES)
def test_every_shipped_configuration_composes(choice: str) -> None:
    found = settings([choice, *GIVEN.get(choice, [])])
    assert found.overrides[0] == choice


def test_the_main_job_composes() -> None:
    assert settings(main_job()).plumbing.beside


def test_the_default_is_the_papers_method() -> None:
    names = [part.name for part in settings().stack.components]
    assert names == [part.name for part in settings(["method=synaug"]).stack.components]
    assert len(names) == 3


def test_a_list_keeps_its_order() -> None:
    found = settings(["method=[ldam,drw,cmo]"])
    assert [part.name for part in found.stack.components] == ["ldam", "drw", "cmo"]


def test_a_preset_extends_by_more_components() -> None:
    found = settings(["method=[synaug,ldam,drw]"])
    assert [part.name for part in found.stack.components] == [
        "t2i", "domain_mixup", "retrain_head", "ldam", "drw",
    ]  # fmt: skip


def test_values_reach_their_objects() -> None:
    found = settings(["method=ldam", "method.ldam.scale=10", "recipe.batch_size=7", "seed=3"])
    assert found.stack.components[0].config.scale == 10.0
    assert (found.recipe.batch_size, found.seed) == (7, 3)


def test_a_data_set_brings_its_recipe_and_the_command_line_wins() -> None:
    assert settings(["dataset=cifar100lt"]).recipe.name == "r_ldam"
    assert settings(["dataset=cifar100lt", "recipe=digits"]).recipe.name == "digits"


def test_composing_twice_gives_the_same() -> None:
    assert settings(["method=ldam"]).values == settings(["method=ldam"]).values


@pytest.mark.parametrize(("override", "nearest"), TYPOS.items())
def test_a_typo_gets_the_nearest_name(override: str, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings([override])
    text = str(caught.value)
    assert "did you mean" in text
    assert nearest in text.partition("did you mean")[2]
    assert "\n" not in text


@pytest.mark.parametrize(("override", "where"), IMPOSSIBLE.items())
def test_an_impossible_value_names_its_key(override: str, where: str) -> None:
    with pytest.raises(UsageError) as caught:
        settings([override])
    assert f"[{where}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("override", "message"), CLASHES.items())
def test_a_clashing_stack_names_both(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        settings([override])


@pytest.mark.parametrize(
    "words", [["seed=range(1000000000)"], ["seed=range(400)", "pool_seed=range(400)"]]
)
def test_a_sweep_without_end_is_refused(words: list[str]) -> None:
    with pytest.raises(UsageError, match="at most 100,000 runs"):
        every_point(words)


@pytest.mark.parametrize("text", ["ldam", "method=[a", "=3", ""])
def test_what_is_no_override_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"Expected key=value|Expected a key"):
        settings([text])


def test_a_setting_of_an_absent_component_is_refused() -> None:
    with pytest.raises(UsageError, match="ldam"):
        settings(["method=ce", "method.ldam.scale=3"])
