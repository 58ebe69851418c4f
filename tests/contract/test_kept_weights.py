"""Every method's deployed network is built again from its weights file, bit by bit."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark import tiny
from benchmark.identity import shipped_settings
from benchmark.pairs import built_in_pieces
from benchmark.publishing.network import read_network
from benchmark.recording.weights_file import WEIGHTS, write_weights
from benchmark.registry import COMPONENTS
from benchmark.tiny import Piece
from benchmark.training import evaluate
from benchmark.training.train import train
from tests.fixtures.networks import stack_of, tiny_blueprint

STACKS = [
    ["t2i", "domain_mixup", "retrain_head"],
    ["ldam", "drw", "crt"],
    ["t2i", "ldam", "drw", "cmo", "lws"],
    ["lws", "weight_balancing"],
    ["weight_balancing", "tau_norm"],
    ["fake_to_real", "crt"],
    ["paco", "origin_batch_norm"],
    ["ride", "cmo"],
    ["mixup", "mislas_stage2"],
]


def piece(name: str) -> Piece:
    return Piece(COMPONENTS.load(name), shipped_settings(name), name)


def logits(net: torch.nn.Module) -> np.ndarray:
    images = tiny.random_images(7, 3)
    return evaluate.logits(net, images, tiny.MEAN, tiny.STD, torch.device("cpu"))


def rebuilt_as_trained(pieces: Sequence[Piece], folder: Path) -> None:
    stack = stack_of(pieces)
    job = tiny.tiny_job(stack, folder, recipe=tiny.tiny_recipe(steps=4))
    net, _, _ = train(job)
    deployed = stack.deploy(net, job.task)
    plan = tiny_blueprint(job, deployed, net)
    write_weights(folder / WEIGHTS, deployed, plan)
    again, found = read_network(folder / WEIGHTS)
    assert found == plan
    assert np.array_equal(logits(again), logits(deployed))


@pytest.mark.parametrize("each", built_in_pieces(), ids=lambda piece: piece.name)
def test_every_component_is_built_again(each: Piece, tmp_path: Path) -> None:
    rebuilt_as_trained([each], tmp_path)


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_stacks_are_built_again(names: list[str], tmp_path: Path) -> None:
    rebuilt_as_trained([piece(name) for name in names], tmp_path)
