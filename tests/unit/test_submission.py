"""`submit`: what authors must say, what is checked, and the page of submissions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.publishing import evaluation as evaluations
from benchmark.publishing.evaluating import EvaluateConfig, evaluate_given
from benchmark.publishing.findings import Finding
from benchmark.publishing.submission import SCHEMA, Details, load, read_all
from benchmark.publishing.submission_checks import check_submission
from benchmark.publishing.submission_tables import render
from benchmark.publishing.submit_cli import ASKED
from benchmark.publishing.submitting import build, install, place
from benchmark.system.files import sha256_file
from benchmark.verbs import cli
from tests.conftest import ROOT
from tests.fixtures.digits import CLASSES, digits, guesses, softmax

SAID: dict[str, Any] = {
    "method": "Kind Loss",
    "description": "A loss that is kind to rare classes, for the tests of this suite.",
    "track": "real",
    "authors": "A. Author, B. Author",
    "paper": "Kind losses, 2026",
    "url": "https://example.org/kind",
    "code": None,
    "training_data": "the long-tailed subset alone",
    "knowledge": [],
    "backbone": "resnet8",
    "parameters": 75290,
    "recipe": "SGD, cosine",
    "epochs": 200,
    "images_added": 0,
    "cost": None,
}
FLAGS = [
    word
    for key, value in SAID.items()
    for word in (
        f"--{key.replace('_', '-')}",
        "none" if value == [] else "not stated" if value is None else str(value),
    )
]


def evaluated(folder: Path, seed: int, share: float = 0.8, hard: bool = False) -> Path:
    """The evaluation of made-up predictions."""
    rows = digits(seed)
    scores = softmax(guesses(rows, share, seed))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "given.npy", scores.argmax(1) if hard else scores)
    found = evaluate_given(EvaluateConfig(predictions=str(folder / "given.npy")), rows)
    evaluations.save(folder, *found)
    return folder


def details(**changes: Any) -> Details:
    return Details.model_validate(SAID | changes)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three seeds of one method."""
    return [evaluated(tmp_path / f"e{seed}", seed) for seed in (2, 0, 1)]


@pytest.fixture
def submitted(folders: list[Path], tmp_path: Path) -> Path:
    """A submission on disk."""
    root = tmp_path / "leaderboards" / "submissions"
    submission, files = build(folders, details())
    return install(place(root, submission), submission, files)


def checked(path: Path, **options: Any) -> dict[str, Finding]:
    """The findings by item, without the suite's own records unless they are named."""
    options = {"records_dir": path.parent / "none"} | options
    return {each.item: each for each in check_submission(path, **options)}


def test_seeds_are_put_in_order_with_their_predictions(submitted: Path) -> None:
    found = load(submitted)
    assert submitted.parent.parts[-2:] == ("digitslt", "kind-loss")
    assert [run.evaluation.target.seed for run in found.runs] == [0, 1, 2]
    names = ["s0.npz", "s1.npz", "s2.npz", "submission.json"]
    assert sorted(path.name for path in submitted.parent.iterdir()) == names
    assert json.loads(submitted.read_text())["schema"] == SCHEMA


def test_a_good_one_passes(submitted: Path) -> None:
    found = checked(submitted)
    assert {item: each.verdict for item, each in found.items()} == {
        "schema": "pass", "track": "pass", "details": "warn", "seed 0": "pass", "seed 1": "pass",
        "seed 2": "pass", "seeds": "pass", "independent seeds": "pass", "no copy": "pass",
        "not ours": "pass",
    }  # fmt: skip
    assert found["details"].detail == "not stated: code, cost"


def change(path: Path, edit: Any) -> Path:
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))
    return path


def scores(value: dict[str, Any], run: int = 0) -> dict[str, Any]:
    return value["runs"][run]["evaluation"]["scores"]


def target(value: dict[str, Any], run: int = 0) -> dict[str, Any]:
    return value["runs"][run]["evaluation"]["target"]


CHANGES = [
    ("schema", lambda v: v.update(surprise=1), "surprise: Extra inputs"),
    ("schema", lambda v: v["details"].update(url="javascript:alert(1)"), "details.url"),
    ("schema", lambda v: v["runs"].reverse(), "Expected different seeds in order, but got 2, 1, 0"),
    ("schema", lambda v: v["runs"].append(v["runs"][2]), "Expected different seeds in order"),
    ("schema", lambda v: target(v).update(protocol=2), "Expected one data set"),
    ("schema", lambda v: target(v).update(rows="heldout"), "Expected test rows"),
    ("schema", lambda v: v["runs"].clear(), "at least 1 item"),
    ("track", lambda v: v["details"].update(images_added=9), "real, but 9 images were added"),
    ("track", lambda v: v["details"].update(track="web"), "web, but no image was added"),
    ("seed 0: metrics", lambda v: scores(v).update(accuracy=0.99), "accuracy: stated 0.99, recom"),
    ("seed 0: metrics", lambda v: scores(v)["calibration"].update(ece=0.0), "calibration.ece"),
    ("seed 0: metrics", lambda v: scores(v)["groups"]["lt5"].update(few=1.0), "groups.lt5.few"),
    ("seed 0: metrics", lambda v: scores(v)["per_class"]["correct"].__setitem__(3, 1), "correct.3"),
    ("seed 0: metrics", lambda v: scores(v).update(calibration=None), "calibration"),
    ("seed 1: data set", lambda v: target(v, 1)["counts_real"].reverse(), "other counts_real"),
    ("seed 1: data set", lambda v: target(v, 1)["conventions"].update(lt5=["few"] * 10),
     "other conventions"),
    ("seed 1: labels", lambda v: target(v, 1).update(labels_sha256="0" * 64), "not those that are"),
    ("seed 1: labels", lambda v: target(v, 1).update(n=3), "1,240 rows, but 3 are stated"),
    ("seed 2: files", lambda v: v["runs"][2].update(predicted_sha256="0" * 64), "not those of the"),
    ("seed 2: files", lambda v: v["runs"][2]["evaluation"]["predictions"].update(sha256="0" * 64),
     "not the file that was evaluated"),
    ("seed 2", lambda v: v["runs"][2]["evaluation"]["predictions"].update(file="none.npz"),
     "Expected a file of predictions"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "edit", "said"), CHANGES)
def test_what_was_altered_is_named(item: str, edit: Any, said: str, submitted: Path) -> None:
    found = checked(change(submitted, edit))
    assert found[item].verdict == "fail"
    assert said in found[item].detail


def test_predictions_cannot_leave_the_folder(submitted: Path) -> None:
    edit = lambda v: v["runs"][0]["evaluation"]["predictions"].update(file="../s0.npz")  # noqa: E731
    assert checked(change(submitted, edit))["schema"].verdict == "fail"


def test_predictions_for_other_labels_are_found(submitted: Path, tmp_path: Path) -> None:
    """Labels that were swapped with the predictions would give any accuracy at all."""
    file = submitted.parent / "s0.npz"
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["labels"] = arrays["predicted"]
    np.savez(file, **arrays)
    edit = lambda v: v["runs"][0]["evaluation"]["predictions"].update(sha256=sha256_file(file))  # noqa: E731
    found = checked(change(submitted, edit))
    assert found["seed 0: labels"].verdict == "fail"


def test_a_copy_of_another_submission_fails(submitted: Path, folders: list[Path]) -> None:
    root = submitted.parent.parent.parent
    submission, files = build(folders[:1], details(method="Kinder Loss"))
    copy = install(place(root, submission), submission, files)
    assert checked(copy)["no copy"] == Finding(
        "no copy", "fail", "'Kind Loss' has the same predictions at seed 2"
    )
    assert checked(copy, itself=copy, root=root / "elsewhere")["no copy"].verdict == "pass"


def test_two_seeds_with_the_same_predictions_fail(tmp_path: Path) -> None:
    folders = [evaluated(tmp_path / str(seed), seed, hard=True) for seed in (0, 1)]
    with np.load(folders[0] / "preds.npz") as archive:
        np.save(tmp_path / "again.npy", archive["predicted"])
    again = evaluate_given(EvaluateConfig(predictions=str(tmp_path / "again.npy")), digits(1))
    evaluations.save(folders[1], *again)
    submission, files = build(folders, details())
    found = checked(install(tmp_path / "s", submission, files))
    assert found["independent seeds"].detail == "two seeds have the same predictions"
    assert found["seeds"].verdict == "warn"


@pytest.mark.parametrize(
    ("predicted", "item", "verdict", "said"),
    [
        (digits(0).labels, "seed 0: accuracy", "warn", "every row is right"),
        (np.full(1240, 4), "seed 0: variety", "fail", "class 4 is predicted for every row"),
        ((digits(0).labels + 1) % 10, "seed 0: accuracy", "warn", "less than guessing"),
    ],
)
def test_odd_accuracies_are_seen(predicted, item, verdict, said, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", predicted)
    config = EvaluateConfig(predictions=str(tmp_path / "p.npy"))
    evaluations.save(tmp_path / "e", *evaluate_given(config, digits(0)))
    submission, files = build([tmp_path / "e"], details())
    found = checked(install(tmp_path / "s", submission, files))
    assert found[item].verdict == verdict and said in found[item].detail


OURS = ROOT / "leaderboards" / "records"


def test_accuracy_above_real_images_is_worth_a_look(tmp_path: Path) -> None:
    folders = [evaluated(tmp_path / f"e{seed}", seed, share=0.999) for seed in range(3)]
    submission, files = build(folders, details(track="synthetic", images_added=3))
    path = install(tmp_path / "a" / "b" / "s", submission, files)
    finding = checked(path, records_dir=OURS)["oracle"]
    assert (
        finding.verdict == "warn" and "which real images in place of added ones" in finding.detail
    )


def test_our_own_predictions_are_recognised(tmp_path: Path) -> None:
    source = sorted((OURS / "digitslt" / "ce").rglob("s0/preds.npz"))[0]
    config = EvaluateConfig(predictions=str(source))
    evaluations.save(tmp_path / "e", *evaluate_given(config, digits(0)))
    submission, files = build([tmp_path / "e"], details())
    finding = checked(install(tmp_path / "s", submission, files), records_dir=OURS)["not ours"]
    assert finding.verdict == "warn" and "the predictions are those of our 'ce" in finding.detail


# putting together


def test_evaluations_must_go_together(tmp_path: Path, folders: list[Path]) -> None:
    with pytest.raises(UsageError, match="Expected different seeds in order, but got 0, 0"):
        build([folders[1], folders[1]], details())
    with pytest.raises(DataError, match="Expected evaluation/1, but got No such file"):
        build([tmp_path / "none"], details())
    (folders[0] / "preds.npz").write_bytes((folders[1] / "preds.npz").read_bytes())
    with pytest.raises(IntegrityError, match="Expected the predictions that were evaluated"):
        build(folders, details())


# the verb


def test_the_verb_asks_for_what_is_missing(folders: list[Path], capsys) -> None:
    assert cli.main(["submit", str(folders[0]), "--method", "Kind", "--track", "real"]) == 2
    err = capsys.readouterr().err
    assert "Expected 13 more answers: --description, --authors, --paper" in err
    assert "'not stated' is one where a value is optional" in err
    assert cli.main(["submit"]) == 2
    assert "Expected the folder of an evaluation" in capsys.readouterr().err


def test_the_template_asks_every_question(capsys) -> None:
    assert cli.main(["submit", "--template"]) == 0
    assert (
        list(yaml.safe_load(capsys.readouterr().out)) == list(ASKED) == list(Details.model_fields)
    )


def test_the_verb_writes_a_submission_that_passes(folders, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["submit", *map(str, folders), *FLAGS]) == 0
    out = capsys.readouterr().out
    path = "leaderboards/submissions/digitslt/kind-loss/submission.json"
    assert f"python -m benchmark check {path}" in out and "pass  seed 0" in out
    assert load(tmp_path / path).details == details()
    assert cli.main(["check", path]) == 0
    assert "pass  seed 2" in capsys.readouterr().out
    assert cli.main(["submit", *map(str, folders), *FLAGS]) == 2
    assert "Expected a new method, but 'Kind Loss' is there" in capsys.readouterr().err
    assert cli.main(["submit", *map(str, folders[:2]), *FLAGS, "--replace"]) == 0
    assert len(load(tmp_path / path).runs) == 2
    assert not (tmp_path / path).with_name("s1.npz").exists(), "the third seed is gone"


def test_answers_may_stand_in_a_file(folders, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    stated = {k: "not stated" if v is None else v for k, v in SAID.items()} | {"knowledge": "a, b"}
    (tmp_path / "said.yaml").write_text(yaml.safe_dump(stated))
    words = ["submit", str(folders[0]), "--details", "said.yaml", "--method", "Other"]
    assert cli.main(words) == 0
    (found,) = read_all()
    assert found.details == details(method="Other", knowledge=["a", "b"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- a", "Expected keys and values, but got list"),
        ("a: [", "Expected valid YAML"),
        ("metod: x", "Unknown key 'metod'"),
        ("!!python/object/apply:os.system ['true']", "Expected valid YAML"),
    ],
)
def test_files_that_hold_no_answers(content: str, said: str, folders, tmp_path, capsys) -> None:
    (tmp_path / "said.yaml").write_text(content)
    assert cli.main(["submit", str(folders[0]), "--details", str(tmp_path / "said.yaml")]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--track", "fake", "[track]"),
        ("--parameters", "many", "[parameters]"),
        ("--epochs", "-3", "[epochs]"),
        ("--url", "ftp://x", "[url]"),
        ("--method", "not stated", "[method]"),
        ("--description", "short", "[description]"),
    ],
)
def test_answers_that_cannot_be_meant(flag, value, said, folders, capsys) -> None:
    assert cli.main(["submit", str(folders[0]), *FLAGS, flag, value]) == 2
    err = capsys.readouterr().err
    assert said in err and ASKED[said[1:-1]] in err


def test_nothing_is_written_where_a_check_fails(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("p.npy", np.full(1240, 4))
    evaluations.save(tmp_path / "e", *evaluate_given(EvaluateConfig(predictions="p.npy"), digits()))
    assert cli.main(["submit", "e", *FLAGS]) == 4
    out, err = capsys.readouterr()
    assert "fail  seed 0: variety" in out and "nothing was written" in err
    assert not (tmp_path / "leaderboards").exists()


# the page


def test_the_page_is_a_function_of_the_submissions(submitted: Path, folders, tmp_path) -> None:
    first = load(submitted)
    single, _ = build(folders[:1], details(method="Alone", track="synthetic", epochs=None,
                                           images_added=7, knowledge=["clip"]))  # fmt: skip
    page = render([first, single])
    assert page == render([single, first])
    assert page.startswith("# Submitted results\n")
    rows = [line for line in page.splitlines() if line.startswith(("| Kind", "| Alone"))]
    assert [row.split(" | ")[:3] for row in rows] == [
        ["| Kind Loss", "real", "3"], ["| Alone", "synthetic", "1"],
    ]  # fmt: skip
    mean = 100 * np.mean([run.evaluation.scores.accuracy for run in first.runs])
    assert f"| {mean:.2f} ± " in rows[0] and "±" not in rows[1].split(" | ")[3]
    assert "not stated" in rows[1] and "| clip |" in rows[1]
    assert "<https://example.org/kind>" in page


def test_an_empty_page_says_so() -> None:
    assert render([]).endswith("There are none yet.\n")
    assert read_all(Path("nowhere")) == []


def test_text_of_authors_is_inert(folders) -> None:
    hostile = "<b>x</b> | [y](javascript:z) `q`\n# z"
    found, _ = build(folders[:1], details(method=hostile, authors=hostile, cost=hostile))
    page = render([found])
    assert "<b>" not in page and "[y](" not in page and "\n# z" not in page
    (row,) = [line for line in page.splitlines() if line.startswith("| &lt;b")]
    cells = row.replace("\\|", "").count("|")
    assert cells == 15 and CLASSES == 10
