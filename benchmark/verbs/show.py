"""One entry in full: what it is, where it comes from, its settings; imports no torch."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmark.boards.ours import ours, read_ours
from benchmark.errors import DataError, UsageError, unknown
from benchmark.paths import PACKAGE
from benchmark.registry import BUILT_IN, COMPONENTS, DATASETS, Entry
from benchmark.vocabulary.listing import PLUGIN_GROUPS, Row, all_rows, bold, noun, table
from benchmark.vocabulary.presets import read_preset, word
from benchmark.vocabulary.source import Head, Setting, module_path, read_class, yaml_head

if TYPE_CHECKING:
    from benchmark.data.cards import Card


def find(name: str) -> Row:
    """The entry meant by ``group=name``, or by ``name`` alone where one entry has it.

    Raises:
        UsageError: nothing or more than one thing has the name.
    """
    group, equals, choice = name.partition("=")
    if equals:
        rows = noun(group).rows()
        wanted = choice
    else:
        rows, wanted = all_rows(), name
    found = [row for row in rows if row.name == wanted]
    if not found:
        raise unknown(group if equals else "name", wanted, [row.name for row in rows])
    if len(found) > 1:
        options = " or ".join(f"show {row.group}={row.name}" for row in found)
        raise UsageError(f"Expected one entry, but '{name}' names {len(found)}", todo=options)
    return found[0]


def show(name: str, width: int | None = None) -> str:
    """All about one entry, as text.

    Args:
        name: ``group=name``, or a name that only one entry has.
        width: columns of the terminal; None leaves tables whole.
    """
    row = find(name)
    head = yaml_head(row.path) if row.path else Head()
    lines = [bold(f"{row.group}={row.name}") + f"  {row.kind or row.group}, {row.origin}"]
    lines += [row.summary, ""]
    lines += _body(row, width)
    lines += _ours(row, width) if row.group == "method" and row.origin == BUILT_IN else []
    lines += table([*head.notes.items(), ("files", ", ".join(_files(row)))], None)
    return "\n".join(lines)


def _body(row: Row, width: int | None) -> list[str]:
    values = _values(row.path)
    if row.group == "method" and row.name in COMPONENTS.entries:
        return _component(COMPONENTS.entry(row.name), values, width)
    if row.kind == "preset":
        return _preset(row, values)
    if row.path is None:
        return _plugin(row, width)
    lines = _card(row) if row.group == "dataset" else []
    return [*lines, *_yaml_body(row.path), ""]


def _plugin(row: Row, width: int | None) -> list[str]:
    registry = PLUGIN_GROUPS[row.group]
    # the target of a backbone is a function, which has no settings of ours
    return [] if row.group == "backbone" else _component(registry.entry(row.name), {}, width)


def _values(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    with path.open(encoding="utf-8") as file:
        return dict(yaml.safe_load(file) or {})


def _yaml_body(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    body = [line for line in lines if not line.startswith("#")]
    return ["settings", *(f"  {line}" for line in body if line.strip())]


def _component(entry: Entry, values: dict[str, Any], width: int | None) -> list[str]:
    source = read_class(entry.target)
    if source is None:
        return [f"{entry.target}, whose source file is not found", ""]
    lines = [*source.doc.splitlines(), ""]
    lines += [_paper(source.citation), ""] if source.citation else []
    hooks = [name for name in _hooks() if name in source.methods]
    lines += [f"fills {', '.join(hooks)}", ""] if hooks else []
    settings = [_setting(setting, values) for setting in source.settings]
    lines += (
        ["settings", *table(settings, width, "  ", wrap=True)] if settings else ["settings: none"]
    )
    space = list(source.search.items())
    lines += ["", "tried by a search", *table(space, width, "  ", wrap=True)] if space else []
    return [*lines, ""]


def _hooks() -> list[str]:
    """Names of the hooks, from the source of the interface."""
    source = read_class("benchmark.component:Component")
    return [name for name in (source.methods if source else ()) if name != "__init__"]


def _setting(setting: Setting, values: dict[str, Any]) -> tuple[str, ...]:
    default = word(setting.neutral)
    if setting.name in values:
        # YAML's own spelling: null and true rather than None and True
        dumped = yaml.safe_dump(values[setting.name], default_flow_style=True, width=1000)
        default = dumped.removesuffix("...\n").strip()
    return (setting.name, default, setting.allowed, setting.text)


def _paper(citation: dict[str, Any]) -> str:
    known = [str(citation[key]) for key in ("authors", "title", "venue", "year") if key in citation]
    text = textwrap.fill(", ".join(known), 96)
    return "\n".join([text, *([citation["url"]] if citation.get("url") else [])])


def _preset(row: Row, values: dict[str, Any]) -> list[str]:
    preset, known = read_preset(row.name, values), COMPONENTS.entries
    rows = [(name, known[name].summary if name in known else "") for name in preset.stack]
    return [f"the same as  {preset.words}", "", *table(rows, None), ""]


def _ours(row: Row, width: int | None) -> list[str]:
    """What committed runs gave; nothing where there are no tables, as in an installed suite."""
    rows = read_ours()
    cells = [
        (each.title, each.backbone, each.label, each.budget, f"n={each.seeds}", each.accuracy,
         f"few {each.few}")
        for each in ours(row.name, rows)
    ]  # fmt: skip
    if not cells:
        return ["ours: no run of it alone is committed", ""] if rows else []
    title = "ours  accuracy of committed runs, percent: mean ± 95 % interval over seeds"
    return [title, *table(cells, width, "  "), ""]


def _card(row: Row) -> list[str]:
    """Facts of a data set that are known without its images."""
    from benchmark.config import parse

    given = dict(_values(row.path)["dataset"])
    cls = DATASETS.load(given.pop("kind"))
    try:
        card = cls(parse(cls.Config, given, f"dataset={row.name}")).card(0)
    except DataError as error:
        return [f"facts are known once it is prepared: {error}", ""]
    return [*table(_facts(card), None), ""]


def _facts(card: "Card") -> list[tuple[str, str]]:
    counts, names = card.counts, ", ".join(card.classes)
    return [
        ("title", card.title),
        ("classes", f"{len(counts)}: {textwrap.shorten(names, 80, placeholder=' ...')}"),
        ("training", f"{sum(counts):,} images, {max(counts)} to {min(counts)} a class"),
        ("images", f"{card.image_size} pixels, {card.colour}"),
        ("split", card.split_rule),
        ("groups", ", ".join(rule.name for rule in card.conventions)),
        ("design", f"{card.design} (protocol {card.protocol})"),
        ("licence", card.licence),
        ("citation", card.citation),
        ("url", card.url),
    ]


def _files(row: Row) -> list[str]:
    files = [row.path] if row.path else []
    entry = COMPONENTS.entries.get(row.name) if row.group == "method" else None
    source = module_path(entry.target.partition(":")[0]) if entry else None
    return [_relative(path) for path in (source, *files) if path] or [_target(row)]


def _relative(path: Path) -> str:
    root = PACKAGE.parent
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _target(row: Row) -> str:
    return f"brought by {row.origin}" if row.origin != BUILT_IN else row.name
