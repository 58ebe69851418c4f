"""Coverage-guided fuzzing with atheris, an extra: one target, or all of them in turn.

python -m tests.fuzz.run                                  names of the targets
python -m tests.fuzz.run record --seconds 60              one target
python -m tests.fuzz.run all --seconds 60 --rounds 1      each of them for a minute
python -m tests.fuzz.run findings                         what was found so far

A reader that raises anything but BenchError is a finding: its input is kept under
``FOLDER/findings/<target>/<error>-<place>`` and fuzzing goes on. Inputs that reach new code are
kept under ``FOLDER/corpus/<target>``; each round begins with them.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import traceback
from pathlib import Path
from random import Random

FOLDER = Path("/tmp/fuzz")
MEMORY_MB, MALLOC_MB, INPUT_S, LARGEST = 2200, 1024, 10, 65536
# decoders of images say much about what they skip
QUIET = {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def place_of(error: BaseException) -> str:
    """The innermost line of the suite's own that an error came through: "files.py:116"."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if re.search(r"/(benchmark|baselines|synaug)/", frame.filename)
    ]
    last = (own or frames)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def keep(folder: Path, target: str, error: BaseException, data: bytes) -> bool:
    """Keep the input of a finding; whether it is the first of its kind."""
    kind = f"{type(error).__name__}-{place_of(error)}"
    path = folder / "findings" / target / kind
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    said = "".join(traceback.format_exception(error))[-3000:]
    path.with_suffix(path.suffix + ".txt").write_text(said, errors="backslashreplace")
    return True


def _one(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["benchmark", "zipfile", "tarfile", "urllib", "json"]):
        import benchmark  # noqa: F401
        from tests.fuzz.mutate import mutate
        from tests.fuzz.targets import find

        target = find(name)
    assert target is not None
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    committed = Path(__file__).parent / "corpus" / name
    known = list(committed.glob("*")) if committed.is_dir() else []
    for data in [*target.seeds(), *(path.read_bytes() for path in known)]:
        (corpus / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)

    def try_one(data: bytes) -> None:
        try:
            target.try_on(data)
        except Exception as error:  # everything but BenchError is what is looked for
            if keep(folder, name, error, data):
                print(f"FINDING {name}: {type(error).__name__} {place_of(error)}", flush=True)

    def change(data: bytes, limit: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(data, limit))
        return mutate(target.shape, data, Random(seed))[:limit]

    artifacts = folder / "stopped" / name
    artifacts.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}", f"-timeout={INPUT_S}", f"-rss_limit_mb={MEMORY_MB}",
        f"-malloc_limit_mb={MALLOC_MB}", f"-max_len={LARGEST}", "-print_final_stats=1",
        f"-artifact_prefix={artifacts}/",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], try_one, custom_mutator=change)
    atheris.Fuzz()


def _spawn(name: str, folder: Path, seconds: int) -> dict[str, object]:
    """Fuzz one target in a process of its own; what it came to."""
    before = os.times()
    command = [sys.executable, "-m", "tests.fuzz.run", name, "--seconds", str(seconds), "--inside",
               "--folder", str(folder)]  # fmt: skip
    begin = time.time()
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=os.environ | QUIET
    )
    after = os.times()
    said = done.stdout + done.stderr
    found: dict[str, object] = {
        "target": name,
        "when": time.strftime("%H:%M:%S"),
        "wall": round(time.time() - begin, 1),
        "cpu": round(after.children_user + after.children_system
                     - before.children_user - before.children_system, 1),
        "code": done.returncode,
        "findings": re.findall(r"^FINDING (.*)$", said, re.M),
    }  # fmt: skip
    for key, pattern in (("executions", r"number_of_executed_units: (\d+)"),
                         ("coverage", r" cov: (\d+)"), ("features", r" ft: (\d+)"),
                         ("rss_mb", r"peak_rss_mb: +(\d+)")):  # fmt: skip
        numbers = re.findall(pattern, said)
        found[key] = int(numbers[-1]) if numbers else None
    if done.returncode:
        found["stopped"] = said[-1500:]
    return found


def _rounds(names: list[str], folder: Path, seconds: int, rounds: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    while rounds == 0 or count < rounds:
        count += 1
        for name in names:
            found = _spawn(name, folder, seconds)
            with (folder / "log").open("a") as log:
                log.write(json.dumps(found) + "\n")
            shown = {key: value for key, value in found.items() if key != "stopped"}
            print(json.dumps(shown), flush=True)


def findings(folder: Path) -> str:
    """Sums by target from the log, and every finding."""
    lines = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    sums: dict[str, list[float]] = {}
    for line in lines:
        one = sums.setdefault(line["target"], [0, 0, 0, 0])
        one[0] += line["cpu"]
        one[1] += line["executions"] or 0
        one[2] = max(one[2], line["coverage"] or 0)
        one[3] += bool(line["code"])
    text = [f"{'target':24}{'cpu s':>9}{'executions':>12}{'coverage':>10}{'stopped':>9}"]
    text += [f"{name:24}{cpu:9.0f}{runs:12.0f}{cover:10.0f}{stops:9.0f}"
             for name, (cpu, runs, cover, stops) in sorted(sums.items())]  # fmt: skip
    total = [sum(column) for column in zip(*sums.values(), strict=True)]
    text.append(f"{'all':24}{total[0]:9.0f}{total[1]:12.0f}{'':10}{total[3]:9.0f}")
    text.append(f"{total[0] / 3600:.2f} hours of CPU time")
    for path in sorted((folder / "findings").rglob("*.txt")):
        text.append(f"{path.parent.name}: {path.name.removesuffix('.txt')}")
    for path in sorted((folder / "stopped").rglob("*")):
        if path.is_file():
            text.append(f"{path.parent.name}: {path.name}")
    return "\n".join(text)


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m tests.fuzz.run", None, __doc__, formatter_class=raw)
    parser.add_argument("target", nargs="?", default="", help="a target, all, or findings")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--rounds", type=int, default=1, help="of all; 0 goes on for ever")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of corpus, findings and log")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        _one(given.target, given.folder, given.seconds)
        return
    if given.target == "findings":
        print(findings(given.folder))
        return
    from tests.fuzz.targets import every

    names = list(every()) if given.target == "all" else [given.target]
    if not set(names) <= set(every()):
        print("\n".join(every()))
        return
    _rounds(names, given.folder, given.seconds, given.rounds)


if __name__ == "__main__":
    main()
