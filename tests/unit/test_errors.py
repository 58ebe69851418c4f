"""Messages: what, where, what to do next; nearest names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import errors

CODES = {
    errors.BenchError: 1,
    errors.UsageError: 2,
    errors.DataError: 3,
    errors.IntegrityError: 4,
    errors.StorageError: 5,
    errors.Interrupted: 130,
}


@pytest.mark.parametrize(("kind", "code"), CODES.items())
def test_exit_codes_are_fixed(kind: type[errors.BenchError], code: int) -> None:
    assert kind("x").exit_code == code


@pytest.mark.parametrize(
    ("where", "todo", "text"),
    [
        (None, None, "Problem"),
        ("key", None, "Problem [key]"),
        (None, "do this", "Problem; do this"),
        ("key", "do this", "Problem [key]; do this"),
        (0, None, "Problem [0]"),
    ],
)
def test_a_message_has_up_to_three_parts(where: object, todo: str | None, text: str) -> None:
    assert str(errors.BenchError("Problem", where=where, todo=todo)) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ldma", "ldam"), ("LDAM", "ldam"), ("synag", "synaug"), ("ldam", "ldam")],
)
def test_the_nearest_name_comes_first(name: str, expected: str) -> None:
    assert errors.nearest(name, ["ldam", "drw", "synaug", "cmo"])[0] == expected


def test_nothing_is_near_to_a_very_different_name() -> None:
    assert errors.nearest("zzz", ["ldam", "drw"]) == []


def test_an_unknown_name_far_from_all_lists_all() -> None:
    error = errors.unknown("method", "zzz", ["drw", "ldam"], where="method")
    assert str(error) == "Unknown method 'zzz' [method]; allowed: drw, ldam"


def test_an_unknown_name_near_to_one_names_it() -> None:
    error = errors.unknown("method", "ldm", ["ldam", "synaug"])
    assert str(error) == "Unknown method 'ldm'; did you mean ldam?"


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=10)))
def test_any_name_gets_some_answer(name: str, allowed: list[str]) -> None:
    assert str(errors.unknown("thing", name, allowed)).startswith("Unknown thing '")
    assert set(errors.nearest(name, allowed)) <= set(allowed)
