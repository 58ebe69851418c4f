"""Collections from the command line: import and fetch images, list what is stored.

python -m benchmark.generation.collections import FOLDER dataset=NAME [--licence TEXT]
python -m benchmark.generation.collections fetch LIST dataset=NAME [--delay 1] [--again]
python -m benchmark.generation.collections ls
python -m benchmark.generation.collections show KEY
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.data.cards import Card
from benchmark.errors import BenchError
from benchmark.generation.collections.collection import Collection
from benchmark.generation.collections.fetching import fetch_urls
from benchmark.generation.collections.importing import import_folder
from benchmark.generation.collections.location import locate, stored_keys
from benchmark.generation.collections.store import collection_dir
from benchmark.generation.collections.web import Manners


def _card(words: Sequence[str]) -> Card:
    from benchmark.compose import settings

    found: Card = settings(list(words)).dataset.card(0)
    return found


def _import(given: argparse.Namespace) -> Collection:
    card = _card(given.words)
    return import_folder(
        given.source,
        card.classes,
        class_ids=card.class_ids,
        knowledge=given.knowledge,
        licence=given.licence,
        network_calls_per_image=given.network_calls,
    )


def _fetch(given: argparse.Namespace) -> Collection:
    card = _card(given.words)
    manners = Manners(
        allow_http=given.allow_http,
        allow_private=tuple(given.allow_private),
        delay=given.delay,
        timeout=given.timeout,
        max_bytes=given.max_bytes,
        hosts=given.hosts,
        contact=given.contact,
    )
    return fetch_urls(
        given.source, card.classes, manners, class_ids=card.class_ids, again=given.again
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmark.generation.collections",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    _source(verbs, "import", "store a folder, archive or pool", _import_options)
    _source(verbs, "fetch", "download a list of URLs", _fetch_options)
    verbs.add_parser("ls", help="stored collections")
    verbs.add_parser("show", help="facts of one").add_argument("key")
    return parser


def _source(verbs: Any, name: str, text: str, options: Any) -> None:
    verb = verbs.add_parser(name, help=text)
    verb.add_argument("source", type=Path)
    verb.add_argument("words", nargs="+", metavar="dataset=NAME", help="the data set's settings")
    options(verb)


def _import_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--knowledge", nargs="*", default=[], metavar="TAG")
    verb.add_argument("--licence", default="")
    verb.add_argument("--network-calls", type=int, help="what one image took")


def _fetch_options(verb: argparse.ArgumentParser) -> None:
    usual = Manners()
    verb.add_argument("--allow-http", action="store_true", help="plain HTTP too")
    verb.add_argument("--allow-private", nargs="*", default=[], metavar="NETWORK")
    verb.add_argument("--delay", type=float, default=usual.delay, help="seconds, for each host")
    verb.add_argument("--timeout", type=float, default=usual.timeout, help="seconds")
    verb.add_argument("--max-bytes", type=int, default=usual.max_bytes)
    verb.add_argument("--hosts", type=int, default=usual.hosts, help="hosts at once")
    verb.add_argument("--contact", default="", help="sent with every request")
    verb.add_argument("--again", action="store_true", help="try failed rows once more")


def _ls() -> None:
    for key in stored_keys():
        facts = Collection.read(collection_dir() / key).facts
        print(f"{key}  {sum(facts['counts']):>8,} images of {len(facts['classes'])} classes  "
              f"{facts['source']['kind']} {facts['source']['name']}")  # fmt: skip


def _show(key: str) -> None:
    collection = Collection.read(locate(key).path)
    facts = collection.facts
    print(f"{collection.key}: {facts['source']['kind']} {facts['source']['name']}, stored "
          f"{facts['finished']}")  # fmt: skip
    pairs = zip(collection.classes, collection.counts, strict=True)
    print("images    " + ", ".join(f"{name} {count}" for name, count in pairs))
    for topic in ("licences", "knowledge", "dates", "network_calls_per_image"):
        print(f"{topic:<9} {facts[topic] or 'not stated'}")
    reasons = Counter((row.status, row.reason) for row in collection.rows if row.status != "ok")
    for (status, reason), count in reasons.most_common(10):
        print(f"{status:<9} {count} x {reason}")


def main(args: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = _parser().parse_args(args)
    try:
        if given.verb == "ls":
            _ls()
        elif given.verb == "show":
            _show(given.key)
        else:
            found = _import(given) if given.verb == "import" else _fetch(given)
            print(found.key)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
