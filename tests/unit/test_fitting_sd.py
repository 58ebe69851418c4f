"""Fitting and drawing with a folder shaped like Stable Diffusion 1.5's, of random weights."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmark.errors import DataError, IntegrityError, UsageError
from benchmark.generation.fitting.apply import attach, detach
from benchmark.generation.fitting.cost import predicted_network_calls
from benchmark.generation.fitting.request import FitRequest, Fitted
from benchmark.generation.fitting.run import ensure_fit
from benchmark.generation.fitting.training import new_adapter
from benchmark.generation.generator import Mode, build_generator
from benchmark.generation.pipelines import load_pipeline
from benchmark.training import checkpoints
from tests.fixtures.fitting import fit_request
from tests.fixtures.sd_shaped import build_sd_shaped, sd_values

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
MODIFIED = pytest.mark.parametrize("name", ["joint", "per_class", "tokens"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sd")
    build_sd_shaped(made)
    return made


@pytest.fixture(scope="module")
def requests(folder: Path) -> dict[str, FitRequest]:
    values = sd_values(folder)
    return {
        "joint": fit_request(values, text_encoder=True, steps=2),
        "per_class": fit_request(values, scope="per_class", steps=1),
        "tokens": fit_request(values, kind="textual_inversion", steps=2),
    }


@pytest.fixture(scope="module")
def fits(
    requests: dict[str, FitRequest], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Fitted]:
    root = tmp_path_factory.mktemp("fits")
    return {name: ensure_fit(one, root, progress=False) for name, one in requests.items()}


@pytest.fixture(scope="module")
def pipe(requests: dict[str, FitRequest]) -> Any:
    return load_pipeline(requests["joint"].base, CPU)


@torch.inference_mode()
def draw(pipe: Any, text: str = "a photo of one") -> np.ndarray:
    made = pipe(
        text,
        num_inference_steps=2,
        height=64,
        width=64,
        output_type="np",
        generator=torch.Generator().manual_seed(1),
    )
    return np.asarray(made.images)


@pytest.mark.parametrize("scheduler", ["DPMSolverMultistep", "PNDM"])
def test_the_suite_draws_with_it(folder: Path, scheduler: str) -> None:
    spacing = "trailing" if scheduler == "DPMSolverMultistep" else None
    generator = build_generator(sd_values(folder, scheduler=scheduler, spacing=spacing), "cpu")
    drawn = generator.draw(["a photo of one", "a photo of two"], [1, 2])
    assert [image.size for image in drawn.images] == [(64, 64)] * 2
    assert drawn.finite == [True] * 2
    assert drawn.calls == 2 * 2 * (3 if scheduler == "PNDM" else 2)


@pytest.mark.parametrize("scheduler", ["DPMSolverMultistep", "PNDM"])
def test_the_suite_translates_with_it(folder: Path, scheduler: str) -> None:
    spacing = "trailing" if scheduler == "DPMSolverMultistep" else None
    values = sd_values(folder, scheduler=scheduler, spacing=spacing, steps=4)
    generator, mode = build_generator(values, "cpu"), Mode(strength=0.5)
    guides = [Image.new("RGB", (32, 32), name) for name in ("teal", "tan")]
    drawn = generator.draw(["a photo of one"] * 2, [1, 1], guides, mode)
    assert drawn.finite == [True] * 2
    assert (
        drawn.calls == 2 * generator.predicted_calls(0.5) == 2 * 2 * (3 if spacing is None else 2)
    )
    assert drawn.images[0].tobytes() != drawn.images[1].tobytes()


def test_low_rank_weights_of_the_generator_itself_are_merged(
    folder: Path, fits: dict[str, Fitted]
) -> None:
    path = fits["joint"].adapter(0)
    plain = build_generator(sd_values(folder, batch_size="auto"), "cpu")
    merged = build_generator(sd_values(folder, lora=str(path), vae_slicing=True), "cpu")
    merged.check()
    assert merged.fingerprint() != plain.fingerprint()
    words = (["a photo of one"], [1])
    attached = plain.draw(*words, mode=Mode(adapter=path)).images[0]
    found, bare = merged.draw(*words).images[0], plain.draw(*words).images[0]
    assert np.abs(np.asarray(found, int) - np.asarray(attached, int)).max() <= 1
    assert found.tobytes() != bare.tobytes()
    gone = build_generator(sd_values(folder, lora=str(folder / "none")), "cpu")
    with pytest.raises(DataError, match=r"pytorch_lora_weights.safetensors.*generator.lora"):
        gone.check()


def test_old_names_on_disk_reach_the_networks(folder: Path, pipe: Any) -> None:
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    text = load_file(folder / "text_encoder" / "model.safetensors")
    attention = pipe.vae.encoder.mid_block.attentions[0]
    old = vae["encoder.mid_block.attentions.0.query.weight"]
    assert torch.equal(attention.to_q.weight, old)
    rows = text["text_model.embeddings.token_embedding.weight"]
    assert torch.equal(pipe.text_encoder.get_input_embeddings().weight, rows)
    assert pipe.tokenizer("a").input_ids == [49406, 320, 49407]


def test_a_hundred_steps_of_lcm_are_refused(folder: Path) -> None:
    generator = build_generator(sd_values(folder, scheduler="LCM", spacing=None, steps=100))
    with pytest.raises(UsageError, match="at most 50 steps for LCM, but got 100"):
        generator.check()


def test_absent_weights_are_explained(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.name != "unet":
            target = tmp_path / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    with pytest.raises(DataError, match="safetensors weights for 'unet', but found none"):
        build_generator(sd_values(tmp_path)).check()
    with pytest.raises(DataError, match=r"pipeline folder with model_index\.json"):
        ensure_fit(fit_request(sd_values(tmp_path / "nowhere")), tmp_path, progress=False)


@MODIFIED
def test_an_adapter_changes_what_is_drawn_and_detaching_restores_it(
    fits: dict[str, Fitted], pipe: Any, name: str
) -> None:
    before, fitted = draw(pipe), fits[name]
    drawn = []
    for label in (0, 2):
        attach(pipe, fitted.adapter(label))
        drawn.append(draw(pipe, f"a photo of {fitted.prompt_names[label]}"))
    assert np.abs(drawn[0] - drawn[1]).max() > 1e-4
    assert all(np.abs(each - before).max() > 1e-4 for each in drawn)
    detach(pipe)
    detach(pipe)
    assert np.array_equal(draw(pipe), before)


def test_a_joint_fit_has_one_file_and_a_fit_a_class_has_one_each(fits: dict[str, Fitted]) -> None:
    joint, each = fits["joint"], fits["per_class"]
    assert joint.adapter(0) == joint.adapter(2) == joint.folder / "joint.safetensors"
    assert len({each.adapter(label) for label in range(3)}) == 3
    assert len(set(each.hashes.values())) == 3
    assert fits["tokens"].prompt_names == ("<class-000>", "<class-001>", "<class-002>")
    with pytest.raises(UsageError, match="Expected a label below 3, but got 7"):
        each.adapter(7)


def test_the_cost_is_counted(
    fits: dict[str, Fitted], requests: dict[str, FitRequest], folder: Path
) -> None:
    generator = build_generator(sd_values(folder), "cpu")
    call = generator.load().flops_call
    for name, steps, distinct in (("joint", 2, 5), ("per_class", 3, 6), ("tokens", 2, 5)):
        cost = fits[name].cost
        assert cost.network_calls == predicted_network_calls(requests[name].config, 3)
        assert (cost.optimizer_steps, cost.images_seen) == (steps, 3 * steps)
        assert cost.real_images == distinct
        encoding = cost.flops - 9 * steps * call
        assert 0 < encoding / distinct < 100 * call
        assert cost.device_seconds > 0


def test_a_finished_fit_is_used_again(fits: dict[str, Fitted], requests: dict[str, Any]) -> None:
    fitted = fits["joint"]
    before = (fitted.folder / "fit.json").stat().st_mtime_ns
    assert ensure_fit(requests["joint"], fitted.folder.parent) == fitted
    assert (fitted.folder / "fit.json").stat().st_mtime_ns == before
    assert sorted(path.name for path in fitted.folder.iterdir() if path.name[0] != ".") == [
        "fit.json", "joint.safetensors",
    ]  # fmt: skip
    marker = json.loads((fitted.folder / "fit.json").read_text())
    assert marker["identity"] == requests["joint"].identity
    assert {"torch", "diffusers", "peft"} <= set(marker["versions"])


def test_plain_diffusers_reads_the_file_and_draws_the_same(
    fits: dict[str, Fitted], folder: Path, pipe: Any
) -> None:
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    plain = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    plain.set_progress_bar_config(disable=True)
    plain.scheduler = DPMSolverMultistepScheduler.from_config(
        plain.scheduler.config, timestep_spacing="trailing"
    )
    fitted = fits["joint"]
    plain.load_lora_weights(fitted.folder, weight_name="joint.safetensors")
    attach(pipe, fitted.adapter(0))
    drawn = draw(pipe)
    detach(pipe)
    assert np.array_equal(draw(plain), drawn)


def test_low_rank_updates_sit_on_the_attention_only(fits: dict[str, Fitted]) -> None:
    tensors = load_file(fits["joint"].adapter(0))
    layers = {name.rpartition(".lora")[0].rpartition(".")[2] for name in tensors}
    assert layers == {"to_q", "to_k", "to_v", "0", "q_proj", "k_proj", "v_proj", "out_proj"}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}
    assert {min(tensor.shape) for tensor in tensors.values()} == {2}


def test_training_moves_the_adapter_alone(requests: dict[str, FitRequest], pipe: Any) -> None:
    """One step on one batch lowers its loss and leaves the base as it is."""
    from benchmark.generation.fitting.latents import encode
    from benchmark.generation.fitting.objective import denoising_loss, training_schedule

    request = requests["joint"]
    before = checkpoints.weights_hash(pipe.unet)
    latents = encode(pipe.vae, request.images, [0, 6, 7], 64)
    text = pipe.encode_prompt(["a photo of one"] * 3, CPU, 1, False)[0].detach()
    schedule = training_schedule(pipe.scheduler)

    def loss() -> torch.Tensor:
        rng = torch.Generator().manual_seed(3)
        return denoising_loss(pipe.unet, schedule, latents.sample([0, 6, 7], rng), text, rng)

    base = float(loss().detach())
    adapter = new_adapter(pipe, request, "joint", (0, 1, 2))
    weights = list(adapter.weights().values())
    optimizer = torch.optim.AdamW(weights, lr=0.01)
    assert float(loss().detach()) == pytest.approx(base, rel=1e-5)
    for _ in range(5):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss().detach()) < base
    trained = {id(weight) for weight in weights}
    assert all(
        weight.grad is None
        for module in (pipe.unet, pipe.text_encoder, pipe.vae)
        for weight in module.parameters()
        if id(weight) not in trained
    )
    adapter.remove()
    assert checkpoints.weights_hash(pipe.unet) == before


def test_a_new_token_begins_as_the_mean_of_the_class_names_tokens(
    requests: dict[str, FitRequest], fits: dict[str, Fitted], pipe: Any
) -> None:
    table = pipe.text_encoder.get_input_embeddings().weight
    ids = pipe.tokenizer("three", add_special_tokens=False).input_ids
    assert len(ids) > 1
    adapter = new_adapter(pipe, requests["tokens"], "joint", (0, 1, 2))
    rows = adapter.weights()["rows"].detach().clone()
    assert torch.allclose(rows[2], table[ids].mean(dim=0), atol=1e-6)
    assert pipe.tokenizer("<class-002>").input_ids == [49406, 49410, 49407]
    adapter.remove()
    trained = load_file(fits["tokens"].adapter(0))
    assert not torch.equal(trained["<class-002>"], rows[2])


def test_the_autoencoder_sees_the_images_the_way_training_data_are_resized(pipe: Any) -> None:
    from benchmark.generation.fitting.latents import encode, pixels

    image = np.random.default_rng(1).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    given = pixels(image, 64, pipe.vae)
    assert np.array_equal(((given[0].permute(1, 2, 0) + 1) * 127.5).round().numpy(), image[0])
    latents = encode(pipe.vae, image, [0], 64)
    with torch.no_grad():
        expected = pipe.vae.encode(given).latent_dist
    samples = torch.cat(
        [latents.sample([0], torch.Generator().manual_seed(seed)) for seed in range(400)]
    )
    assert torch.allclose(samples.mean(0), expected.mean[0] * 0.18215, atol=0.05)
    assert torch.allclose(samples.std(0), expected.std[0] * 0.18215, rtol=0.2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not safetensors", "Expected a fitted adapter in safetensors format, but got"),
        ({"weight": torch.zeros(2)}, "but got a tensor 'weight'"),
        ({}, "but got no tensors"),
        ({"<class-000>": torch.zeros(7)}, r"shape \(1, 48\), but got \(1, 7\)"),
        ({"<|endoftext|>": torch.zeros(48)}, "does not know yet"),
        ({"unet.mid_block.attentions.0.proj_in.lora_A.weight": torch.zeros(2, 3, 1, 1),
          "unet.mid_block.attentions.0.proj_in.lora_B.weight": torch.zeros(3, 2, 1, 1)},
         "an adapter of this generator"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_adapter_is_refused(
    pipe: Any, tmp_path: Path, content: Any, words: str
) -> None:
    before, path = draw(pipe), tmp_path / "a.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_file(content, path)
    with pytest.raises(IntegrityError, match=words):
        attach(pipe, path)
    assert np.array_equal(draw(pipe), before)


def test_an_absent_adapter_is_explained(pipe: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a fitted adapter, but got none"):
        attach(pipe, tmp_path / "a.safetensors")


def test_low_rank_updates_need_their_packages(
    pipe: Any, fits: dict[str, Fitted], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = "benchmark.generation.fitting.adapter.importlib.util.find_spec"
    monkeypatch.setattr(found, lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'synaug-bench\[fit\]'"):
        attach(pipe, fits["joint"].adapter(0))


def test_other_architectures_are_refused(pipe: Any) -> None:
    from benchmark.generation.fitting.objective import check_pipeline

    class Two:
        components = dict.fromkeys(("unet", "text_encoder", "text_encoder_2", "tokenizer"))

    check_pipeline(pipe, "here")
    with pytest.raises(UsageError, match="one text encoder and a U-Net"):
        check_pipeline(Two(), "here")
