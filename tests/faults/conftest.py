"""One process that forks commands, and one run that nothing disturbed, for all tests of faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.commands import Commands
from tests.fixtures.places import Place


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """The process in which commands are run."""
    with Commands() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, commands: Commands) -> Place:
    """An empty place."""
    return Place(tmp_path, commands)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Place:
    """A run that nothing stopped."""
    place = Place(tmp_path_factory.mktemp("undisturbed"), commands)
    done = place.run()
    assert done.code == 0, done.err
    return place
