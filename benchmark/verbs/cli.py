"""SynAuG Bench: long-tailed recognition with synthetic data.

Usage:
  python -m benchmark VERB [ARGUMENTS]       the same as: synaug-bench VERB ...

Verbs:
{verbs}

Examples:
  python -m benchmark run                                   the main job, about a minute
  python -m benchmark run method=ldam dataset=cifar100lt    any method on any data set
  python -m benchmark run -m method=ce,synaug 'seed=range(5)'
  python -m benchmark run grid=table1 workers=2             a table of the paper; --dry-run first
  python -m benchmark run grid=table1 --dry-run --write jobs.jsonl
  python -m benchmark work jobs.jsonl --workers 4           the same, one process a run
  python -m benchmark ls methods
  python -m benchmark show method=ldam

Exit codes:
  0  done            3  data or weights are absent      70  a bug in the suite (traceback)
  1  other error     4  a file is broken                130  interrupted; run again to continue
  2  wrong usage     5  the disk is full or read-only   141  the reader of a pipe went away
                     6  not decided: more seeds needed

Each verb explains itself: python -m benchmark VERB --help
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import __version__
from benchmark.errors import BUG, BenchError, UsageError, nearest, unknown
from benchmark.verbs.scarcity import explained
from benchmark.vocabulary.words import DRY_RUN, Parser

INTERRUPTED, PIPE = 130, 141


def _parser(verb: str, usage: str) -> Parser:
    return Parser(verb, usage, VERBS[verb].summary)


def _width() -> int | None:
    from benchmark.vocabulary.listing import terminal_width

    return terminal_width()


def _run(args: Sequence[str]) -> int:
    if DRY_RUN in args:
        from benchmark.verbs.dry_run import dry_run, take_write

        words, jobs = take_write([word for word in args if word != DRY_RUN])
        print(dry_run(words, _width(), jobs))
        return 0
    # a grid that is complete needs no torch, which the app imports
    if any(word.startswith("grid=") for word in args):
        from benchmark.launch.grid_jobs import run_grid

        return run_grid(args)
    from benchmark.verbs.finished import finished

    done = finished(args)
    if done:
        from benchmark.report.console import show_runs

        show_runs([done])
        return 0
    from benchmark.verbs.app import main as app

    return app(list(args))


def _work(args: Sequence[str]) -> int:
    from benchmark.launch.work import main as work

    return work(args)


def _generate(args: Sequence[str]) -> int:
    from benchmark.verbs.generate_cli import main as generate

    return generate(args)


def _prepare(args: Sequence[str]) -> int:
    usage = "dataset=NAME [source=PATH] [split=PATH] [KEY=VALUE ...]"
    _, words = _parser("prepare", usage).overrides(args)
    pairs = [word.partition("=") for word in words if word.startswith(("source=", "split="))]
    paths = {key: str(Path(value).expanduser()) for key, _, value in pairs}
    from benchmark import api

    words = [word for word in words if not word.startswith(("source=", "split="))]
    print(api.prepare(*words, source=paths.get("source"), split=paths.get("split")))
    return 0


def _ls(args: Sequence[str]) -> int:
    parser = _parser("ls", "[NOUN]")
    parser.add_argument("noun", nargs="?", help="methods, datasets, ..., or runs; all if left out")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="for `ls runs`: the folder")
    given = parser.strict(args)
    if given.noun in ("run", "runs"):
        return _status(["--out", str(given.out)])
    from benchmark.vocabulary.listing import listing

    print(listing(given.noun, _width()))
    return 0


def _show(args: Sequence[str]) -> int:
    parser = _parser("show", "GROUP=NAME")
    parser.add_argument("name", help="such as dataset=NAME, or a name that only one entry has")
    given = parser.strict(args)
    from benchmark.verbs.show import show

    print(show(given.name, _width()))
    return 0


def _status(args: Sequence[str]) -> int:
    parser = _parser("status", "[--out DIR] [grid=NAME [KEY=VALUE ...]]")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="the folder of runs")
    given, words = parser.overrides(args)
    # the folder as `run` takes it
    for word in [word for word in words if word.startswith("out=")]:
        given.out = Path(word.removeprefix("out="))
        words.remove(word)
    if words:
        from benchmark.verbs.dry_run import dry_run

        own = [] if given.out == parser.get_default("out") else [f"out={given.out}"]
        print(dry_run([*words, *own], _width()))
        return 0
    from benchmark.experiments.status import status

    print(status(given.out, _width()))
    return 0


def _report(args: Sequence[str]) -> int:
    from benchmark.verbs.report_cli import main as report

    return report(args)


def _check(args: Sequence[str]) -> int:
    from benchmark.verbs.check_cli import main as check

    return check(args)


def _evaluate(args: Sequence[str]) -> int:
    from benchmark.publishing.evaluate_cli import main as evaluate

    return evaluate(args)


def _submit(args: Sequence[str]) -> int:
    from benchmark.publishing.submit_cli import main as submit

    return submit(args)


def _new(args: Sequence[str]) -> int:
    from benchmark.verbs.scaffold import main as new

    return new(args)


def _version(args: Sequence[str]) -> int:
    print(f"synaug-bench {__version__}")
    return 0


def _help(args: Sequence[str]) -> int:
    lines = [f"  {name:<10}{verb.summary}" for name, verb in VERBS.items() if verb.shown]
    print((__doc__ or "").format(verbs="\n".join(lines)), end="")
    return 0


@dataclass(frozen=True)
class Verb:
    """A verb of the command line.

    Attributes:
        call: takes the words after the verb and returns the exit code.
        summary: one line.
        shown: whether the help lists it.
    """

    call: Callable[[Sequence[str]], int]
    summary: str = ""
    shown: bool = True


VERBS = {
    "run": Verb(_run, "train and evaluate; -m for every combination of choices"),
    "work": Verb(_work, "run the jobs of a file, on one machine or many; or one by its number"),
    "generate": Verb(_generate, "draw, plan, list, verify, check, export and import images"),
    "prepare": Verb(_prepare, "verify and convert a data set: dataset=NAME source=PATH"),
    "ls": Verb(_ls, "what there is: methods, datasets, budgets, generators, ..., runs"),
    "show": Verb(_show, "one entry in full: show method=NAME"),
    "status": Verb(_status, "finished, running, interrupted and failed runs"),
    "report": Verb(_report, "leaderboards, grids, page and plots from records; compare; export"),
    "check": Verb(_check, "every file, records, a component's promises, regression of numbers"),
    "evaluate": Verb(_evaluate, "score a checkpoint, a timm model or predictions by shot group"),
    "submit": Verb(_submit, "turn an evaluation into a record fit for review"),
    "new": Verb(_new, "files to begin a component with: new component NAME --loss"),
    "version": Verb(_version, "print the version"),
    "list": Verb(_ls, shown=False),
    "help": Verb(_help, shown=False),
    "--help": Verb(_help, shown=False),
    "-h": Verb(_help, shown=False),
    "--version": Verb(_version, shown=False),
}


def _dispatch(args: Sequence[str]) -> int:
    if not args:
        return _help(args)
    verb, rest = args[0], args[1:]
    if verb in VERBS:
        return VERBS[verb].call(rest)
    if "=" in verb and not verb.startswith("-"):
        words = " ".join(args)
        todo = f"did you mean: python -m benchmark run {words}"
        raise UsageError(f"Expected a verb, but got '{verb}'", todo=todo)
    if verb.startswith("-") and not nearest(verb, ["--version", "--help"]):
        # flags of the run app, such as -m
        return _run(args)
    raise unknown("verb", verb, [name for name in VERBS if not name.startswith("-h")])


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _say_error(error: BenchError) -> int:
    mark = "\033[1;31merror:\033[0m" if sys.stderr.isatty() else "error:"
    _say(f"{mark} {error}")
    return error.exit_code


def _say_bug() -> int:
    traceback.print_exc()
    print(
        "error: this is a bug in synaug-bench; please report it with the lines above",
        file=sys.stderr,
    )
    return BUG


def main(args: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; see the module's docstring for the codes.

    Args:
        args: the words after ``python -m benchmark``; None takes those of this process.
    """
    try:
        code = _dispatch(sys.argv[1:] if args is None else args)
        # a reader that went away is noticed here and not while Python shuts down
        sys.stdout.flush()
        return code
    except BenchError as error:
        return _say_error(explained(error) or error)
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to continue")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE
    except Exception as error:
        known = explained(error)
        return _say_error(known) if known else _say_bug()
