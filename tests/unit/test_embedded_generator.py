"""The embedded generator: its renderings, its vocabulary, its build, and the checkpoint we ship."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage
from transformers import CLIPTokenizer

from benchmark.generation.trainer import tokenizer
from benchmark.generation.trainer.loop import falling
from benchmark.generation.trainer.networks import Architecture, new_networks
from benchmark.generation.trainer.saving import weight_hashes
from synaug.embedded import CHECKPOINT, assess, build, fonts

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def clip_tokenizer() -> CLIPTokenizer:
    return tokenizer.build_tokenizer(fonts.WORDS)


@pytest.fixture(scope="module")
def many_pictures() -> list[fonts.Picture]:
    return build.draw_pictures(400, seed=4)


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("miniature")
    build.main(["--out", str(folder), "--preset", "tiny", "--seed", "3"])
    return folder


# --- renderings and captions


def test_package_itself_imports_no_torch() -> None:
    code = "import sys, synaug.embedded; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_font_is_bundled_with_matplotlib() -> None:
    missing = [font.file for font in fonts.FONTS if not fonts.font_path(font).is_file()]
    assert missing == []


def test_a_picture_is_a_function_of_its_generator_alone() -> None:
    first, again, other = (fonts.draw_picture(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert first.digit == again.digit
    assert first.attributes == again.attributes
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)


def test_the_i_th_picture_does_not_depend_on_how_many_are_drawn() -> None:
    few, more = build.draw_pictures(3, seed=1), build.draw_pictures(5, seed=1)
    for left, right in zip(few, more, strict=False):
        assert np.array_equal(left.pixels, right.pixels)


def test_pictures_are_white_on_black_bytes_with_known_attributes() -> None:
    pictures = build.draw_pictures(200, seed=2)
    assert np.median([picture.pixels for picture in pictures]) == 0
    for picture in pictures:
        assert picture.pixels.shape == (fonts.SIZE, fonts.SIZE)
        assert picture.pixels.dtype == np.uint8
        assert picture.pixels.max() > 80
        assert set(picture.attributes) <= set(fonts.MODIFIERS)


@pytest.mark.parametrize(
    ("more", "less", "look"),
    [
        ("bold", "thin", "ink"),
        ("large", "small", "height"),
        ("wide", "narrow", "aspect"),
        ("slanted", "leaning", "slant"),
    ],
)
def test_opposite_attributes_look_opposite(
    more: str, less: str, look: str, many_pictures: list[fonts.Picture]
) -> None:
    def measured(attribute: str) -> float:
        chosen = [p.pixels for p in many_pictures if attribute in p.attributes]
        return assess.measure_look(assess.to_unit(np.stack(chosen)))[look]

    assert measured(more) > measured(less)


def test_captions_name_the_class_and_only_true_attributes() -> None:
    rng = np.random.default_rng(0)
    others = {w for a, words in fonts.MODIFIERS.items() if a != "bold" for w in words}
    for _ in range(300):
        words = fonts.draw_caption(7, ("bold",), rng).split()
        assert words[:3] == ["a", "photo", "of"]
        assert words.count("seven") == 1
        # An invented word may by chance be a known one of two letters, never one of these.
        assert not others & set(words)


def test_half_of_the_captions_hold_invented_words_and_some_hold_no_modifier() -> None:
    rng = np.random.default_rng(1)
    captions = [fonts.draw_caption(3, ("thin", "wide"), rng) for _ in range(1000)]
    invented = [bool(set(caption.split()) - set(fonts.WORDS)) for caption in captions]
    assert 0.4 < np.mean(invented) < 0.6
    bare = [c in {"a photo of three", "a photo of a three"} for c in captions]
    assert np.mean(bare) > 0.05


# --- vocabulary


def test_each_known_word_is_one_token(clip_tokenizer: CLIPTokenizer) -> None:
    assert all(len(clip_tokenizer.tokenize(word)) == 1 for word in fonts.WORDS)
    assert len(set(fonts.WORDS)) == len(fonts.WORDS)


def test_captions_fit_and_end_with_the_class_in_sight(clip_tokenizer: CLIPTokenizer) -> None:
    rng = np.random.default_rng(2)
    captions = [fonts.draw_caption(0, tuple(fonts.MODIFIERS), rng) for _ in range(500)]
    lengths = [len(ids) for ids in clip_tokenizer(captions).input_ids]
    assert max(lengths) <= tokenizer.MAX_LENGTH
    assert clip_tokenizer.model_max_length == tokenizer.MAX_LENGTH


def test_an_unknown_word_is_spelled_and_leaves_its_neighbours_whole(
    clip_tokenizer: CLIPTokenizer,
) -> None:
    tokens = clip_tokenizer.tokenize("Rusty bold SEVEN")
    assert tokens[-2:] == ["bold</w>", "seven</w>"]
    assert "".join(tokens[:-2]) == "rusty</w>"


def test_merges_of_one_word_do_not_cut_another_short() -> None:
    merges = tokenizer.learn_merges(["lain", "plain", "plan"])
    built = tokenizer.build_tokenizer(["lain", "plain", "plan"])
    assert len(merges) == len(set(merges))
    assert built.tokenize("plain lain plan") == ["plain</w>", "lain</w>", "plan</w>"]


def test_a_word_that_takes_several_tokens_is_refused(clip_tokenizer: CLIPTokenizer) -> None:
    with pytest.raises(ValueError, match="Expected one token for 'rusty', but got"):
        tokenizer._require_single_tokens(clip_tokenizer, ["bold", "rusty"])


# --- the build


def test_initial_weights_come_from_the_seed_and_leave_global_state_alone(
    clip_tokenizer: CLIPTokenizer,
) -> None:
    before = torch.random.get_rng_state()
    drawn = [new_networks(Architecture(), clip_tokenizer, seed).unet for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), before)
    first, again, other = (next(unet.parameters()) for unet in drawn)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_learning_rate_warms_up_stays_flat_and_ends_near_zero() -> None:
    factor = falling(1000, 10, 0.6)
    assert factor(0) == pytest.approx(0.1)
    assert factor(100) == factor(600) == 1.0
    assert factor(800) == pytest.approx(0.5)
    assert 0 < factor(999) < 0.01


def test_miniature_build_writes_a_complete_readable_folder(miniature: Path) -> None:
    parts = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    assert all((miniature / part).is_dir() for part in parts)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in miniature.rglob("*") if p.is_file()}
    assert modes == {0o644}
    log = (miniature / "training_log.csv").read_text().splitlines()
    assert log[0] == "part,step,loss,seconds"
    assert [row.split(",")[:2] for row in log[1:]] == [["vae", "6"], ["unet", "6"]]


def test_miniature_build_says_what_it_was_made_from(miniature: Path) -> None:
    facts = json.loads((miniature / "build.json").read_text())
    assert facts["arguments"] == {
        "preset": "tiny",
        "vae_steps": None,
        "unet_steps": None,
        "seed": 3,
    }
    assert facts["schedule"]["unet_steps"] == 6
    assert facts["fonts"] == [font.file for font in fonts.FONTS]
    assert set(build.PACKAGES) <= set(facts["versions"])
    assert facts["weights_sha256"] == weight_hashes(miniature)
    assert len(facts["weights_sha256"]) == 3


def test_miniature_build_loads_offline_and_samples(miniature: Path) -> None:
    sampler = assess.Sampler(assess.load_pipeline(miniature), steps=2)
    pictures = sampler.draw(["a photo of seven", "a photo of rusty one"], seed=0)
    assert pictures.shape == (2, fonts.SIZE, fonts.SIZE)
    assert 0 <= pictures.min() <= pictures.max() <= 1


def test_same_seed_builds_the_same_weights(miniature: Path, tmp_path: Path) -> None:
    build.main(["--out", str(tmp_path), "--preset", "tiny", "--seed", "3"])
    assert weight_hashes(tmp_path) == weight_hashes(miniature)


def test_command_line_overrides_the_preset_and_refuses_no_steps(tmp_path: Path) -> None:
    given = ["--out", str(tmp_path), "--preset", "tiny", "--unet-steps"]
    chosen = build.chosen_schedule(build.parse_arguments([*given, "9"]))
    assert (chosen.unet_steps, chosen.vae_steps) == (9, 6)
    with pytest.raises(SystemExit, match="--unet-steps: expected at least 1 step, but got 0"):
        build.chosen_schedule(build.parse_arguments([*given, "0"]))


# --- the shipped checkpoint


def test_shipped_weights_are_those_that_the_build_recorded() -> None:
    facts = json.loads((CHECKPOINT / "build.json").read_text())
    assert facts["weights_sha256"] == weight_hashes(CHECKPOINT)
    assert facts["words"] == list(fonts.WORDS)
    assert sum(p.stat().st_size for p in CHECKPOINT.rglob("*") if p.is_file()) < 4_000_000


def _features(pictures: NDArray[np.float32]) -> NDArray[np.float64]:
    blurred = ndimage.gaussian_filter(pictures.astype(np.float64), (0, 1, 1))[:, ::2, ::2]
    flat = blurred.reshape(len(pictures), -1)
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def _nearest_labels(pictures: NDArray[np.float32]) -> NDArray[np.int64]:
    """Label each picture as the font render most like it."""
    renders = build.draw_pictures(700, seed=11)
    known = assess.to_unit(np.stack([r.pixels for r in renders]))
    nearest = (_features(pictures) @ _features(known).T).argmax(axis=1)
    return np.array([renders[i].digit for i in nearest])


def test_shipped_checkpoint_draws_the_class_asked_for_in_eight_steps() -> None:
    sampler = assess.Sampler(assess.load_pipeline(CHECKPOINT))
    prompts, labels = assess.prompts_for(("",), 40)
    recognised = _nearest_labels(sampler.draw(prompts, seed=0)) == labels
    assert recognised.mean() > 0.7
    assert all(recognised[labels == digit].any() for digit in range(10))
