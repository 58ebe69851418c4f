"""``check regression``: three tiers, and the reference they compare with.

Exit codes: 0 as good as before, 1 worse, 6 not decided; others as everywhere.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import BenchError, UsageError
from benchmark.vocabulary.words import Parser

USAGE = (
    "[--tier N] [--since COMMIT] [--run [--seeds N] [--fresh]] [--new DIR] [EXPERIMENT ...] "
    "| --power | --history | accept --reason TEXT EXPERIMENT ..."
)
SUMMARY = (
    "Tier 0 repeats golden runs, tier 1 rebuilds leaderboards, tier 2 compares re-trained runs. "
    "Exit codes: 0 as good as before, 1 worse, 6 not decided: more seeds are needed."
)


def main(args: Sequence[str]) -> int:
    """Run ``check regression`` with the words after it and return the exit code."""
    if args and args[0] == "accept":
        return _accept(args[1:])
    given = _parser().strict(args)
    if given.power or given.history:
        return _tables(given)
    for tier in _tiers(given):
        TIERS[tier](given)
    return 0


def _parser() -> Parser:
    parser = Parser("check regression", USAGE, SUMMARY)
    parser.add_argument("experiment", nargs="*", help="labels or hashes (default: all)")
    tiers = "0 golden, 1 leaderboards, 2 re-training; may be given again (default: 0 and 1)"
    parser.add_argument("--tier", type=int, choices=(0, 1, 2), action="append", help=tiers)
    since = "tier 1: records changed since this commit must have been accepted"
    parser.add_argument("--since", metavar="COMMIT", help=since)
    parser.add_argument("--run", action="store_true", help="tier 2: first make missing new runs")
    parser.add_argument("--seeds", type=int, help="of each experiment (default: by the policy)")
    fresh = "seeds that the reference has not, also where the split follows the seed"
    parser.add_argument("--fresh", action="store_true", help=fresh)
    parser.add_argument("--power", action="store_true", help="what re-runs could show")
    parser.add_argument("--history", action="store_true", help="accepted changes and their sums")
    _folders(parser)
    return parser


def _folders(parser: Parser) -> None:
    from benchmark.regression.commands import DEFAULT_NEW

    board = Path("leaderboards")
    parser.add_argument("--new", type=Path, help=f"the new runs (default: {DEFAULT_NEW})")
    parser.add_argument("--records", type=Path, default=board / "records", help="the reference")
    policy = board / "regression.yaml"
    parser.add_argument("--policy", type=Path, default=policy, help="margins and the core set")


def _tiers(given: Namespace) -> list[int]:
    """The tiers asked for, by name or by what else was said."""
    retrain = bool(given.run or given.new or given.experiment or given.seeds or given.fresh)
    named = given.tier or ([2] if retrain else [1] if given.since else [0, 1])
    tiers = sorted(set(named))
    if retrain and 2 not in tiers:
        todo = "leave the words of tier 2 out, or add --tier 2"
        raise UsageError("Expected --tier 2 beside new runs, but got others", todo=todo)
    if (given.seeds or given.fresh) and not given.run:
        raise UsageError("Expected --run beside --seeds and --fresh, but got none", todo="add it")
    return tiers


def _golden(given: Namespace) -> None:
    from benchmark.regression.golden import check_all

    lines, said = check_all()
    todo = "if that is meant, raise a version and run python -m tests.golden.traces or .runs"
    _report("tier 0", lines, said, todo)


def _boards(given: Namespace) -> None:
    from benchmark.regression.boards import check_boards

    lines, said = check_boards(given.since)
    _report("tier 1", lines, said, "run: python -m benchmark report, and look at what it changed")


def _report(tier: str, lines: Sequence[str], said: str, todo: str) -> None:
    for line in lines:
        print(line)
    if lines:
        raise BenchError(f"{len(lines)} differences were found", where=tier, todo=todo)
    print(f"{tier}: {said}; nothing differs")


def _retrain(given: Namespace) -> None:
    from benchmark.regression.commands import DEFAULT_NEW
    from benchmark.regression.policy import read_policy
    from benchmark.regression.retrain import advice, conclude, render, retrained
    from benchmark.vocabulary.listing import terminal_width

    policy, new = read_policy(given.policy), given.new or DEFAULT_NEW
    names = _run(given, new) if given.run else given.experiment
    done = retrained(given.records, new, policy, names)
    print(render(done, policy, terminal_width()))
    for line in advice(done, policy, new, given.experiment):
        print(line)
    conclude(done)


def _run(given: Namespace, new: Path) -> list[str]:
    from benchmark.regression.policy import read_policy
    from benchmark.regression.rerun import Wanted, experiments, rerun
    from benchmark.regression.samples import read_runs

    policy, old = read_policy(given.policy), read_runs(given.records)
    lines = experiments(policy, old, given.experiment)
    return rerun(lines, old, Wanted(new, given.seeds or policy.seeds, given.fresh))


def _tables(given: Namespace) -> int:
    from benchmark.regression.policy import read_policy
    from benchmark.vocabulary.listing import terminal_width

    policy, width = read_policy(given.policy), terminal_width()
    if given.power:
        from benchmark.regression.power_table import power_table

        print(power_table(given.records, policy, tuple(given.experiment), width))
    if given.history:
        from benchmark.regression.history import history

        print(history(given.records, policy, width))
    return 0


def _accept_parser() -> Parser:
    usage = "--reason TEXT [--really] [--new DIR] EXPERIMENT ..."
    parser = Parser("check regression accept", usage, "let new runs replace those of the reference")
    parser.add_argument("experiment", nargs="*", help="labels or hashes")
    parser.add_argument("--reason", default="", help="why the numbers move; goes into the log")
    parser.add_argument("--really", action="store_true", help="also what is not equivalent")
    _folders(parser)
    return parser


def _accept(args: Sequence[str]) -> int:
    given = _accept_parser().strict(args)
    from benchmark.regression.accept import Asked, accept
    from benchmark.regression.commands import DEFAULT_NEW
    from benchmark.regression.policy import read_policy

    names, new = tuple(given.experiment), given.new or DEFAULT_NEW
    asked = Asked(given.records, new, names, given.reason, given.really)
    for change in accept(asked, read_policy(given.policy)):
        print(f"accepted: {change.label} ({change.hash}), {change.new.n} seeds")
    print("the tables follow with: python -m benchmark report")
    return 0


TIERS = {0: _golden, 1: _boards, 2: _retrain}
