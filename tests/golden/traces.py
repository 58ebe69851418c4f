"""Golden loss traces: one tiny run a component, one thread, keyed by torch and platform.

Beside each trace stands the version that its component had, and beside all of them the protocol of
the harness. A trace that changes needs a raised version, or a raised protocol where the harness
changed: the file is not written otherwise.

command: python -m tests.golden.traces [--moved-by REASON]
"""

import argparse
import json
from collections.abc import Mapping
from typing import Any

from benchmark.identity import PROTOCOL
from benchmark.registry import COMPONENTS
from benchmark.regression.golden import TRACES as FILE
from benchmark.regression.golden import key, names, trace

COMMAND = "python -m tests.golden.traces"


def version(name: str) -> int:
    """The version of a component as it is now."""
    return int(COMPONENTS.load(name).version)


def advice(name: str) -> str:
    """What to do about a component whose trace is not the golden one."""
    return (
        f"the losses of {name} changed: if that was meant, raise `version` of the component (or "
        f"PROTOCOL in benchmark/identity.py if the harness changed) and run {COMMAND}"
    )


def unversioned(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Components whose trace differs though neither their version nor the protocol was raised.

    Args:
        old: the file as it is; another key means that rounding may differ, and nothing is said.
        new: the file as it would be written.
    """
    if old["key"] != new["key"] or new["protocol"] > old["protocol"]:
        return []
    return [
        name
        for name, losses in new["traces"].items()
        if name in old["traces"]
        and losses != old["traces"][name]
        and new["versions"][name] <= old["versions"][name]
    ]


def main() -> None:
    """Write the traces of all components, unless one changed without a raised version."""
    parser = argparse.ArgumentParser(prog=COMMAND)
    parser.add_argument(
        "--moved-by",
        metavar="REASON",
        help="what else moved the traces, such as another tiny task; only if no result can move",
    )
    given = parser.parse_args()
    found = {
        "key": key(),
        "protocol": PROTOCOL,
        "versions": {name: version(name) for name in names()},
        "traces": {name: trace(name) for name in names()},
    }
    same = unversioned(json.loads(FILE.read_text(encoding="utf-8")), found)
    if same and not given.moved_by:
        raise SystemExit("\n".join(map(advice, same)))
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
