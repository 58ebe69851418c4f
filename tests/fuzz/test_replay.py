"""Every reader of foreign bytes: valid inputs are taken, damaged ones refused in one clear line.

The corpus holds inputs that were findings once. Mutations are seeded, so a failure can be repeated.
"""

import warnings
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.fuzz import kit
from tests.fuzz.mutate import mutate
from tests.fuzz.targets import every, find

CORPUS = Path(__file__).parent / "corpus"
MUTATIONS, MANY = 12, 1500
# generous, for a busy machine; those of a quick reader take a millisecond
LONGEST_S = 20
TARGETS = every()


@pytest.fixture(autouse=True)
def quiet():
    """Decoders of images warn about what they skip."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    kit.remove_folder()


@pytest.mark.parametrize("name", TARGETS)
def test_valid_inputs_are_taken(name: str) -> None:
    for data in TARGETS[name].seeds():
        assert TARGETS[name].try_on(data) is None


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*/*")), ids=lambda path: path.name)
def test_findings_stay_fixed(path: Path) -> None:
    target = find(path.parent.name)
    assert target is not None, "a corpus folder has the name of a target"
    with kit.at_most(LONGEST_S):
        target.try_on(path.read_bytes())


def _mutated(name: str, count: int) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    for number in range(count):
        rng = Random(f"{name}/{number}")
        data = mutate(target.shape, rng.choice(seeds), rng)
        try:
            with kit.at_most(LONGEST_S):
                target.try_on(data)
        except (Exception, kit.Hang) as error:
            error.add_note(f"mutation {number} of {name}: {data[:200]!r}")
            raise


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_inputs_are_refused_in_one_line(name: str) -> None:
    _mutated(name, MUTATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_damaged_inputs_are_refused_in_one_line(name: str) -> None:
    _mutated(name, MANY)


def test_mutations_are_repeatable_and_differ() -> None:
    for target in TARGETS.values():
        seed = target.seeds()[0]
        made = [mutate(target.shape, seed, Random(number)) for number in range(8)]
        assert made == [mutate(target.shape, seed, Random(number)) for number in range(8)]
        assert len(set(made)) > 3, target.name


def test_what_is_no_refusal_is_a_finding() -> None:
    def read(data: bytes) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError):
        kit.Target("x", "bytes", read, list).try_on(b"")


def test_a_hang_is_a_finding() -> None:
    with pytest.raises(kit.Hang), kit.at_most(0.05):
        sum(0 for _ in count())
