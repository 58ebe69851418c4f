"""Weights that are absent, truncated or not the expected ones; light checks need no torch."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmark.config import parse
from benchmark.errors import BenchError, DataError, IntegrityError, UsageError
from benchmark.generation.diffusers_config import DiffusersConfig, fetch
from benchmark.generation.weights import weights_hash
from tests.fixtures.generation import tiny_values

pytest_plugins = ["tests.fixtures.generation_plugin"]
pytestmark = pytest.mark.usefixtures("own_cache")
UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """A copy of the tiny pipeline that may be damaged."""
    return Path(shutil.copytree(tiny_pipeline, tmp_path / "copy"))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No network and an empty hub cache."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))


def _config(folder: Path | str, **changes: Any) -> DiffusersConfig:
    values = tiny_values(Path("unused"), **{"weights": str(folder), **changes})
    values.pop("kind")
    return parse(DiffusersConfig, values, "generator")


def test_whole_weights_pass(folder: Path) -> None:
    config = _config(folder)
    config.check()
    assert _config(folder, weights_hash=weights_hash(folder)).check() is None


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_weights_are_named(folder: Path, keep: int) -> None:
    path = folder / UNET
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(IntegrityError, match=r"diffusion_pytorch_model\.safetensors\]; delete it"):
        _config(folder).check()


def test_altered_weights_change_the_hash(folder: Path) -> None:
    before = weights_hash(folder)
    data = bytearray((folder / UNET).read_bytes())
    data[-1] ^= 1
    (folder / UNET).write_bytes(data)
    assert weights_hash(folder) != before
    with pytest.raises(IntegrityError, match=f"Expected weights with hash {before}"):
        _config(folder, weights_hash=before).check()


def test_a_scheduler_change_changes_the_hash_but_a_stray_file_does_not(folder: Path) -> None:
    before = weights_hash(folder)
    (folder / "README.md").write_text("hello")
    assert weights_hash(folder) == before
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(path.read_text().replace("0.02", "0.03"))
    assert weights_hash(folder) != before


def test_an_unreadable_hash_cache_is_ignored(folder: Path, tmp_path: Path) -> None:
    before = weights_hash(folder)
    (tmp_path / "cache" / "file-hashes.json").write_text("{")
    assert weights_hash(folder) == before


def test_pickled_weights_are_not_weights(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(DataError, match="Expected safetensors weights for 'unet'"):
        _config(folder).check()


def test_weights_that_do_not_fit_their_config(folder: Path) -> None:
    from benchmark.generation.generator import build_generator

    path = folder / "unet" / "config.json"
    path.write_text(
        path.read_text().replace('"cross_attention_dim": 16', '"cross_attention_dim": 24')
    )
    with pytest.raises(IntegrityError, match="Expected a pipeline that loads"):
        build_generator(tiny_values(folder), "cpu").load()


@pytest.mark.usefixtures("offline")
def test_missing_hub_weights_name_the_command_that_fetches_them() -> None:
    config = _config("owner/model", name="mine", revision="a" * 40)
    with pytest.raises(DataError) as caught:
        config.check()
    assert "run: python -m benchmark prepare generator=mine" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_the_command_for_weights_of_ones_own_can_be_given() -> None:
    config = _config("owner/model", name="path", revision="a" * 40)
    with pytest.raises(DataError) as caught:
        config.check()
    said = f"prepare generator=path generator.weights=owner/model generator.size={config.size}"
    assert f"run: python -m benchmark {said} generator.revision={'a' * 40}" in str(caught.value)


@pytest.mark.usefixtures("offline")
def test_fetching_offline_is_one_line() -> None:
    with pytest.raises(DataError, match=r"Expected to fetch owner/model at revision aaa") as caught:
        fetch(_config("owner/model", revision="a" * 40))
    assert "\n" not in str(caught.value)


def test_fetching_a_folder_is_a_check(folder: Path) -> None:
    assert fetch(_config(folder)) == folder


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ("./nowhere", DataError, "model_index.json"),
        ("nonsense", UsageError, "a folder or a hub id"),
        ("package:synaug/nowhere", DataError, "model_index.json"),
        ("package:no_such_package/x", DataError, "installed package"),
    ],
)
def test_places_without_weights(weights: str, error: type[BenchError], words: str) -> None:
    with pytest.raises(error, match=words):
        _config(weights).check()


def test_light_modules_import_no_torch() -> None:
    code = (
        "import sys; import benchmark.generation.pool, benchmark.generation.diffusers_config; "
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
