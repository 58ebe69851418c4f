"""Files of jobs: what they hold, what becomes of damaged ones, and what ``work`` refuses."""

import json
from pathlib import Path

import pytest

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.launch.jobs_file import Job, at, jobs_of, read_jobs, write_jobs
from benchmark.launch.work import run_one
from benchmark.verbs import cli
from benchmark.verbs.dry_run import swept, take_write

WORDS = ("-m", "method=ce,ldam", "seed=0,1", "recipe.steps.amount=2")
JOB = Job("a", 0, "abc123def456", "runs/d/a/abc123def456/s0", ("method=ce", "seed=0"))


def test_a_plan_is_a_job_a_run_whatever_is_finished() -> None:
    found = swept(WORDS)
    jobs = jobs_of(found)
    assert [(job.name, job.seed) for job in jobs] == [
        ("ce", 0), ("ldam", 0), ("ce", 1), ("ldam", 1)
    ]  # fmt: skip
    assert jobs[1].overrides == ("method=ldam", "recipe.steps.amount=2", "seed=0")
    assert all(job.folder == f"runs/digitslt/{job.name}/{job.hash}/s{job.seed}" for job in jobs)


def test_jobs_are_read_as_they_were_written(tmp_path: Path) -> None:
    jobs = [JOB, Job("ü \n", 7, "x", "runs/é", ("a='b c'", "seed=7"))]
    write_jobs(tmp_path / "jobs.jsonl", jobs)
    assert read_jobs(tmp_path / "jobs.jsonl") == jobs


def line(**changes: object) -> bytes:
    value = {"name": "a", "seed": 0, "hash": "h", "folder": "f", "overrides": ["seed=0"]}
    return json.dumps(value | changes).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "but got an empty file"),
        (b"{", "on line 1, but got no JSON"),
        (line() + b"\n" + line()[:-4], "on line 2, but got no JSON"),
        (b"[" * 100_000, "on line 1, but got no JSON"),
        (b"[]", "but got other keys"),
        (line(more=1), "but got other keys"),
        (line(seed="0"), "but got values of other types"),
        (line(seed=True), "but got values of other types"),
        (line(overrides="seed=0"), "but got values of other types"),
        (line(overrides=[1]), "but got values of other types"),
        (line(folder=None), "but got values of other types"),
        (b"\xff\xfe", "but got bytes that are not UTF-8"),
    ],
)
def test_a_damaged_file_names_its_line(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_bytes(content)
    with pytest.raises(IntegrityError) as caught:
        read_jobs(path)
    assert problem in str(caught.value) and "write the file again" in str(caught.value)


def test_an_absent_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--dry-run --write jobs\.jsonl"):
        read_jobs(tmp_path / "none")


def test_numbers_outside_the_file_are_refused() -> None:
    assert at([JOB], 0, "f") is JOB
    for index in (-1, 1):
        with pytest.raises(UsageError, match=r"Expected a number in \[0, 1\)"):
            at([JOB], index, "f")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a=1"], (["a=1"], None)),
        (["a=1", "--write", "x.jsonl", "b=2"], (["a=1", "b=2"], Path("x.jsonl"))),
        (["--write=x.jsonl", "b=2"], (["b=2"], Path("x.jsonl"))),
    ],
)
def test_the_file_to_write_is_taken_from_the_words(
    words: list[str], expected: tuple[list[str], Path | None]
) -> None:
    assert take_write(words) == expected


def test_write_without_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match="Expected a file, but got none"):
        take_write(["a=1", "--write"])


def test_a_job_that_became_another_experiment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (job, *_) = jobs_of(swept(WORDS))
    altered = Job(job.name, job.seed, "0" * 12, job.folder, job.overrides)
    with pytest.raises(UsageError, match=f"Expected experiment {'0' * 12}.*write the file of jobs"):
        run_one(altered)
    elsewhere = Job(job.name, job.seed, job.hash, "elsewhere/s0", job.overrides)
    with pytest.raises(UsageError, match="in elsewhere/s0, but its words now make"):
        run_one(elsewhere)
    assert not list(tmp_path.rglob("record.json"))


@pytest.mark.parametrize("word", ["hydra/launcher=joblib", "hydra.run.dir=x", "+x._target_=y"])
def test_a_file_cannot_set_what_is_hydras(word: str) -> None:
    job = Job("a", 0, "h", "f", ("method=ce", word, "seed=0"))
    with pytest.raises(UsageError):
        run_one(job)
    assert not Path("f").exists()


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (["--index", "0", "--shard", "0/2"], "expected --index alone"),
        (["--index", "0", "--workers", "2"], "expected --index alone"),
        (["--workers", "0"], "expected at least one worker"),
        (["--shard", "2/2"], "shard"),
        (["--worker", "2"], "Unknown argument '--worker'"),
    ],
)
def test_words_that_cannot_be_meant(
    args: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_jobs(tmp_path / "jobs.jsonl", [JOB])
    assert cli.main(["work", str(tmp_path / "jobs.jsonl"), *args]) == 2
    assert problem.lower() in capsys.readouterr().err.lower()
