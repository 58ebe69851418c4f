"""Files to begin a component with: they pass lint, types, tests and the test kit as written.

The texts are in ``templates``; a name, a class and the settings are all that is put into them. In a
checkout a component is a module and a YAML file; a package of its own needs no YAML, so there its
settings have defaults. Imports no torch.
"""

import keyword
import re
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from string import Template

import yaml

from benchmark.errors import UsageError, nearest
from benchmark.paths import PACKAGE, config_dir
from benchmark.registry import COMPONENT_PACKAGES, COMPONENTS, yaml_names
from benchmark.system.files import write_text
from benchmark.vocabulary.source import module_path
from benchmark.vocabulary.words import Parser

KINDS = {
    "loss": "a loss of logits and labels",
    "sampler": "which rows an epoch takes",
    "mix": "a way to blend images and targets",
    "stage": "a second stage of training",
}
LONGEST_NAME, LONGEST_PACKAGE = 40, 30
_TEMPLATES = PACKAGE / "templates"
_KIT_IMPORT = "from benchmark.conformance import check_component\n"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def main(args: Sequence[str]) -> int:
    """The verb ``new``: write the files, say what to do next, and return the exit code."""
    usage = "component NAME [--loss|--sampler|--mix|--stage] [--package DIR]"
    parser = Parser("new", usage, "files to begin a component with; nothing is overwritten")
    parser.add_argument("what", choices=["component"], help="what to begin")
    parser.add_argument("name", help="as in method=NAME: lower-case letters, digits, underscores")
    for kind, text in KINDS.items():
        parser.add_argument(f"--{kind}", dest="kinds", action="append_const", const=kind, help=text)
    package = "a folder for an installable package; else the files go into this checkout"
    parser.add_argument("--package", type=Path, metavar="DIR", help=package)
    given = parser.strict(args)
    kinds = given.kinds or ["loss"]
    if len(kinds) > 1:
        parser.error(f"expected one kind, but got {' and '.join(kinds)}")
    written = new_component(given.name, kinds[0], given.package)
    print("\n".join([f"wrote  {_shown(path)}" for path in written]))
    print("\n".join(f"next   {line}" for line in _next(given.name, written[-1], given.package)))
    return 0


def new_component(name: str, kind: str = "loss", package: Path | None = None) -> list[Path]:
    """Write the files of a new component.

    Args:
        name: as in ``method=NAME``.
        kind: a key of ``KINDS``.
        package: the folder of a package to make; None adds to this checkout.

    Returns:
        The files, the test last.

    Raises:
        UsageError: the name cannot be used, a file is there already, or there is no checkout.
        StorageError: a file cannot be written.
    """
    _check_name(name)
    files = _checkout(name, kind) if package is None else _package(name, kind, package)
    there = [path for path in files if path.exists()]
    if there:
        raise UsageError(
            "Expected no such file, but there is one; nothing was written",
            where=there[0],
            todo="choose another name, or another folder with --package DIR",
        )
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _check_name(name: str) -> None:
    if not _usable(name, LONGEST_NAME):
        slug = re.sub(r"\W+", "_", name.lower()).strip("_")
        better = f"; did you mean {slug}?" if _usable(slug, LONGEST_NAME) else ""
        raise UsageError(
            f"Expected a name of lower-case letters, digits and underscores, at most "
            f"{LONGEST_NAME}, but got '{name}'",
            todo=f"begin with a letter, and use no word of Python{better}",
        )
    taken = {*COMPONENTS.names(), *yaml_names("method"), *_modules()}
    if name in taken:
        close = ", ".join(each for each in nearest(name, taken) if each != name)
        raise UsageError(
            f"Expected a new name, but '{name}' is taken",
            todo="choose another" + (f"; taken are also {close}" if close else ""),
        )


def _usable(name: str, longest: int) -> bool:
    fits = len(name) <= longest and _NAME.fullmatch(name)
    return bool(fits) and not keyword.iskeyword(name)


def _modules() -> set[str]:
    """Names of the modules beside the components, which a new one would replace."""
    return {
        path.stem for package in COMPONENT_PACKAGES for path in (PACKAGE.parent / package).iterdir()
    }


def _checkout(name: str, kind: str) -> dict[Path, str]:
    """The files of a component in this checkout, by path."""
    root = PACKAGE.parent
    if config_dir() != root / "configs" or not (root / "tests" / "unit").is_dir():
        raise UsageError(
            "Expected a checkout of the project, but the suite is installed",
            where=root,
            todo="make a package: --package DIR",
        )
    folder = COMPONENT_PACKAGES[0]
    words = {"package": folder} | _words(name)
    empty = {f"default_{key}": "" for key in _settings(kind, name)}
    code, test = _filled(f"{kind}.py", words | empty), _filled(f"{kind}.test", words)
    own = ("benchmark", *COMPONENT_PACKAGES)
    return {
        root / folder / f"{name}.py": _sorted_imports(code, own),
        root / "configs" / "method" / f"{name}.yaml": _filled(f"{kind}.yaml", words),
        root / "tests" / "unit" / f"test_{name}.py": _sorted_imports(test, own),
    }


def _package(name: str, kind: str, folder: Path) -> dict[Path, str]:
    """The files of a package with one component, by path."""
    folder = folder.expanduser().resolve()
    distribution = folder.name
    package = re.sub(r"\W", "_", distribution.lower())
    if not _usable(package, LONGEST_PACKAGE) or module_path(package):
        raise UsageError(
            "Expected a folder that can give a new package its name, but got this one",
            where=folder,
            todo=f"letters, digits and underscores, at most {LONGEST_PACKAGE}, and no module that "
            "is there already",
        )
    words = {"package": package, "distribution": distribution} | _words(name)
    defaults = {f"default_{key}": f" = {value!r}" for key, value in _settings(kind, name).items()}
    code, test = _filled(f"{kind}.py", words | defaults), _filled(f"{kind}.test", words)
    source = folder / "src" / package
    return {
        folder / "pyproject.toml": _filled("pyproject.toml", words),
        source / "__init__.py": f'"""Components for synaug-bench: {name}."""\n',
        source / f"{name}.py": _sorted_imports(code, (package,)),
        folder / "tests" / f"test_{name}.py": _sorted_imports(test, (package,), _KIT_IMPORT)
        + _filled("kit.test", words),
    }


def _words(name: str) -> dict[str, str]:
    title = name.replace("_", " ").strip().capitalize()
    camel = "".join(part.capitalize() for part in name.split("_"))
    return {"name": name, "Title": title, "Class": camel}


def _settings(kind: str, name: str) -> dict[str, object]:
    """The settings of a kind with their values, as its YAML file has them."""
    return dict(yaml.safe_load(_filled(f"{kind}.yaml", _words(name))))


def _filled(template: str, words: dict[str, str]) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(words)


def _sorted_imports(text: str, own: Sequence[str], *more: str) -> str:
    """The text with its imports and ``more`` as linters sort them: Python's, others', ``own``."""
    lines = text.splitlines(keepends=True)
    found = [line for line in lines if line.startswith(("import ", "from "))]
    first, last = lines.index(found[0]), lines.index(found[-1])

    def place(line: str) -> tuple[int, bool, str]:
        keyword_, module = line.split()[:2]
        top = module.partition(".")[0]
        group = 0 if top in sys.stdlib_module_names else 2 if top in own else 1
        return group, keyword_ == "from", module

    groups = groupby(sorted([*found, *more], key=place), lambda line: place(line)[0])
    sections = ["".join(section) for _, section in groups]
    return "".join([*lines[:first], "\n".join(sections), *lines[last + 1 :]])


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _next(name: str, test: Path, package: Path | None) -> list[str]:
    install = [] if package is None else [f"pip install -e {_shown(package.resolve())}"]
    check = f"python -m benchmark check component {name}"
    return [*install, f"python -m pytest {_shown(test)}", check]
