"""What a run computes, and its hours on a machine: closed forms, and what finished runs took."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from torch import nn

from benchmark.errors import UsageError
from benchmark.estimation.counting import work_of
from benchmark.estimation.estimates import BYTES_PER_PIXEL
from benchmark.estimation.machines import FILE, Machine, Speed, Speeds, generator_needs, machine
from benchmark.estimation.workload import BYTES_OF_PARAMETER, StageWork, Work
from benchmark.experiments.compose import hydra_session, settings
from benchmark.experiments.experiment import resolve
from benchmark.models import build_backbone
from benchmark.paths import cache_root, config_dir
from benchmark.recording import records
from benchmark.recording.record_models import Record
from benchmark.verbs.dry_run import dry_run, swept
from benchmark.verbs.on_machine import Sum, sums, take_on, works
from tests.conftest import ROOT
from tests.perf.estimate_check import Sample, others_of, profile, ratio, worst

NAMES = ("gpu24", "gpu24_fast")
RECORDS = ROOT / "leaderboards" / "records" / "digitslt"
CE = ("method=ce", "dataset=digitslt")


def made(**values: Any) -> Machine:
    """1 TFLOP/s in fp32, 2 in bf16, half of it on large images; 1 ms an operation."""
    given: dict[str, Any] = {
        "what": "a machine", "memory_gb": 8.0, "reserved_gb": 1.0, "overlap": True,
        "op_microseconds": 1000.0, "sources": {},
        "rates": Speeds(small=Speed(fp32=1, bf16=2), large=Speed(fp32=0.5, bf16=1), diffusion=4),
    }  # fmt: skip
    return Machine(**given | values)


def work(**values: Any) -> Work:
    """10 steps of 4 images of 1 TFLOP and 2 operations, 5 images read besides."""
    stage = StageWork("base", steps=10, images=40, flops=1e12, ops=2, read=5, kept_bytes=1e6)
    given: dict[str, Any] = {
        "stages": (stage,), "precision": "fp32", "image_size": 32, "batch": 4,
        "parameters": 1000, "forward": 3e11, "tests": 100, "data_bytes": 7000,
    }  # fmt: skip
    return Work(**given | values)


@pytest.fixture(scope="module", autouse=True)
def _session() -> Iterator[None]:
    # composing is faster where it need not begin anew
    with hydra_session():
        yield


# machines


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_profile_has_a_tagged_source(name: str) -> None:
    found = machine(name)
    valued = {"op_microseconds", "reserved_gb", *(each.name for each in fields(Speeds))}
    assert set(found.sources) == valued
    tags = {said.partition(":")[0] for said in found.sources.values()}
    assert tags <= {"measured", "published", "estimated"}
    assert found.rates.small.bf16 > found.rates.small.fp32 > 0


def test_an_unknown_machine_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"Unknown machine 'gpu42' \[--on\]; did you mean gpu24"):
        machine("gpu42")


def test_operations_hide_behind_arithmetic_or_add_to_it() -> None:
    both = made()
    assert both.seconds(3e12, 2000, 32, "fp32") == 3.0
    assert both.seconds(3e12, 4000, 32, "fp32") == 4.0
    assert made(overlap=False).seconds(3e12, 4000, 32, "fp32") == 7.0
    assert both.seconds(3e12, 0, 64, "bf16") == 1.5
    assert both.seconds(3e12, 0, 65, "bf16") == 3.0


def test_generators_are_those_that_are_shipped() -> None:
    text = (config_dir() / FILE).read_text()
    named = [line.split(":")[0].strip() for line in text.partition("generators:")[2].splitlines()]
    for name in filter(None, named):
        assert (config_dir() / "generator" / f"{name}.yaml").is_file()
        assert generator_needs(name) is not None
    assert generator_needs("nobody") is None
    batches = {"sd15_faithful": 16, "sd15_fast": 32}
    for name, batch in batches.items():
        shipped = settings([f"generator={name}", "dataset=digitslt"]).generator.config.batch_size
        needs = generator_needs(name)
        assert needs and needs.batch == shipped == batch


# work


def test_hours_are_those_of_the_arithmetic() -> None:
    # 40 images of 1 TFLOP and 5 forward passes of 0.3
    assert work().flops == pytest.approx(41.5e12)
    assert work().seconds(made()) == pytest.approx(41.5)
    assert work().seconds(made(overlap=False)) == pytest.approx(41.5 + 10 * 2 / 1000)
    assert work(precision="bf16").seconds(made()) == pytest.approx(41.5 / 2)
    assert work().bound_by(made()) == "arithmetic"
    assert work().scoring_seconds(made()) == pytest.approx(100 * 0.3)


def test_a_step_takes_no_less_than_its_operations() -> None:
    slow = made(op_microseconds=5e6)
    assert work().seconds(slow) == pytest.approx(10 * 2 * 5 + 1.5)
    assert work().bound_by(slow) == "launches"


def test_memory_is_weights_activations_and_images() -> None:
    expected = 1000 * BYTES_OF_PARAMETER + 4 * 1e6 + 7000
    assert work().memory_gb == pytest.approx(expected / 1e9)


def _conv_flops(net: nn.Module, size: int) -> list[float]:
    """Of every convolution's forward pass, from its output."""
    found: list[float] = []

    def note(module: Any, _args: Any, out: torch.Tensor) -> None:
        weights = module.weight.numel() / module.groups
        found.append(2 * weights * out.shape[-1] * out.shape[-2])

    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    net(torch.zeros(1, 3, size, size))
    return found


def test_counted_flops_are_those_of_the_layers() -> None:
    experiment = resolve(settings(CE))
    found = work_of(experiment)
    size, classes = experiment.card.image_size, experiment.card.n_classes
    net = build_backbone(experiment.settings.backbone)
    convolutions = _conv_flops(net, size)
    head = 2 * int(net.num_features) * classes  # type: ignore[arg-type]
    forward = sum(convolutions) + head
    assert found.forward == forward
    # backward: by inputs and by weights, but not by the images
    assert found.stages[0].flops == 3 * forward - convolutions[0]
    assert found.parameters == sum(p.numel() for p in net.parameters()) + classes * (
        int(net.num_features) + 1  # type: ignore[arg-type]
    )


def test_activations_are_at_least_the_outputs_of_the_convolutions() -> None:
    experiment = resolve(settings(CE))
    (stage,) = work_of(experiment).stages
    outputs = 4 * experiment.card.image_size**2 * 16 * 2
    assert outputs < stage.kept_bytes < 40 * outputs


@pytest.mark.parametrize(
    "label", ["ce", "ssd", "synaug", "mislas", "weight_balancing", "ride_cmo", "risda", "paco"]
)
def test_steps_and_images_are_those_that_a_run_took(label: str) -> None:
    path = next(RECORDS.glob(f"{label}/*/s0/record.json"))
    record = records.load(path)
    found = works([record.experiment.overrides])[record.experiment.overrides]
    assert found.steps == record.recipe.steps_total
    assert found.images == record.cost.training.images
    taken = [(stage.name, stage.steps) for stage in record.stages]
    assert [(stage.name, stage.steps) for stage in found.stages] == taken
    assert all(stage.flops > 0 for stage in found.stages)


def test_several_experts_and_views_compute_more() -> None:
    plain, experts, views = (
        works([("dataset=digitslt", f"method={name}")])["dataset=digitslt", f"method={name}"]
        for name in ("ce", "ride", "paco")
    )
    assert experts.forward > 1.3 * plain.forward
    assert experts.stages[0].ops > 2 * plain.stages[0].ops
    assert views.stages[0].flops > 1.2 * plain.stages[0].flops


# the command line


def test_counts_are_kept_and_made_again_where_damaged() -> None:
    path = cache_root() / "workloads.json"
    first = works([CE])
    kept = path.read_bytes()
    assert works([CE]) == first and path.read_bytes() == kept
    path.write_text("{}")
    assert works([CE]) == first
    path.write_text("no JSON")
    assert works([CE]) == first


def test_the_machine_is_taken_out_of_the_words() -> None:
    assert take_on(["a=1", "--on", "gpu24", "b=2"]) == (["a=1", "b=2"], machine("gpu24"))
    assert take_on(["--on=gpu24_fast", "b=2"]) == (["b=2"], machine("gpu24_fast"))
    assert take_on(["a=1"]) == (["a=1"], None)
    with pytest.raises(UsageError, match=r"Expected a machine, but got none \[--on\]"):
        take_on(["a=1", "--on"])


DRAWING = ("method=t2i", "dataset=digitslt", "budget=add", "budget.amount=2",
           "generator=sd15_faithful")  # fmt: skip


def test_drawing_is_calls_and_decoding() -> None:
    plan = swept(DRAWING)
    (found,) = sums(plan.points, (), machine("gpu24"))
    tflop = 20 * (100 * 0.803 + 2.515)
    assert found.drawing == pytest.approx(tflop / 45 / 3600)
    assert (found.images, found.fitting, found.unknown) == (20, 0.0, 0)
    weights = 4 * works([DRAWING])[DRAWING].parameters
    assert found.disk == pytest.approx((20 * BYTES_PER_PIXEL * 512**2 + weights) / 1e9)
    assert found.memory == pytest.approx(2.1 + 16 * 0.6 + 1.0)
    # what is drawn already is not drawn again
    (rest,) = sums(plan.points, plan.points, machine("gpu24"))
    assert (rest.images, rest.drawing) == (0, 0.0)


def test_a_pool_that_seeds_share_is_drawn_once() -> None:
    own, shared = (
        sums(swept([*DRAWING, "-m", "seed=0,1", *more]).points, (), machine("gpu24"))[0]
        for more in ((), ("pool_seed=0",))
    )
    assert (own.images, shared.images) == (40, 20)
    assert own.training == pytest.approx(shared.training)


def test_a_generator_that_nobody_counted_is_said() -> None:
    text = dry_run(["method=t2i", "dataset=digitslt", "--on", "gpu24"])
    assert "not in the sum: 1 pools" in text
    assert "reckoned, not measured" in text and "RTX 3090" in text


def test_columns_are_lines_and_their_sum_another() -> None:
    words = ["grid=table1", "dataset=cifar10lt", "seeds=1", "rows=CE", "--on=gpu24"]
    lines = dry_run(words).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("column"))
    rows = [line.split("  ") for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in rows] == ["IF 100", "IF 50", "IF 10", "sum"]
    runs = [line.split()[-9] for line in lines[start + 1 : start + 5]]
    assert runs == ["1", "1", "1", "3"]


def test_hours_add_up() -> None:
    assert Sum("x", training=1.0, scoring=2.0, drawing=4.0, fitting=8.0).hours == 15.0


def test_without_a_machine_nothing_is_counted() -> None:
    code = (
        "import sys; import benchmark.verbs.dry_run;"
        "print([n for n in ('torch', 'benchmark.verbs.on_machine', 'benchmark.estimation.machines')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


# the check of the estimate


def sample(label: str, name: str, found: Work, seconds: float) -> Sample:
    record = records.load(next(RECORDS.glob("ce/*/s0/record.json")))
    stage = record.stages[0].model_copy(update={"seconds": seconds, "shared": label == "taker"})
    changed: Record = record.model_copy(
        update={
            "experiment": record.experiment.model_copy(update={"label": label}),
            "dataset": record.dataset.model_copy(update={"name": name}),
            "stages": (stage,),
            "cost": record.cost.model_copy(
                update={"training": record.cost.training.model_copy(update={"seconds": seconds})}
            ),
        }
    )
    return Sample(changed, found)


def test_a_profile_gives_back_the_rates_that_made_the_times() -> None:
    true = made(overlap=False)
    small = replace(work(), stages=(replace(work().stages[0], flops=1e10, read=0),))
    large = replace(work(), stages=(replace(work().stages[0], read=0),))
    half = replace(large, precision="bf16")
    own = [sample("ce", name, each, each.seconds(true))
           for name, each in (("a", small), ("b", large), ("c", half))]  # fmt: skip
    found = profile(own)
    assert found.rates.small.fp32 == pytest.approx(1.0)
    assert found.rates.small.bf16 == pytest.approx(2.0)
    assert found.op_microseconds == pytest.approx(1000.0)
    assert [ratio(each, found) for each in own] == pytest.approx([1.0, 1.0, 1.0])


def test_what_took_over_a_stage_of_the_profile_is_no_test_of_it() -> None:
    own = sample("ce", "a", work(), 7.0)
    taker, other = sample("taker", "a", work(), 7.0), sample("other", "a", work(), 7.0)
    assert others_of([own, taker, other]) == [other]


def test_the_worst_ratio_is_the_farthest_either_way() -> None:
    assert worst([0.4, 1.0, 2.4]) == 0.4
    assert worst([0.5, 1.0, 2.1]) == 2.1
