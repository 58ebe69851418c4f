"""The words after `generate`: drawing, planning, and what can be done with a pool.

Usage:
  python -m benchmark generate [KEY=VALUE ...]                 draw what a run would need
  python -m benchmark generate engine=ray [...]                the same, drawn by many workers
  python -m benchmark generate engine=submitit [...]           the same, drawn by an array of jobs
  python -m benchmark generate plan [KEY=VALUE ...]            write the plan, draw nothing
  python -m benchmark generate ls                              pools on this machine
  python -m benchmark generate show POOL                       one pool and what it cost
  python -m benchmark generate verify [POOL] [--rows-only]     compare plan, rows, bytes
  python -m benchmark generate sheet POOL [--out FILE]         pictures by class and modifier
  python -m benchmark generate steps steps=3,10,50 [KEY=VALUE ...]   the same seeds at several steps
  python -m benchmark generate check [KEY=VALUE ...]           quality, near-duplicates, leaks
  python -m benchmark generate export POOL FOLDER [--tar|--folder]
  python -m benchmark generate import SOURCE dataset=NAME      images that somebody else made
  python -m benchmark generate fetch LIST dataset=NAME         web images from a list of URLs
  python -m benchmark generate prompts dataset=NAME model=NAME base_url=URL out=NAME.yaml
  python -m benchmark generate fit FOLDER dataset=NAME [images=heldout_real|real] [fit=NAME]
                                                               train a generator from nothing
  python -m benchmark generate gc [--yes]                      delete what no pool needs

POOL is a pool's key or the beginning of one.

Words about who draws; the images are the same, whoever does:
  engine=ray          actors of a Ray cluster (extra: ray)
    workers=N|MIN..MAX  actors, as resources come and go; default 1
    cpus=C gpus=G       an actor's; gpus=0.5 puts two on a GPU; default 1 core, and 1 GPU if any
    address=A           auto, HOST:PORT, or local for a cluster of this machine; default RAY_ADDRESS
    block=N             images handed out at a time; default about 256
  engine=submitit     an array of jobs (extra: submitit)
    workers=N           jobs; default 1
    cluster=C           slurm, local for processes here, debug for one after another; default local
    split=S             claims, or shards where the file system has no locks; default claims
    cpus=C gpus=G memory=GB minutes=M partition=NAME   a job's
    slurm.OPTION=VALUE  any other option of sbatch, such as slurm.account=NAME
docs/pools_at_scale.md says more.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import unknown
from benchmark.vocabulary.words import Parser

if TYPE_CHECKING:
    from benchmark.generation.collections.collection import Collection
    from benchmark.generation.exporting import Format


def _parser(word: str, usage: str) -> Parser:
    return Parser(f"generate {word}", usage, WORDS[word].summary)


def _width() -> int | None:
    from benchmark.vocabulary.listing import terminal_width

    return terminal_width()


def _take(words: list[str], *names: str) -> tuple[list[str], dict[str, str]]:
    """The overrides without the pairs called ``names``, and those pairs."""
    pairs = [word.partition("=") for word in words]
    taken = {key: value for key, _, value in pairs if key in names}
    return [word for word in words if word.partition("=")[0] not in names], taken


def _draw(args: Sequence[str]) -> int:
    _, words = Parser("generate", "[KEY=VALUE ...]", WORDS["draw"].summary).overrides(args)
    from benchmark import api
    from benchmark.generation.scale.words import engine_of, mistyped, split_words

    words, own = split_words(words)
    engine = engine_of(own)
    with mistyped(words):
        found = api.generate(*words, engine=engine)
    print(f"{found.images:,} images in {found.folder}; contact sheet: {found.sheet}")
    return 0


def _plan(args: Sequence[str]) -> int:
    _, words = _parser("plan", "[KEY=VALUE ...]").overrides(args)
    from benchmark import api

    found = api.plan(*words)
    calls = f"{found.predicted.calls:,} network calls"
    if found.predicted.fit_calls:
        calls += f", {found.predicted.fit_calls:,} of them to fit the generator"
    print(f"{found.images:,} images beside {found.real:,} real ones, {calls}; "
          f"{found.missing:,} still to be drawn")  # fmt: skip
    print("\n".join([*found.notes, str(found.path)]))
    return 0


def _ls(args: Sequence[str]) -> int:
    _parser("ls", "").strict(args)
    from benchmark.verbs import generating

    print(generating.listing(_width()))
    # composing is slow, and most have no collections
    if generating.has_collections():
        from benchmark.verbs import collecting

        print("\n" + collecting.listing(_width()))
    return 0


def _show(args: Sequence[str]) -> int:
    parser = _parser("show", "POOL")
    parser.add_argument("pool", help="key of a pool or collection, or its beginning")
    given = parser.strict(args)
    from benchmark.verbs import generating

    collection = generating.collection_key(given.pool)
    if collection is None:
        print(generating.show(given.pool, _width()))
        return 0
    from benchmark.verbs import collecting

    print(collecting.show(collection, _width()))
    return 0


def _verify(args: Sequence[str]) -> int:
    parser = _parser("verify", "[POOL] [--rows-only]")
    parser.add_argument("pool", nargs="?", help="key of a pool; all pools if left out")
    parser.add_argument("--rows-only", action="store_true", help="do not read the images")
    given = parser.strict(args)
    from benchmark.verbs import generating

    checked = generating.verify_pools(given.pool, files=not given.rows_only, progress=True)
    for each in checked:
        print("\n".join([str(each), *(f"  {line}" for line in each.found.problems)]))
    generating.refuse_problems(checked)
    return 0


def _sheet(args: Sequence[str]) -> int:
    parser = _parser("sheet", "POOL [--out FILE]")
    parser.add_argument("pool", help="key of a pool, or its beginning")
    parser.add_argument("--out", type=Path, help="a PNG file (default: in the pool's folder)")
    given = parser.strict(args)
    from benchmark.verbs import generating

    print(generating.write_modifier_sheet(given.pool, given.out))
    return 0


def _export(args: Sequence[str]) -> int:
    parser = _parser("export", "POOL FOLDER [--tar | --folder]")
    parser.add_argument("pool", help="key of a pool, or its beginning")
    parser.add_argument("target", type=Path, help="a new folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--tar", dest="form", action="store_const", const="tar")
    form.add_argument("--folder", dest="form", action="store_const", const="folder")
    given = parser.strict(args)
    from benchmark.verbs import generating

    chosen: Format | None = given.form
    found = generating.export_pool(given.pool, given.target, chosen, progress=True)
    print(f"{found.images:,} images exported to {found.folder} ({found.format})")
    return 0


def _check(args: Sequence[str]) -> int:
    usage = "[KEY=VALUE ...] [extractor=TIMM_NAME:WEIGHTS_FILE]"
    _, words = _parser("check", usage).overrides(args)
    words, own = _take(words, "extractor")
    from benchmark.verbs.inspecting import inspect

    found = inspect(words, own.get("extractor"))
    print(f"{found.text.rstrip()}\n{found.folder}")
    return 0


def _steps(args: Sequence[str]) -> int:
    parser = _parser("steps", "steps=N,N,... [KEY=VALUE ...] [--out FILE]")
    parser.add_argument("--out", type=Path, help="a PNG file")
    given, words = parser.overrides(args)
    words, own = _take(words, "steps")
    numbers = own.get("steps", "").strip("[]").split(",")
    plain = all(number.strip().isdecimal() and len(number) < 10 for number in numbers)
    if not plain or not all(map(int, numbers)):
        parser.error(f"expected steps=3,10,50, but got '{own.get('steps', '')}'")
    from benchmark.verbs.inspecting import steps_sheet

    print(steps_sheet(words, [int(number) for number in numbers], given.out))
    return 0


def _say_stored(found: "Collection") -> None:
    print(f"{sum(found.counts):,} images in {found.folder}")
    print(f"use them in a supply of collected images: method.SUPPLY.source={found.key}")


def _import(args: Sequence[str]) -> int:
    parser = _parser("import", "SOURCE dataset=NAME [--licence TEXT] [--knowledge TAG ...]")
    parser.add_argument("source", type=Path, help="class folders, an archive, or a pool's folder")
    parser.add_argument("--licence", default="", help="of images that state none")
    parser.add_argument("--knowledge", nargs="*", default=[], metavar="TAG")
    parser.add_argument("--network-calls", type=int, help="what one image took")
    given, words = parser.overrides(args)
    from benchmark.verbs import collecting

    found = collecting.bring_in(
        given.source,
        words,
        knowledge=given.knowledge,
        licence=given.licence,
        network_calls=given.network_calls,
    )
    _say_stored(found)
    return 0


def _fetch(args: Sequence[str]) -> int:
    parser = _parser("fetch", "LIST dataset=NAME [flags]")
    parser.add_argument("source", type=Path, help="CSV or JSON lines: url, class, sha256, ...")
    parser.add_argument("--allow-http", action="store_true", help="plain HTTP too")
    parser.add_argument("--allow-private", nargs="*", default=[], metavar="NETWORK")
    parser.add_argument("--delay", type=float, default=1.0, help="seconds, for each host")
    parser.add_argument("--timeout", type=float, default=20.0, help="seconds without a byte")
    parser.add_argument("--contact", default="", help="sent with every request")
    parser.add_argument("--again", action="store_true", help="try failed rows once more")
    given, words = parser.overrides(args)
    from benchmark.generation.collections.web import Manners
    from benchmark.verbs import collecting

    manners = Manners(
        allow_http=given.allow_http,
        allow_private=tuple(given.allow_private),
        delay=given.delay,
        timeout=given.timeout,
        contact=given.contact,
    )
    found = collecting.fetch(given.source, words, manners, again=given.again)
    _say_stored(found)
    return 0


def _prompts(args: Sequence[str]) -> int:
    usage = (
        "dataset=NAME model=NAME base_url=URL out=NAME.yaml [n=12] [key=VARIABLE] [licence=TEXT]"
    )
    parser = _parser("prompts", usage)
    _, words = parser.overrides(args)
    words, own = _take(words, "model", "base_url", "out", "n", "key", "licence", "temperature")
    for name in ("model", "base_url", "out"):
        if name not in own:
            parser.error(f"expected {name}=..., but got none")
    from benchmark import api

    found = api.prompts(*words, **own)
    print(f"{len(found.classes):,} classes with {len(next(iter(found.classes.values()), ()))} "
          f"modifiers each, frozen in {own['out']}")  # fmt: skip
    return 0


def _fit(args: Sequence[str]) -> int:
    from benchmark.registry import yaml_names
    from benchmark.verbs import generator_training

    usage = "FOLDER dataset=NAME [images=heldout_real|real] [fit=NAME] [fit.KEY=VALUE ...]"
    parser = _parser("fit", usage)
    parser.add_argument("folder", type=Path, help="a new folder for the pipeline")
    parser.epilog = "settings, fit=NAME: " + ", ".join(yaml_names("fit"))
    given, words = parser.overrides(args)
    settings = [word for word in words if word.partition("=")[0].partition(".")[0] == "fit"]
    words, own = _take([word for word in words if word not in settings], "images")
    images = own.get("images", "heldout_real")
    found = generator_training.fit_generator(words, given.folder, images, settings)
    cost, final = found.facts["cost"], found.facts["final"]
    figures = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in final.items())
    done = "trained" if found.new else "there already, trained"
    n, seconds = found.facts["images"], cost["seconds"]
    print(f"{found.folder}: {done} on {n:,} images in {seconds:,.0f} s; {figures}")
    print(f"use it: {generator_training.use(found)}")
    return 0


def _gc(args: Sequence[str]) -> int:
    parser = _parser("gc", "[--yes]")
    parser.add_argument("--yes", action="store_true", help="delete; without it, only list")
    given = parser.strict(args)
    from benchmark.verbs import generating

    found = generating.debris()
    size = sum(path.stat().st_size for path in found)
    if given.yes:
        print(f"{len(found):,} files deleted, {generating.clean(found) / 1e6:,.1f} MB freed")
        return 0
    print("\n".join(map(str, found[:20])))
    print(f"{len(found):,} files, {size / 1e6:,.1f} MB, that no pool needs; delete them with --yes "
          "while nothing is being drawn")  # fmt: skip
    return 0


@dataclass(frozen=True)
class Word:
    """What may follow `generate`.

    Attributes:
        call: takes the words after it and returns the exit code.
        summary: one line.
    """

    call: Callable[[Sequence[str]], int]
    summary: str


WORDS = {
    "draw": Word(_draw, "draw the images that a run would need, and a contact sheet"),
    "plan": Word(_plan, "write the plan of a run's images and draw none"),
    "ls": Word(_ls, "pools on this machine"),
    "show": Word(_show, "one pool in full, and what it cost"),
    "verify": Word(_verify, "compare a pool's plan, rows and bytes with what they should be"),
    "sheet": Word(_sheet, "pictures of a pool, one row a class and modifier"),
    "check": Word(_check, "quality, near-duplicates and leaks of a run's added images"),
    "steps": Word(_steps, "a sheet of the same seeds at several numbers of steps"),
    "import": Word(_import, "store images that somebody else made"),
    "fetch": Word(_fetch, "download a list of image URLs, politely"),
    "prompts": Word(_prompts, "ask a language model for modifiers and freeze its answers"),
    "export": Word(_export, "write a pool's images and metadata for other tools"),
    "fit": Word(_fit, "train a text-to-image generator on images of a data set"),
    "gc": Word(_gc, "delete files that no pool needs"),
}


def main(args: Sequence[str]) -> int:
    """Run what follows `generate`; key=value words alone draw.

    Raises:
        UsageError: an unknown word.
    """
    first = args[0] if args else ""
    if first in ("--help", "-h", "help"):
        print((__doc__ or "").partition("\n\n")[2], end="")
        return 0
    if first in WORDS:
        return WORDS[first].call(args[1:])
    if first and "=" not in first and not first.startswith("-"):
        raise unknown("word after generate", first, WORDS)
    return _draw(args)
