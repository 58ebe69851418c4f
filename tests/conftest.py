"""What all tests share: no network, a cache of their own, and the markers' switches."""

import os
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
# tiny networks: a second thread only waits for the first, and golden traces are of one
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_MODE": "disabled"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too")
    parser.addoption("--realdata", action="store_true", help="run tests on prepared real data")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker in ("slow", "realdata"):
            if marker in item.keywords and not config.getoption(f"--{marker}"):
                item.add_marker(pytest.mark.skip(reason=f"needs --{marker}"))
        if "gpu" in item.keywords and not _has_gpu():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(scope="session", autouse=True)
def cache(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[None]:
    """A cache root of the session's own; real data sets are looked for in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        if not request.config.getoption("--realdata"):
            patch.setenv("SYNAUG_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to other machines; a test that makes one is wrong."""
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("localhost", "127.0.0.1", "::1"):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)


def install(site: Path, project: dict[str, Any]) -> None:
    """Make a package count as installed on the path ``site``, without an installer.

    Args:
        site: a folder.
        project: name, version and entry points, as in ``pyproject.toml``.
    """
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="session")
def plugin_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PYTHONPATH on which the sample package counts as installed."""
    source = ROOT / "tests" / "fixtures" / "plugin"
    site = tmp_path_factory.mktemp("site")
    install(site, tomllib.loads((source / "pyproject.toml").read_text())["project"])
    return os.pathsep.join(map(str, (site, source / "src", ROOT)))


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Torch with one thread, which rounds alike everywhere."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
