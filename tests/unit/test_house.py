"""The rules of the house that a linter does not check."""

import re
import statistics
from collections import Counter

from tests.house import ROOT, functions, imports, modules, undocumented

MODULES = modules()
FUNCTIONS = [each for path in MODULES for each in functions(path)]
HARNESS = [path for path in MODULES if path.relative_to(ROOT).parts[0] == "benchmark"]
IMPORTS = {pair for path in HARNESS for pair in imports(path)}
# low to high: each imports itself and what stands before it
LAYERS = (
    *("paths", "harmless", "errors", "seeds", "config", "system", "statistics", "component"),
    *("registry", "vocabulary", "models", "stack", "identity", "data", "training", "generation"),
    *("recording", "tiny", "boards", "experiments", "estimation", "pairs", "grid", "publishing"),
    *("report", "launch", "conformance", "api", "integrity", "regression", "verbs", "__main__"),
)
# the interface names the values that a request for images holds; plots read what notebooks read
UPWARDS = {
    ("benchmark.component", "benchmark.generation.budget"),
    ("benchmark.component", "benchmark.generation.sources"),
    ("benchmark.report.plots", "benchmark.api"),
}


def test_no_function_is_over_60_lines() -> None:
    assert [each.where for each in FUNCTIONS if each.lines > 60] == []


def test_functions_are_small() -> None:
    sizes = [each.lines for each in FUNCTIONS]
    assert statistics.median(sizes) <= 8
    assert sum(size >= 30 for size in sizes) <= 0.02 * len(sizes)


def test_every_public_name_has_a_docstring() -> None:
    assert [name for path in MODULES for name in undocumented(path)] == []


def test_every_argument_and_result_is_annotated() -> None:
    assert [(each.where, each.bare) for each in FUNCTIONS if each.bare] == []


def test_no_forbidden_construct() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in MODULES}
    code = re.compile(r"\beval\((?!\))|\bexec\(|\binput\(|except:\s*$", re.MULTILINE)
    assert [path for path, text in texts.items() if code.search(text)] == []
    # the public test kit disturbs global random state on purpose, to see that nothing minds
    drawn = re.compile(r"(np|numpy)\.random\.(seed|rand|randn|shuffle|permutation)\(")
    assert [path.name for path, text in texts.items() if drawn.search(text)] == ["conformance.py"]


def test_dependencies_run_one_way() -> None:
    ours = {(user, used) for user, used in IMPORTS if used.startswith("benchmark.")}
    assert len(ours) > 1000
    assert {pair for pair in ours if _layer(pair[1]) > _layer(pair[0])} == UPWARDS


def test_the_harness_imports_no_component() -> None:
    packages = {used.split(".")[0] for _, used in IMPORTS}
    assert {"benchmark", "torch"} <= packages
    assert not packages & {"baselines", "synaug", "tests"}


def test_no_folder_is_a_heap() -> None:
    sizes = Counter(path.parent for path in HARNESS)
    assert {str(folder.relative_to(ROOT)): n for folder, n in sizes.items() if n > 35} == {}


def _layer(module: str) -> int:
    """The place of a module; the package itself imports nothing of ours."""
    return LAYERS.index(module.split(".")[1]) if "." in module else -1
