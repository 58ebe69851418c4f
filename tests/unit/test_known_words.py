"""Class names that a small generator was taught no word of."""

import json
from pathlib import Path

import pytest

from benchmark import api
from benchmark.generation.known_words import untaught
from synaug.embedded import CHECKPOINT
from synaug.embedded.fonts import DIGITS


def vocabulary(folder: Path, words: int) -> Path:
    path = folder / "tokenizer" / "tokenizer.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"model": {"vocab": {f"{n}</w>": n for n in range(words)}}}))
    return folder


def test_the_embedded_generator_knows_the_digits_and_nothing_else() -> None:
    assert untaught(CHECKPOINT, DIGITS) == []
    assert untaught(CHECKPOINT, ["kingfisher", "seven", "pine tree"]) == ["kingfisher", "pine tree"]


def test_large_absent_and_broken_vocabularies_say_nothing(tmp_path: Path) -> None:
    assert untaught(vocabulary(tmp_path, 20_000), ["kingfisher"]) == []
    assert untaught(tmp_path / "nowhere", ["kingfisher"]) == []
    (tmp_path / "tokenizer" / "tokenizer.json").write_text("{")
    assert untaught(tmp_path, ["kingfisher"]) == []


def test_a_run_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("method=t2i", "budget=add", "budget.amount=1", "generator.steps=2", "progress=false",
             "recipe.steps.unit=iterations", "recipe.steps.amount=1", "threads=1")  # fmt: skip
    api.run(*words, f"out={tmp_path}")
    assert "was taught no word" not in capsys.readouterr().err
