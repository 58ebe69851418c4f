"""The house rules as numbers: lengths of functions, missing docstrings and annotations.

python -m tests.house        lines of each module, median and longest function
"""

import ast
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("benchmark", "baselines", "synaug")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Measured:
    """One function.

    Attributes:
        where: file and line.
        name: of the function.
        lines: lines of code from ``def`` to the end; docstring, comments and blanks left out.
        bare: arguments without annotation.
        documented: whether it has a docstring, or needs none.
    """

    where: str
    name: str
    lines: int
    bare: tuple[str, ...]
    documented: bool


def modules() -> list[Path]:
    """All source files of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def functions(path: Path) -> Iterator[Measured]:
    """Every function and method of a file."""
    text = path.read_text(encoding="utf-8")
    for node, public in _walk(ast.parse(text), True):
        if isinstance(node, Function):
            yield Measured(
                where=f"{path.relative_to(ROOT)}:{node.lineno}",
                name=node.name,
                lines=_code_lines(node, text.splitlines()),
                bare=tuple(_bare(node)),
                documented=not public or bool(ast.get_docstring(node)),
            )


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Pairs of a file's module and a module that it imports, also within functions.

    Imports for type checkers alone are left out.
    """
    user = _module(path)
    for node in _executed(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((user, each.name) for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for each in node.names:
                inner = ROOT.joinpath(*node.module.split("."), each.name)
                found = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield user, f"{node.module}.{each.name}" if found else node.module


def undocumented(path: Path) -> list[str]:
    """Public names of a file, the module among them, that have no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    missing = [] if ast.get_docstring(tree) else [str(path.relative_to(ROOT))]
    for node, public in _walk(tree, True):
        if public and not ast.get_docstring(node):
            missing.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    return missing


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _executed(child)


def _walk(tree: ast.AST, public: bool) -> Iterator[tuple[Function | ast.ClassDef, bool]]:
    """Functions and classes with whether they are public; what is inside a function is not."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            seen = public and not node.name.startswith("_")
            yield node, seen
            yield from _walk(node, seen and isinstance(node, ast.ClassDef))
        else:
            yield from _walk(node, public)


def _bare(node: Function) -> Iterator[str]:
    given = node.args
    extra = [each for each in (given.vararg, given.kwarg) if each]
    for each in [*given.posonlyargs, *given.args, *given.kwonlyargs, *extra]:
        if each.annotation is None and each.arg not in ("self", "cls"):
            yield each.arg
    if node.returns is None:
        yield "return"


def _code_lines(node: Function, lines: list[str]) -> int:
    skipped: set[int] = set()
    if ast.get_docstring(node):
        doc = node.body[0]
        skipped = set(range(doc.lineno, (doc.end_lineno or doc.lineno) + 1))
    wanted = [
        lines[number - 1].strip()
        for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if number not in skipped
    ]
    return sum(bool(line) and not line.startswith("#") for line in wanted)


def main() -> None:
    """Print the table."""
    every: list[Measured] = []
    print(f"{'module':<44}{'lines':>6}{'functions':>11}{'median':>8}{'longest':>9}")
    for path in modules():
        found = list(functions(path))
        every += found
        sizes = [each.lines for each in found] or [0]
        total = len(path.read_text(encoding="utf-8").splitlines())
        print(
            f"{path.relative_to(ROOT)!s:<44}{total:>6}{len(found):>11}"
            f"{statistics.median(sizes):>8g}{max(sizes):>9}"
        )
    sizes = [each.lines for each in every]
    below = sum(size < 30 for size in sizes) / len(sizes)
    longest = max(every, key=lambda each: each.lines)
    print(
        f"{len(sizes)} functions, median {statistics.median(sizes):g} lines, {below:.1%} under 30"
    )
    print(f"longest: {longest.name} ({longest.lines} lines) in {longest.where}")


if __name__ == "__main__":
    main()
