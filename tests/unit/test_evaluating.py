"""`evaluate`: a checkpoint or predictions give the numbers that they must give."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.publishing import evaluation as evaluations
from benchmark.publishing.evaluating import EvaluateConfig, evaluate_given, words_to_rows
from benchmark.publishing.foreign import create
from benchmark.publishing.judged import differences, load_judged, score
from benchmark.publishing.output_map import read_map
from benchmark.publishing.showing import Adapted, Shown, score_network
from benchmark.publishing.target import at_hand, dataset_of, load_rows
from benchmark.verbs import cli
from tests.fixtures.digits import CONFIG, digits, guesses, softmax

MODEL = "cifar_resnet8"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of ten classes that was not trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        net = create(MODEL, num_classes=10)
    path = tmp_path_factory.mktemp("checkpoint") / "net.pth"
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}}, path)
    return path


def test_a_checkpoint_is_shown_what_a_run_shows(checkpoint: Path) -> None:
    config = EvaluateConfig(checkpoint=str(checkpoint), model=MODEL)
    found, judged = evaluate_given(config, digits())
    net = create(MODEL, num_classes=10)
    state = torch.load(checkpoint, weights_only=True)["state_dict"]
    net.load_state_dict({key.removeprefix("module."): value for key, value in state.items()})
    images = torch.from_numpy(np.asarray(digits().table.images)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = net.eval()((images - 0.5) / 0.5).argmax(1).numpy()
    assert (judged.predicted == expected).mean() > 0.999
    assert found.subject.kind == "checkpoint" and found.subject.name == "net.pth"
    assert found.subject.preprocessing == "mean 0.5,0.5,0.5; std 0.5,0.5,0.5; size 8, bicubic"
    assert found.scores.calibration is not None


def test_options_change_what_the_network_sees(checkpoint: Path) -> None:
    given: dict[str, Any] = {"checkpoint": str(checkpoint), "model": MODEL}
    plain = evaluate_given(EvaluateConfig(**given), digits())[1]
    for change in ({"size": 16}, {"mean": (0.1, 0.2, 0.3)}, {"size": 16, "resize": "nearest"}):
        found, judged = evaluate_given(EvaluateConfig(**given, **change), digits())  # type: ignore[arg-type]
        assert not np.array_equal(judged.confidence, plain.confidence)  # type: ignore[union-attr]
        assert f"size {change.get('size', 8)}" in str(found.subject.preprocessing)
    small = evaluate_given(EvaluateConfig(**given, batch_size=7), digits())[1]
    assert np.allclose(small.confidence, plain.confidence, atol=1e-5)  # type: ignore[union-attr]


def test_a_size_that_fits_and_no_map_leave_all_as_it_is() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 10))
    images = torch.rand(4, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(Adapted(net, 8, "bicubic")(images), net(images))
        assert torch.equal(Adapted(net, 8, "bicubic", [3, 1])(images), net(images)[:, [3, 1]])
        grown = Adapted(nn.Flatten(), 16, "nearest")(images)
    assert torch.equal(grown, images.repeat_interleave(2, 2).repeat_interleave(2, 3).flatten(1))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 7)), "10 classes, but the network has 7"),
        (nn.Linear(3, 3), "cannot take images of 8 pixels"),
    ],
)
def test_networks_that_do_not_fit_are_refused_at_once(net: nn.Module, said: str) -> None:
    shown = Shown((0.5,) * 3, (0.5,) * 3, 8, "bicubic")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said):
        score_network(net, digits(), shown)


def test_a_network_that_diverged_is_refused() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10))
    nn.init.constant_(net[1].weight, float("nan"))
    shown = Shown((0.5,) * 3, (0.5,) * 3, 8, "bicubic")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="Expected finite logits"):
        score_network(net, digits(), shown)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "Expected one of predictions=FILE, checkpoint=FILE, pretrained=true .* but got none"),
        ({"predictions": "a.npz", "checkpoint": "b.pt"}, "predictions=FILE and checkpoint=FILE"),
        ({"checkpoint": "b.pt"}, "Expected the network's name"),
        ({"pretrained": True}, "Expected the network's name"),
        ({"model": MODEL}, "but got none"),
    ],
)
def test_one_thing_is_scored(config: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate_given(EvaluateConfig(**config), digits())


# maps


def write(folder: Path, text: str) -> str:
    (folder / "map.txt").write_text(text)
    return str(folder / "map.txt")


@pytest.mark.parametrize("text", ["9\n8\n7\n6\n5\n4\n3\n2\n1\n0\n", "[9, 8,7, 6,5,4,3,2,1,0]"])
def test_a_map_is_a_list_of_outputs(text: str, tmp_path: Path) -> None:
    assert read_map(write(tmp_path, text), digits().card) == list(range(9, -1, -1))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3", "Expected 10 different outputs, but got 3"),
        ("1 1 1 1 1 1 1 1 1 1", "Expected 10 different outputs, but got 1"),
        ("0 1 2 3 4 5 6 7 8 -9", "numbers of outputs, but got '-9'"),
        ("", "numbers of outputs, but got ''"),
        ("cat\n", "numbers of outputs, but got 'cat'"),
    ],
)
def test_a_map_that_cannot_be_meant(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=said):
        read_map(write(tmp_path, text), digits().card)


def test_a_map_by_name() -> None:
    card = dataset_of({"kind": "digits", **CONFIG}).card()
    with pytest.raises(UsageError, match="Expected classes of imagenet-1k, but '0' of digitslt"):
        read_map("imagenet-1k", card)
    with pytest.raises(UsageError, match="timm knows no label space 'imagenet-9k'"):
        read_map("imagenet-9k", card)
    with pytest.raises(DataError, match="Expected a file with one output a class"):
        read_map("nowhere.txt", card)


def test_classes_of_imagenet_are_found_by_their_ids() -> None:
    from dataclasses import replace

    ids = ("n01440764", "n01484850", "n15075141")
    card = replace(digits().card, classes=("tench", "shark", "tissue"), class_ids=ids)
    assert read_map("imagenet-1k", card) == [0, 2, 999]


# rows


def test_rows_follow_the_seed_and_the_settings() -> None:
    first, second = digits(), digits(1)
    assert first.target.labels_sha256 == second.target.labels_sha256, "balanced, in label order"
    assert first.target.counts_real != second.target.counts_real
    assert first.target.split.rows_hash != second.target.split.rows_hash
    assert words_to_rows(["dataset=digitslt", "seed=1"]).target == second.target
    flat = words_to_rows(["dataset=digitslt", "dataset.imbalance=1"]).target
    assert set(flat.counts_real) == {50}
    with pytest.raises(UsageError, match="Expected a data set, but got none"):
        words_to_rows(["seed=1"])


def test_rows_that_are_not_there() -> None:
    with pytest.raises(UsageError, match="digitslt has no val rows"):
        load_rows(CONFIG, 0, "val")
    assert "Unknown dataset kind" in str(at_hand(_elsewhere()))
    found = at_hand(digits().target)
    assert not isinstance(found, str) and found.target == digits().target


def _elsewhere() -> Any:
    return digits().target.model_copy(update={"config": {"kind": "nowhere"}})


# the verb


def test_the_verb_writes_what_can_be_read_again(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("p.npz", probabilities=softmax(guesses(digits(2))))
    words = ["evaluate", "dataset=digitslt", "seed=2", "predictions=p.npz", "--out", "scored"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert "p.npz on digitslt, seed 2, 1,240 rows" in out and "ECE" in out
    found = evaluations.load(tmp_path / "scored")
    judged = load_judged(tmp_path / "scored" / "preds.npz")
    assert differences(found.scores, score(judged, 10, found.target.conventions)) == []
    assert found.target == digits(2).target
    first = (tmp_path / "scored" / "evaluation.json").read_bytes()
    assert cli.main(words) == 0
    assert (tmp_path / "scored" / "evaluation.json").read_bytes() == first


def test_classes_alone_leave_calibration_open(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("p.npy", guesses(digits()).argmax(1))
    assert cli.main(["evaluate", "dataset=digitslt", "predictions=p.npy", "--out", "scored"]) == 0
    assert "n/a, no probabilities were given" in capsys.readouterr().out
    assert evaluations.load(tmp_path / "scored").scores.calibration is None


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("dataset=digitslt", "predictons=p.npz"), 2, "did you mean predictions"),
        (("dataset=digtslt", "predictions=p.npz"), 2, "did you mean digitslt"),
        (("dataset=digitslt", "predictions=none.npz"), 3, "Expected a file of predictions"),
        (("dataset=digitslt", "predictions=p.npz", "values=logit"), 2, "'logits'"),
        (("dataset=digitslt", "checkpoint=p.pt", "model=x", "batch_size=0"), 2, "greater than 0"),
        (("dataset=digitslt", "checkpoint=p.pt", "model=x", "mean=[1,2"), 2, "mean"),
        (("predictions=p.npz",), 2, "Expected a data set"),
        (("nowhere",), 3, "Expected a run folder or an export"),
        (("--oot", "x"), 2, "did you mean --out?"),
    ],
)
def test_what_the_verb_refuses(words, code, said, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", *words]) == code
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1


def test_damaged_evaluations_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected evaluation/1, but got No such file"):
        evaluations.load(tmp_path)
    for content in ("", "[]", '{"schema": "evaluation/2"}', "\x00"):
        (tmp_path / "evaluation.json").write_text(content)
        with pytest.raises(IntegrityError, match="Expected evaluation/1, but"):
            evaluations.load(tmp_path)


def test_a_difference_is_named_by_its_path() -> None:
    judged = load_like()
    stated = score(judged, 10, digits().target.conventions)
    calibration = stated.calibration.model_copy(update={"ece": 0.5})  # type: ignore[union-attr]
    changed = stated.model_copy(update={"macro": 0.1, "calibration": calibration})
    assert [line.partition(":")[0] for line in differences(changed, stated)] == [
        "macro", "calibration.ece",
    ]  # fmt: skip
    assert differences(stated.model_copy(update={"calibration": None}), stated)
    with pytest.raises(BenchError):
        score(judged, 3, {})


def load_like() -> Any:
    from benchmark.statistics.metrics import predictions_from_logits

    return predictions_from_logits(guesses(digits()), digits().labels)
