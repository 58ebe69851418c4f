"""The page of methods: a section for each, from its source, its YAML file and the leaderboards.

Plugins are left out, so that the page does not depend on what is installed. Imports no component.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from benchmark.boards import text
from benchmark.boards.ours import Ours, ours, read_ours
from benchmark.identity import presets, shipped_settings
from benchmark.paths import PACKAGE, config_dir
from benchmark.registry import BUILT_IN, COMPONENTS, Entry
from benchmark.report.markdown import REPORT_COMMAND
from benchmark.vocabulary.presets import Preset, word
from benchmark.vocabulary.source import (
    ClassSource,
    Head,
    module_path,
    read_class,
    sections,
    yaml_head,
)

PAGE = Path("docs/methods.md")
SECTIONS = ("Equation", "Published", "Differences")
# a component belongs to the first family one of whose hooks it fills
_BY_HOOKS = (
    ("Supplies of images", {"request_images"}),
    ("Networks and losses of their own", {"loss", "views"}),
    ("Stages of training", {"stages"}),
    ("Losses and class weights", {"criterion", "class_weights"}),
    ("What a batch holds: samplers, mixing, weights of rows", {"streams", "mix"}),
    ("After training", {"deploy"}),
    ("Networks", {"build", "start_stage", "after_step", "end_epoch"}),
)
_NONE = "The reference"
_PRESETS = "Presets: named stacks"
FAMILIES = (_NONE, *(title for title, _ in reversed(_BY_HOOKS)), _PRESETS)
_CODE = re.compile(r"``(.+?)``", re.DOTALL)
_BEGINS = re.compile(r"^(\d*)([#+.)-])")
_SENTENCE_ENDS = (".", "?", "!", ".)", '."')


def pages(tables_dir: Path) -> dict[Path, str]:
    """The text of the page by its path; nothing where there is no such page to keep.

    Args:
        tables_dir: the folder of leaderboards.
    """
    return {PAGE: render(read_ours(tables_dir))} if PAGE.exists() else {}


def render(rows: list[Ours]) -> str:
    """The whole page.

    Args:
        rows: of all leaderboards.
    """
    written = _components(rows) | _presets(rows)
    families = {title: sorted(own.items()) for title, own in _grouped(written).items() if own}
    contents = "".join(
        f"- {text.escape(title)}: {', '.join(f'[{name}](#{name})' for name, _ in own)}\n"
        for title, own in families.items()
    )
    body = "".join(
        f"## {text.escape(title)}\n\n" + "".join(f"### {name}\n\n{said}" for name, said in own)
        for title, own in families.items()
    )
    return f"# Methods\n\n{_INTRODUCTION}\n{contents}\n{body.rstrip()}\n"


_INTRODUCTION = f"""\
One section a method: what it does, its equation, its settings as shipped, what was published, what
our committed runs gave, and where ours differs; `python -m benchmark show method=ldam` prints one.
Published numbers are top-1 accuracies in percent, a/b/c for imbalance factors as said; they were
made with other data, networks and lengths than ours unless a table says the same, and are never
ranked beside them. Ours: mean ± 95 % interval over seeds.

Made from the sources, the YAML files and the leaderboards by {text.code(REPORT_COMMAND)}, and
checked byte for byte by the same with `--check`.
"""


def family(methods: Iterable[str]) -> str:
    """The heading that a component stands under, by the hooks that it fills."""
    filled = set(methods)
    return next((title for title, hooks in _BY_HOOKS if hooks & filled), _NONE)


def _grouped(written: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {title: {} for title in FAMILIES}
    for name, (title, said) in written.items():
        found[title][name] = said
    return found


def _components(rows: list[Ours]) -> dict[str, tuple[str, str]]:
    """Family and section of every built-in component."""
    found = {}
    for name, entry in COMPONENTS.entries.items():
        source = read_class(entry.target) if entry.origin == BUILT_IN else None
        if source:
            found[name] = (family(source.methods), _component(entry, source, ours(name, rows)))
    return found


def _presets(rows: list[Ours]) -> dict[str, tuple[str, str]]:
    return {
        name: (_PRESETS, _preset(preset, ours(name, rows))) for name, preset in presets().items()
    }


def _component(entry: Entry, source: ClassSource, rows: list[Ours]) -> str:
    path = config_dir() / "method" / f"{entry.name}.yaml"
    head = yaml_head(path)
    said, parts = sections(source.doc)
    module = module_path(entry.target.partition(":")[0])
    hooks = [hook for title, found in _BY_HOOKS for hook in found if hook in source.methods]
    blocks = [
        text.escape(head.summary),
        *map(prose, said.split("\n\n")),
        _paper(source.citation),
        _fenced("Equation", parts.get("Equation", "")),
        _settings(source, shipped_settings(entry.name)),
        _searched(source.search),
        _fenced("Published", parts.get("Published", "")),
        _ours(rows, " alone"),
        _differences(parts.get("Differences", "")),
        _run(head),
        _files(module, path) + (f" Fills {_list(sorted(hooks))}." if hooks else ""),
    ]
    return _joined(blocks)


def _preset(preset: Preset, rows: list[Ours]) -> str:
    path = config_dir() / "method" / f"{preset.name}.yaml"
    head = yaml_head(path)
    stack = ", ".join(f"[{name}](#{name})" for name in preset.stack)
    blocks = [
        text.escape(head.summary),
        f"The stack {stack}; the same as {text.code(preset.words)}.",
        _labelled("Published", head.notes.get("published", "")),
        _ours(rows),
        _labelled("Differences", head.notes.get("differences", "")),
        _run(head),
        _files(path),
    ]
    return _joined(blocks)


def _joined(blocks: Iterable[str]) -> str:
    return "".join(f"{block}\n\n" for block in blocks if block)


def prose(paragraph: str) -> str:
    """A paragraph of a docstring as Markdown on one line; ``code`` stays, the rest is inert."""
    pieces = _CODE.split(paragraph.strip())
    shown = [text.code(piece) if odd % 2 else _inert(piece) for odd, piece in enumerate(pieces)]
    # what begins a line as a list or a heading does
    return _BEGINS.sub(r"\1\\\2", "".join(shown))


def _inert(piece: str) -> str:
    """Escaped, with the blanks at its ends kept."""
    before, after = piece[:1].isspace() * " ", piece[-1:].isspace() * " "
    return before + text.escape(piece) + after if piece.strip() else " " * bool(piece)


def _paper(citation: Mapping[str, Any]) -> str:
    if not citation:
        return ""
    authors, title, venue, year, url = (
        text.escape(str(citation.get(key, "")))
        for key in ("authors", "title", "venue", "year", "url")
    )
    where = " ".join(part for part in (venue, year) if part)
    link = f" <{url}>" if url else ""
    return f"{authors}: *{title}*. {where}.{link}"


def _fenced(title: str, body: str) -> str:
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", body)), default=0))
    return f"**{title}**\n\n{fence}text\n{body}\n{fence}" if body else ""


def _labelled(title: str, said: str) -> str:
    return f"**{title}:** {text.escape(said)}" if said else ""


def _settings(source: ClassSource, values: Mapping[str, Any]) -> str:
    if not source.settings:
        return "**Settings:** none"
    cells = [
        [
            text.code_cell(each.name),
            text.code_cell(word(values.get(each.name, each.neutral))),
            text.escape(each.allowed),
            prose(each.text),
        ]
        for each in source.settings
    ]
    head = ["Setting", "Default", "Allowed", "Meaning"]
    return f"**Settings**\n\n{text.markdown_table(head, cells, len(head))}".rstrip()


def _searched(space: Mapping[str, str]) -> str:
    tried = "; ".join(f"{text.code(key)} {values}" for key, values in space.items())
    return f"**Tried by a search:** {tried}" if tried else ""


def _ours(rows: list[Ours], alone: str = "") -> str:
    if not rows:
        return f"**Ours:** no run of it{alone} is committed."
    cells = [
        [
            f"[{text.escape(row.title)}](../leaderboards/tables/{row.table}.md)",
            text.escape(row.backbone),
            text.escape(row.label),
            text.escape(row.budget),
            str(row.seeds),
            row.accuracy,
            row.few,
        ]
        for row in rows
    ]
    head = ["Table", "Backbone", "Row", "Budget", "Seeds", "All", "Few"]
    return f"**Ours**\n\n{text.markdown_table(head, cells, 4)}".rstrip()


def _differences(body: str) -> str:
    """A bullet for each sentence that begins a line."""
    items: list[str] = []
    for line in body.splitlines():
        if items and not items[-1].endswith(_SENTENCE_ENDS):
            items[-1] = f"{items[-1]} {line.strip()}"
        else:
            items.append(line.strip())
    bullets = "\n".join(f"- {prose(item)}" for item in items if item)
    return f"**Differences**\n\n{bullets}" if bullets else ""


def _run(head: Head) -> str:
    """The command and what to expect of it."""
    command, bracket, aside = head.notes.get("command", "").partition(" (")
    aside = f" {text.escape(f'({aside}')}" if bracket else ""
    shown = f"**Run:** {text.code(command)}{aside}" if command else ""
    expected = _labelled("Expect", head.notes.get("expect", ""))
    return "\n\n".join(part for part in (shown, expected) if part)


def _files(*paths: Path | None) -> str:
    shown = [
        f"[{name}](../{name}) ({len(path.read_text(encoding='utf-8').splitlines())} lines)"
        for path in paths
        if path
        for name in [path.relative_to(PACKAGE.parent).as_posix()]
    ]
    return f"**Files:** {_list(shown)}."


def _list(items: list[str]) -> str:
    return ", ".join(items)
