"""Records of older forms: each is brought to the next one by a pure function, as it is loaded.

A form is the number in a record's ``schema``. A migration only says what the newer form would have
said; it never computes a result again. Where numbers could have moved, a protocol or a version is
raised instead (``versions``), and old and new stand apart. docs/protocol.md says which is when.
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.errors import IntegrityError
from benchmark.recording.record_models import SCHEMA

Value = dict[str, Any]
Migration = Callable[[Value], Value]

_PREFIX, _, _NUMBER = SCHEMA.partition("/")
NEWEST = int(_NUMBER)


def form_of(value: object) -> int | None:
    """The number of a record's form; None for anything that is no record.

    The first records were written before forms were told apart and say "record/1" too: those
    without ``search`` are of form 0.
    """
    found = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(found, str):
        return None
    prefix, _, number = found.partition("/")
    if prefix != _PREFIX or not (number.isascii() and number.isdecimal() and len(number) < 9):
        return None
    return 0 if number == "1" and "search" not in value else int(number)


def migrate(value: Value, *, where: object = None) -> Value:
    """A parsed record in the newest form; ``value`` itself if it has it.

    Args:
        value: what the JSON of a record holds; it is not changed.
        where: printed in errors.

    Raises:
        IntegrityError: it is no record, or one of a form that this version does not know.
    """
    form = form_of(value)
    if form is None:
        found = value.get("schema") if isinstance(value, dict) else None
        raise IntegrityError(
            f"Expected schema '{SCHEMA}', but got {found!r}",
            where=where,
            todo="restore the file, or delete it and run again",
        )
    if form > NEWEST:
        raise IntegrityError(
            f"Expected schema '{SCHEMA}' or older, but got '{value['schema']}'",
            where=where,
            todo="it was made by a newer version; update: pip install --upgrade synaug-bench, "
            "or git pull in a checkout",
        )
    for step in range(form, NEWEST):
        value = MIGRATIONS[step](value)
    return value


def _from_0(value: Value) -> Value:
    """Before limits, shared stages, searches and the costs of fitting: there were none of them."""
    new = copy.deepcopy(value)
    new["schema"] = "record/1"
    new.setdefault("search", None)
    _fill(new.get("budget"), protocol="iso_image", limit=None, cut_rule="subset_order")
    stages = new.get("stages")
    for stage in stages if isinstance(stages, list) else ():
        _fill(stage, shared=False)
    costs = new.get("cost")
    _fill(
        costs.get("generation") if isinstance(costs, dict) else None,
        fit_steps=0, fit_network_calls=0, fit_seconds=0.0, fit_flops=0.0, web_images=0, known=True,
    )  # fmt: skip
    return new


def _fill(block: object, **values: Any) -> None:
    """Add keys that a block lacks; what is no block is left for validation to refuse."""
    if isinstance(block, dict):
        for name, value in values.items():
            block.setdefault(name, value)


def _from_1(value: Value) -> Value:
    """Before several processes could share a batch; the instructions of the CPU were not asked."""
    costs, hardware = value.get("cost"), value.get("environment")
    training = costs.get("training") if isinstance(costs, dict) else None
    new = value | {"schema": "record/2"}
    if isinstance(costs, dict) and isinstance(training, dict):
        new["cost"] = costs | {"training": {"processes": 1, "pieces": 1} | training}
    if isinstance(hardware, dict):
        new["environment"] = {"instructions": None} | hardware
    return new


MIGRATIONS: Mapping[int, Migration] = {0: _from_0, 1: _from_1}
