"""What is promised stands in SECURITY.md, and the counts in docs/security.md are those of tests."""

import re

import pytest

from tests.conftest import ROOT
from tests.security.counts import table

POLICY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
REPORT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_the_table_counts_the_cases() -> None:
    assert table() in REPORT


@pytest.mark.parametrize("text", [POLICY, REPORT], ids=["SECURITY.md", "docs/security.md"])
def test_files_that_are_named_exist(text: str) -> None:
    named = re.findall(r"`((?:benchmark|tests|docs|\.ci|\.github)/[\w./-]+)`", text)
    links = re.findall(r"\]\(([\w./-]+)\)", text)
    assert named and all((ROOT / name).exists() for name in named)
    base = ROOT if text is POLICY else ROOT / "docs"
    assert all((base / link).exists() for link in links)


def test_no_module_reads_pickles_or_runs_texts() -> None:
    """By the source: what could run a file is called nowhere, or told to be safe."""
    banned = re.compile(
        r"\b(pickle\.loads?|joblib\.load|yaml\.(load|full_load|unsafe_load)|os\.system|extractall|"
        r"allow_pickle=True|shell=True|trust_remote_code=True|hydra\.utils|instantiate\()|"
        r"(?<![\w.])(eval|exec|__import__)\("
    )
    unsafe = re.compile(r"torch\.load\((?![^)]*weights_only=True)|Image\.open\((?!.*formats=)")
    found = []
    for folder in ("benchmark", "baselines", "synaug"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for line in path.read_text(encoding="utf-8").splitlines():
                if banned.search(line) or unsafe.search(line):
                    found.append(f"{path.relative_to(ROOT)}: {line.strip()}")
    assert not found, "\n".join(found)
