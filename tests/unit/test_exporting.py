"""Runs scored again from their weights, packed for publishing, and checked in depth."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from benchmark import api
from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.publishing.deep_checks import check_deep
from benchmark.publishing.evaluating import EvaluateConfig, evaluate_folder
from benchmark.publishing.exporting import compare, config_of, export
from benchmark.publishing.findings import Finding, failed
from benchmark.publishing.network import read_network
from benchmark.recording import records
from benchmark.recording.blueprint import KEY, Blueprint
from benchmark.recording.records import Record
from benchmark.recording.weights_file import EXPORTED, WEIGHTS, read_tensors
from benchmark.statistics import metrics
from benchmark.verbs import cli

SHORT = ("dataset=digitslt", "recipe.steps.amount=4", "progress=false", "pool_seed=0",
         "generator.steps=2")  # fmt: skip
METHODS = {
    "plain": ("method=ce",),
    "stages": ("method=synaug", "budget=uniform", "budget.amount=4"),
    "wrapped": ("method=logit_adjustment_posthoc", "seed=1"),
    "heldout": ("method=ce", "score_on=heldout"),
    "searched": ("method=ldam", "search_trials=2", "search_on=heldout"),
    "equal steps": ("method=crt", "protocol=iso_training"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A finished short run of each kind."""
    out = tmp_path_factory.mktemp("runs")
    found = {}
    for name, words in METHODS.items():
        record = api.run(*SHORT, *words, f"out={out}")
        paths = out.rglob(f"{record.experiment.hash}/s{record.seed}/record.json")
        found[name] = next(iter(paths)).parent
    return found


@pytest.fixture
def run(runs: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of a run to break."""
    shutil.copytree(runs["stages"], tmp_path / "run")
    return tmp_path / "run"


def record_of(folder: Path) -> Record:
    return records.load(folder / "record.json")


@pytest.mark.parametrize("name", METHODS)
def test_a_run_scored_again_says_the_same_bit_by_bit(name: str, runs) -> None:
    folder = runs[name]
    evaluation, judged = evaluate_folder(folder, EvaluateConfig())
    kept = metrics.load_predictions(folder / "preds.npz")
    assert all(np.array_equal(value, getattr(judged, key)) for key, value in vars(kept).items())
    stated = record_of(folder)
    assert evaluation.scores.accuracy == stated.metrics.accuracy
    assert evaluation.target.name == stated.dataset.name
    assert evaluation.target.split == stated.dataset.split
    assert evaluation.subject.experiment == stated.experiment.hash


@pytest.mark.parametrize("name", METHODS)
def test_a_run_passes_every_deep_check(name: str, runs) -> None:
    found = check_deep(runs[name] / "record.json")
    assert [(each.item, each.verdict) for each in found] == [
        ("words", "pass"), ("stages", "pass"), ("weights", "pass"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_an_export_holds_everything_and_scores_the_same(name: str, runs, tmp_path: Path) -> None:
    report = export(runs[name], tmp_path / "export")
    assert [path.name for path in report.files] == [
        EXPORTED, "preds.npz", "config.json", "README.md", "record.json",
    ]  # fmt: skip
    assert report.verified.endswith("predictions as in the record, bit by bit")
    folder = report.folder
    assert (folder / "record.json").read_bytes() == (runs[name] / "record.json").read_bytes()
    again, _ = evaluate_folder(folder, EvaluateConfig())
    assert again.scores.accuracy == record_of(folder).metrics.accuracy
    for path in report.files[2:]:
        text = path.read_text()
        assert str(tmp_path) not in text and str(Path.home()) not in text
        assert str(runs[name].parents[3]) not in text


def front(folder: Path) -> dict:
    _, text, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(text)


def test_the_card_has_the_numbers_of_the_record(runs, tmp_path: Path) -> None:
    folder = export(runs["stages"], tmp_path / "export", "cc-by-4.0").folder
    record, head = record_of(folder), front(folder)
    assert head["license"] == "cc-by-4.0" and "license_name" not in head
    assert head["datasets"] == ["digitslt"] and "synthetic" in head["tags"]
    (result,) = head["model-index"][0]["results"]
    numbers = {each["name"]: each["value"] for each in result["metrics"]}
    assert numbers["All"] == round(record.metrics.accuracy, 6)
    assert numbers["Few (le5)"] == round(record.metrics.groups["le5"].few or 0, 6)
    text = (folder / "README.md").read_text()
    assert record.command in text
    assert "font-renderings" in text and "network calls" in text
    assert f"{100 * record.metrics.accuracy:.2f}" in text


def test_without_a_licence_the_card_invents_none(runs, tmp_path: Path) -> None:
    head = front(export(runs["plain"], tmp_path / "export").folder)
    assert (head["license"], head["license_name"]) == ("other", "not-stated")


def test_the_configuration_names_the_classes(runs) -> None:
    plan = read_network(runs["plain"] / WEIGHTS)[1]
    config = config_of(plan)
    assert config["id2label"]["7"] == "seven" and config["label2id"]["seven"] == 7  # type: ignore[index]
    own = {key: config[key] for key in config if key not in ("id2label", "label2id", "num_classes")}
    assert Blueprint.model_validate_json(json.dumps(own)) == plan


def test_labels_of_a_record_are_inert_in_the_card(runs, tmp_path: Path) -> None:
    from benchmark.publishing.card import render_card

    record, plan = record_of(runs["plain"]), read_network(runs["plain"] / WEIGHTS)[1]
    hostile = "<script>alert(1)</script> | {{ 1 }} \n---\n# x"
    experiment = record.experiment.model_copy(update={"label": hostile})
    text = render_card(record.model_copy(update={"experiment": experiment}), plan)
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["model-index"][0]["name"].startswith(hostile[:20])
    assert "<script>" not in body and "\n# x" not in body


def test_the_folder_must_be_new(runs, tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("mine")
    with pytest.raises(UsageError, match="Expected a new or empty folder"):
        export(runs["plain"], tmp_path)
    with pytest.raises(UsageError, match="Expected a new or empty folder"):
        export(runs["plain"], tmp_path / "there.txt")


def test_a_run_without_weights_says_how_to_get_them(run: Path, tmp_path: Path) -> None:
    (run / WEIGHTS).unlink()
    for call in (
        lambda: export(run, tmp_path / "e"),
        lambda: evaluate_folder(run, EvaluateConfig()),
    ):
        with pytest.raises(DataError, match="run it again with on_existing=rerun"):
            call()
    assert not (tmp_path / "e").exists()


def test_an_unfinished_run_is_not_packed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a finished run, but got no record"):
        export(tmp_path, tmp_path / "e")


def test_an_altered_record_is_not_packed(run: Path, tmp_path: Path) -> None:
    path = run / "record.json"
    value = json.loads(path.read_text())
    value["cost"]["training"]["images"] = 3
    path.write_text(json.dumps(value))
    with pytest.raises(IntegrityError, match="Expected a sound record, but cost: "):
        export(run, tmp_path / "e")


def spoil(path: Path) -> None:
    """Other weights under the right hash: what only scoring again can find."""
    metadata, tensors = read_tensors(path)
    net, plan = read_network(path)
    tensors["head.weight"] = tensors["head.weight"].roll(1, 0)
    net.load_state_dict(tensors)
    from benchmark.training.checkpoints import weights_hash

    plan = plan.model_copy(update={"state_sha256": weights_hash(net)})
    save_file(tensors, path, metadata | {KEY: plan.model_dump_json(by_alias=True)})


def test_weights_that_say_something_else_are_not_published(run: Path, tmp_path: Path) -> None:
    spoil(run / WEIGHTS)
    with pytest.raises(IntegrityError, match=r"what the record says, but a probability moved"):
        export(run, tmp_path / "e")


def test_weights_of_another_run_are_not_scored_as_this_one(run: Path, runs) -> None:
    shutil.copy(runs["plain"] / WEIGHTS, run / WEIGHTS)
    with pytest.raises(DataError, match="but got those of another run"):
        evaluate_folder(run, EvaluateConfig())
    (finding,) = [each for each in check_deep(run / "record.json") if each.item == "weights"]
    assert finding == Finding("weights", "fail", "they are those of another run")


def test_a_damaged_tensor_is_found(run: Path) -> None:
    path = run / WEIGHTS
    content = bytearray(path.read_bytes())
    content[-9] ^= 0x40
    path.write_bytes(bytes(content))
    assert load_file(path)
    assert "hash differs" in failed(check_deep(run / "record.json"))[0].detail


def test_words_that_give_another_experiment_are_found(run: Path) -> None:
    path = run / "record.json"
    value = json.loads(path.read_text())
    value["experiment"]["overrides"][1] = "recipe.steps.amount=5"
    path.write_text(json.dumps(value))
    (finding,) = failed(check_deep(path))
    assert finding.item == "words" and finding.detail.startswith("hash: ")


def test_a_path_of_this_machine_is_not_published(run: Path, tmp_path: Path) -> None:
    path = run / "record.json"
    text = path.read_text().replace('"device": "', f'"device": "{Path.home()}/gpu ', 1)
    path.write_text(text)
    assert records.load(path)
    with pytest.raises(UsageError, match="Expected no path of this machine, but "):
        export(run, tmp_path / "e")
    assert not (tmp_path / "e").exists()


def predictions(shift: float = 0.0, rows: int = 3) -> metrics.Predictions:
    logits = torch.eye(rows, dtype=torch.float64).numpy() * (2 + shift)
    return metrics.predictions_from_logits(logits, np.arange(rows))


def test_what_counts_as_the_same() -> None:
    assert compare(predictions(), predictions())[1] == (
        "3 of 3 predictions as in the record, bit by bit"
    )
    problem, seen = compare(predictions(), predictions(1e-5))
    assert problem is None and "probabilities within 2e-06" in seen
    assert "a probability moved by" in str(compare(predictions(), predictions(0.1))[0])
    other = metrics.predictions_from_logits(np.eye(3) * 2, np.asarray([0, 1, 1]))
    assert compare(predictions(), other)[0] == "the rows are others"


def test_the_verbs(runs, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", "export", str(runs["plain"])]) == 0
    out = capsys.readouterr().out
    assert "verified: 1,240 of 1,240 predictions" in out and "hf upload OWNER/NAME exports/" in out
    (folder,) = (tmp_path / "exports").iterdir()
    assert folder.name.startswith("digitslt-ce-") and folder.name.endswith("-s0")
    assert cli.main(["evaluate", str(folder), "--out", "scored"]) == 0
    assert capsys.readouterr().out.startswith("ce on digitslt, seed 0, 1,240 rows\n")
    kept, again = (runs["plain"] / "preds.npz", tmp_path / "scored" / "preds.npz")
    assert kept.read_bytes() == again.read_bytes()
    assert cli.main(["check", str(folder / "record.json"), "--deep"]) == 0
    assert cli.main(["evaluate", str(folder), "dataset=digitslt"]) == 2
    assert "Expected a folder alone, but got 'dataset=digitslt'" in capsys.readouterr().err
    assert cli.main(["evaluate", str(folder), "size=16"]) == 2
    assert "but got 'size' beside it" in capsys.readouterr().err
