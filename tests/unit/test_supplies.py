"""Every supply through a whole run: images, origin, costs and facts in the record."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark import api
from benchmark.experiments.drawn import say_clashes
from benchmark.recording.records import Record
from benchmark.verbs import cli
from synaug.embedded.web_folder import make
from tests.fixtures.generation import Stub, stub_spec

SHORT = ("recipe.steps.amount=2", "progress=false", "pool_seed=0", "generator.steps=4",
         "budget=uniform", "budget.amount=4")  # fmt: skip
# method, extra words -> track, network calls of an image, of a fit
SUPPLIES = {
    "t2i": ((), "synthetic", 8, 0),
    "intra_translation": (("method.intra_translation.strengths=[0.5]",), "synthetic", 4, 0),
    "inter_translation": (("method.inter_translation.strengths=[0.25,1.0]",), "synthetic", 0, 0),
    "distribution_fitting": (
        ("method.distribution_fitting.steps=2", "method.distribution_fitting.batch_size=4"),
        "synthetic", 8, 24,
    ),
    "webaug": ((), "web", 0, 0),
    "imported": ((), "synthetic", 0, 0),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the module, so that each supply is made once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNAUG_BENCH_CACHE", str(folder))
        yield folder


def run(method: str, out: Path, *words: str) -> Record:
    extra = SUPPLIES[method][0]
    return api.run(f"method={method}", *SHORT, *extra, *words, f"out={out}")


@pytest.mark.parametrize("method", SUPPLIES)
def test_a_supply_fills_the_budget_and_states_its_cost(method: str, tmp_path: Path) -> None:
    _, track, calls, fit_calls = SUPPLIES[method]
    record = run(method, tmp_path)
    cost = record.cost.generation
    assert record.dataset.counts_train == (4,) * 10
    assert cost is not None and record.pool is not None
    assert (record.method.track, cost.accepted, cost.known) == (track, record.pool.images, True)
    assert cost.network_calls_measured == cost.network_calls_predicted
    assert cost.fit_network_calls == fit_calls
    if calls:
        assert cost.network_calls_measured == calls * cost.candidates
    assert (cost.web_images > 0) == (track == "web")
    assert "font-renderings" in record.method.knowledge


def test_strengths_share_the_calls(tmp_path: Path) -> None:
    record = run("inter_translation", tmp_path)
    cost = record.cost.generation
    assert cost is not None
    # slots take 1 and 4 of 4 steps in turn, two calls a step
    turns = [2 if slot % 2 == 0 else 8 for added in record.budget.add for slot in range(added)]
    assert cost.network_calls_measured == sum(turns)
    assert record.pool is not None
    assert record.pool.generator["guides"]["pairing"] == "inter"  # type: ignore[index, call-overload]


def test_images_whose_cost_nobody_states_are_marked(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    make(plain, 4)
    (plain / "metadata.jsonl").unlink()
    words = [f"method.imported.source={plain}", f"out={tmp_path}/runs"]
    unknown = api.run("method=imported", *SHORT, *words).cost.generation
    stated = api.run("method=imported", *SHORT, "method.imported.network_calls_per_image=5", *words)
    assert unknown is not None and stated.cost.generation is not None
    assert (unknown.known, stated.cost.generation.known) == (False, True)
    assert stated.cost.generation.network_calls_measured == 5 * unknown.accepted


def test_a_missing_folder_is_refused_before_time_is_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "method=webaug", "method.webaug.source=/nowhere", f"out={tmp_path}"]
    assert cli.main(words) == 3
    assert "generate ls" in capsys.readouterr().err
    assert not list(tmp_path.rglob("error.json"))


def test_a_limit_stops_a_plan_that_exceeds_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["method=t2i", *SHORT, "budget.limit_calls=50", f"out={tmp_path}"]
    assert cli.main(["run", *words]) == 2
    assert "Expected at most 50 network calls, but the plan takes" in capsys.readouterr().err


def generate(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["generate", *words]) == 0
    return capsys.readouterr().out


def test_a_pool_from_plan_to_another_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["method=t2i", *SHORT]
    planned = generate(capsys, "plan", *words)
    assert "network calls" in planned
    key = Path(planned.splitlines()[-1]).parent.name
    generate(capsys, *words)
    assert key in generate(capsys, "ls")
    assert "a photo of {modifier} {class}" in generate(capsys, "show", key[:8])
    assert "sound" in generate(capsys, "verify", key)
    assert Path(generate(capsys, "sheet", key).strip()).is_file()
    exported = tmp_path / "exported"
    generate(capsys, "export", key, str(exported))
    stored = generate(capsys, "import", str(exported), "dataset=digitslt")
    source = stored.strip().rpartition("=")[2]
    assert "network calls per image" in generate(capsys, "show", source)
    record = api.run(
        "method=imported", f"method.imported.source={source}",
        "method.imported.network_calls_per_image=null", "dataset=digitslt", "pool_seed=0",
        "budget=list", "budget.counts=[1,0,0,0,0,0,0,0,0,0]", "recipe.steps.amount=1",
        "progress=false", f"out={tmp_path}/runs",
    )  # fmt: skip
    assert record.cost.generation is not None
    assert record.cost.generation.network_calls_measured == 8


def test_a_sheet_of_step_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "steps.png"
    generate(capsys, "steps", "steps=1,4", "method=t2i", "pool_seed=0", "progress=false",
             f"--out={sheet}")  # fmt: skip
    assert sheet.is_file()


def test_a_check_measures_and_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    out = generate(capsys, "check", "method=t2i", *SHORT)
    assert "copies of test images" in out
    folder = Path(out.splitlines()[-1])
    assert {path.name for path in folder.iterdir()} == {
        "quality.json", "quality.txt", "neighbours.png",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("exprot",), "did you mean export"),
        (("plan", "method=ce"), "generates no images"),
        (("check", "method=heldout_real"), "adds no generated or collected images"),
        (("check", "method=t2i", "extractor=resnet18"), "Expected NAME:FILE"),
        (("steps", "method=t2i"), "steps=3,10,50"),
        (("prompts", "dataset=digitslt"), "model=..."),
        (("gc", "--no"), "allowed: --help, --yes"),
    ],
)
def test_mistakes_get_one_line(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["generate", *words]) in (2, 3)
    assert message.lower() in capsys.readouterr().err.lower()


def test_classes_that_share_a_prompt_are_flagged(capsys: pytest.CaptureFixture[str]) -> None:
    say_clashes(replace(stub_spec(Stub()), classes=("crane", "cat", "crane")))
    assert "share the prompt 'a photo of crane': crane (0), crane (2)" in capsys.readouterr().err


def test_an_unknown_pool_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    generate(capsys, "plan", "method=t2i", *SHORT)
    assert cli.main(["generate", "show", "zz"]) == 2
    assert "Unknown pool 'zz'" in capsys.readouterr().err
