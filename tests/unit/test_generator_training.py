"""Generators trained from nothing: settings, captions, the training itself, and drawing with it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark import api
from benchmark.errors import IntegrityError, Interrupted, UsageError
from benchmark.generation.fitting.objective import denoising_loss
from benchmark.generation.trainer import captions, steps
from benchmark.generation.trainer.loop import falling
from benchmark.generation.trainer.request import check_knowledge
from benchmark.generation.trainer.run import Trained, architecture
from benchmark.generation.trainer.settings import trainer_config
from benchmark.generation.trainer.tokenizer import build_tokenizer
from benchmark.registry import yaml_names
from benchmark.verbs import cli, generator_training
from tests.fixtures.stopping import stop_within

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = (
    "fit.size=16", "fit.autoencoder.widths=[8,8]", "fit.autoencoder.steps=3",
    "fit.autoencoder.batch_size=8", "fit.autoencoder.latent_channels=2", "fit.text.width=16",
    "fit.text.layers=1", "fit.denoiser.widths=[8,16]", "fit.denoiser.steps=4",
    "fit.denoiser.batch_size=8", "fit.precision=fp32",
)  # fmt: skip
DIGITS = ("dataset=digitslt", "seed=0", "progress=false")


def fit(folder: Path, *words: str, images: str = "heldout_real") -> Trained:
    return generator_training.fit_generator(DIGITS, folder, images, [*TINY, *words])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return fit(tmp_path_factory.mktemp("trained") / "generator")


@pytest.mark.parametrize("name", yaml_names("fit"))
def test_every_shipped_set_of_settings_can_be_built(name: str) -> None:
    config = trainer_config([f"fit={name}"])
    assert config.name == name
    arch = architecture(config)
    assert arch.latent_side >= 2 ** (len(arch.unet_channels) - 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit=smal32"], "small32"),
        (["fit.denoiser.stepz=3"], "steps"),
        (["fit.denoiser.steps=0"], "greater than 0"),
        (["fit.size=20"], "multiple of 8"),
        (["fit.size=8"], "halve the size evenly, but got 0.5"),
        (["fit.denoiser.attention=[true]"], "Expected 2 values, but got 1"),
        (["fit.denoiser.widths=[60,128]"], "multiples of 8"),
        (["fit.autoencoder.widths=[16]"], "at least 2"),
        (["fit.text.heads=5"], "heads that divide a width of 64, but got 5"),
        (["fit.denoiser.steps={"], "Expected fit.KEY=VALUE"),
    ],
)
def test_wrong_settings_are_refused_before_any_work(words: list[str], message: str) -> None:
    deep = ["fit.autoencoder.widths=[8,8,8,8]"] if words == ["fit.size=8"] else []
    with pytest.raises(UsageError) as caught:
        trainer_config([*words, *deep])
    assert message in str(caught.value)


def test_a_learning_rate_warms_up_stays_flat_and_ends_near_zero() -> None:
    factor = falling(1000, 10, 0.6)
    assert [factor(0), factor(100), factor(600)] == pytest.approx([0.1, 1, 1])
    assert factor(800) == pytest.approx(0.5)
    assert falling(10, 0, 1.0)(0) == 1.0


def flat(*colours: tuple[int, int, int]) -> Any:
    return np.stack([np.full((8, 8, 3), colour, np.uint8) for colour in colours])


def test_words_for_looks_are_true_of_the_ends_of_each_scale() -> None:
    images = flat((0, 0, 0), (250, 250, 250), (120, 120, 120), (220, 90, 60), (60, 90, 220))
    images[2, ::2] = 0
    found = captions.looks_of(images)
    assert "dark" in found[0]
    assert "bright" in found[1]
    assert "detailed" in found[2]
    assert {"colourful", "warm"} <= set(found[3])
    assert {"colourful", "cold"} <= set(found[4])
    for own in found:
        assert not any(set(pair) <= set(own) for pair in captions.SCALES.values())
    assert captions.looks_of(flat((9, 9, 9), (9, 9, 9))) == [(), ()]


def test_scales_have_closed_forms() -> None:
    image = flat((10, 20, 40))
    found = {name: float(values[0]) for name, values in captions.measure(image).items()}
    luma = 0.299 * 10 + 0.587 * 20 + 0.114 * 40
    expected = {"brightness": luma, "colour": 30, "warmth": -30, "detail": 0}
    assert found == pytest.approx(expected, abs=1e-4)
    image[0, ::2] = 0
    assert float(captions.measure(image)["detail"][0]) == pytest.approx(luma / 2, abs=1e-4)


def test_captions_mention_true_words_only_and_all_words_are_single_tokens() -> None:
    made = captions.Captions(
        ("oak tree", "bee"), np.array([0, 1]), [("dark", "warm"), ()], mention=0.5, drop=0.2
    )
    rows = torch.tensor([0, 1] * 500)
    texts = made.draw(rows, torch.Generator().manual_seed(0))
    assert set(texts[::2]) == {"", *(
        f"a photo of {look}oak tree" for look in ("", "dark ", "warm ", "dark warm ")
    )}  # fmt: skip
    assert set(texts[1::2]) == {"", "a photo of bee"}
    assert 0.15 < np.mean([text == "" for text in texts]) < 0.25
    assert texts == made.draw(rows, torch.Generator().manual_seed(0))
    tokenizer = build_tokenizer(made.words)
    longest = "a photo of bright colourful cold detailed oak tree"
    assert len(tokenizer.tokenize(longest)) == len(longest.split())


def test_rows_go_through_permutations_whatever_the_batch() -> None:
    pictures = steps.Pictures(torch.zeros(10, 8, 8, 3, dtype=torch.uint8), flip=True, seed=3)
    drawn = torch.cat([pictures.rows("denoiser", step, 4)[0] for step in range(10)])
    for number in range(4):
        assert drawn[10 * number : 10 * number + 10].sort().values.tolist() == list(range(10))
    assert drawn[:10].tolist() != drawn[10:20].tolist()
    mirrored = torch.cat([pictures.rows("denoiser", step, 50)[1] for step in range(10)])
    assert 0.4 < mirrored.float().mean() < 0.6
    plain = steps.Pictures(pictures.pixels, flip=False, seed=3)
    assert not plain.rows("denoiser", 0, 50)[1].any()


def test_mirrored_pictures_are_mirrored_and_scaled() -> None:
    pixels = torch.arange(8 * 8 * 3, dtype=torch.uint8).reshape(1, 8, 8, 3)
    pictures = steps.Pictures(pixels, flip=True, seed=0)
    shown = pictures.batch(torch.tensor([0, 0]), torch.tensor([False, True]))
    assert torch.equal(shown[0], shown[1].flip(2))
    assert torch.allclose((shown[0].permute(1, 2, 0) + 1) * 127.5, pixels[0].float(), atol=1e-4)


def test_a_perfect_autoencoder_loses_its_divergence_only() -> None:
    class Perfect:
        def encode(self, images: torch.Tensor) -> Any:
            from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution

            self.images = images
            zeros = torch.zeros_like(images)
            made = DiagonalGaussianDistribution(torch.cat([images, zeros], 1))
            return type("Encoded", (), {"latent_dist": made})

        def decode(self, _: torch.Tensor) -> Any:
            return type("Decoded", (), {"sample": self.images})

    images = torch.full((2, 3, 8, 8), 0.5)
    # KL of N(0.5, 1) from N(0, 1) is 0.5^2 / 2 a value
    vae: Any = Perfect()
    found = steps.autoencoder_loss(vae, images, 2.0, torch.Generator().manual_seed(0))
    assert float(found) == pytest.approx(2.0 * 0.125)
    assert steps.psnr(4e-2) == pytest.approx(20.0)


def test_a_trained_generator_is_a_pipeline_with_facts(trained: Trained) -> None:
    facts = json.loads((trained.folder / "fit.json").read_text())
    assert facts == trained.facts
    assert trained.new
    assert facts["knowledge"] == ["heldout_real"]
    assert facts["source"]["dataset"] == "digitslt"
    assert facts["source"]["images"] == "heldout_real"
    assert facts["cost"]["flops"] > 1e6
    assert set(facts["weights_sha256"]) == {
        f"{part}.safetensors"
        for part in ("text_encoder/model", "unet/diffusion_pytorch_model",
                     "vae/diffusion_pytorch_model")
    }  # fmt: skip
    assert not (trained.folder / ".fit").exists()
    log = (trained.folder / "training_log.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in log[1:]] == [["autoencoder", "3"], ["denoiser", "4"]]


def test_no_test_image_is_trained_on(trained: Trained) -> None:
    from benchmark.data.rows import pixels_hash
    from benchmark.experiments.compose import settings

    data = settings(list(DIGITS)).dataset.load(0)
    images = generator_training._resized(np.asarray(data.heldout.images), 16, data.card.colour)
    assert trained.facts["identity"]["pixels"] == pixels_hash(images, data.heldout.labels)
    assert trained.facts["images"] == len(data.heldout.labels)


def test_a_run_draws_with_it_and_is_tagged(trained: Trained, tmp_path: Path) -> None:
    words = generator_training.use(trained).split()
    record = api.run("method=t2i", "modifiers=looks", *words, "generator.steps=2", *DIGITS,
                   "budget=add", "budget.amount=1", "recipe.steps.amount=2", f"out={tmp_path}",
                   "beside=[]")  # fmt: skip
    assert "heldout_real" in record.method.knowledge
    assert record.method.track == "synthetic"


def test_other_knowledge_than_its_own_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"generator\.knowledge=\[heldout_real\]"):
        check_knowledge(trained.folder, ("web-trained-generator",))
    check_knowledge(tmp_path, ("anything",))
    (tmp_path / "fit.json").write_text('{"schema": "other"}')
    with pytest.raises(IntegrityError, match="facts of a trained generator"):
        check_knowledge(tmp_path, ())


def test_a_finished_one_is_left_alone_and_another_needs_another_folder(trained: Trained) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.folder.rglob("*")}
    again = fit(trained.folder)
    assert not again.new
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert set(trained.folder.rglob("*")) == set(before)
    with pytest.raises(UsageError, match="other settings, pictures or seed"):
        fit(trained.folder, "fit.denoiser.steps=5")


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError, match="new or empty folder"):
        fit(tmp_path)


@pytest.fixture
def signal_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ask this process to stop within the step of the denoiser of a number."""
    return stop_within(monkeypatch, steps, "denoising_loss", denoising_loss)


def test_a_stopped_one_goes_on_and_ends_with_the_same_weights(
    trained: Trained, tmp_path: Path, signal_at: Callable[[int], None]
) -> None:
    signal_at(2)
    with pytest.raises(Interrupted, match="Stopped at step 2 of part 2 of 2"):
        fit(tmp_path)
    assert not (tmp_path / "model_index.json").exists()
    found = fit(tmp_path)
    assert found.facts["weights_sha256"] == trained.facts["weights_sha256"]
    assert found.facts["final"] == trained.facts["final"]


def test_a_checkpoint_of_another_training_is_explained(
    tmp_path: Path, signal_at: Callable[[int], None]
) -> None:
    signal_at(1)
    with pytest.raises(Interrupted):
        fit(tmp_path / "a")
    with pytest.raises(IntegrityError, match="another training's"):
        fit(tmp_path / "a", "fit.flip=false")
    shutil.rmtree(tmp_path / "a" / ".fit")
    (tmp_path / "a" / ".fit").mkdir()
    (tmp_path / "a" / ".fit" / "checkpoint.pt").write_bytes(b"PK")
    with pytest.raises(IntegrityError, match="Expected a checkpoint"):
        fit(tmp_path / "a")


def test_the_long_tailed_rows_bring_no_outside_knowledge(tmp_path: Path) -> None:
    found = fit(tmp_path / "real", images="real")
    assert found.facts["knowledge"] == []
    assert found.facts["images"] == 135
    assert "generator.knowledge=[]" in generator_training.use(found)


def test_the_command_says_how_to_use_it(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copied"
    shutil.copytree(trained.folder, folder)
    assert cli.main(["generate", "fit", str(folder), *DIGITS, *TINY]) == 0
    said = capsys.readouterr().out
    assert f"generator=fitted generator.weights={folder} generator.size=16" in said
    assert "there already" in said


def test_the_command_refuses_images_that_nobody_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    assert cli.main(["generate", "fit", str(folder), "dataset=digitslt", "images=test"]) == 2
    assert "Unknown images 'test'" in capsys.readouterr().err
    assert not folder.exists()
