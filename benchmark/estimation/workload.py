"""What a run computes, whatever machine it is on, and how long that takes on one; no torch."""

from dataclasses import dataclass

from benchmark.estimation.machines import Machine

# weights, gradients and momentum in fp32
BYTES_OF_PARAMETER = 12


@dataclass(frozen=True)
class StageWork:
    """What one stage computes.

    Attributes:
        name: of the stage.
        steps: optimiser steps.
        images: taken in all of them.
        flops: of an image's forward and backward pass.
        ops: operations of the library in a step.
        read: images that pass forward besides: for features, or read by a component.
        kept_bytes: of an image, for the backward pass.
    """

    name: str
    steps: int
    images: int
    flops: float
    ops: float
    read: float
    kept_bytes: float


@dataclass(frozen=True)
class Work:
    """What a run computes, whatever machine it is on.

    Attributes:
        stages: in order.
        precision: of training, "fp32" or "bf16".
        image_size: pixels a side.
        batch: images a step.
        parameters: of the network in training.
        forward: FLOPs of an image when scored.
        tests: images that are scored; 0 where the card does not say.
        data_bytes: of the training images on the device; 0 where they are streamed from disk.
    """

    stages: tuple[StageWork, ...]
    precision: str
    image_size: int
    batch: int
    parameters: int
    forward: float
    tests: int
    data_bytes: int

    @property
    def steps(self) -> int:
        """Optimiser steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @property
    def images(self) -> int:
        """Images taken in all steps."""
        return sum(stage.images for stage in self.stages)

    def seconds(self, machine: Machine) -> float:
        """Time of training on a machine."""
        return sum(self._stage_seconds(stage, machine) for stage in self.stages)

    def _stage_seconds(self, stage: StageWork, machine: Machine) -> float:
        learned = machine.seconds(
            stage.images * stage.flops, stage.steps * stage.ops, self.image_size, self.precision
        )
        return learned + machine.seconds(
            stage.read * self.forward, 0.0, self.image_size, self.precision
        )

    @property
    def flops(self) -> float:
        """Of training in all."""
        return sum(each.images * each.flops + each.read * self.forward for each in self.stages)

    def bound_by(self, machine: Machine) -> str:
        """What the longest stage waits for: arithmetic, or operations being started."""
        longest = max(self.stages, key=lambda stage: self._stage_seconds(stage, machine))
        compute = (
            longest.images * longest.flops / machine.flops_a_second(self.image_size, self.precision)
        )
        starting = longest.steps * longest.ops * machine.op_microseconds / 1e6
        return "arithmetic" if compute >= starting else "launches"

    def scoring_seconds(self, machine: Machine) -> float:
        """Time of scoring the test images, which is in fp32."""
        return machine.seconds(self.tests * self.forward, 0.0, self.image_size, "fp32")

    @property
    def memory_gb(self) -> float:
        """Peak memory of training without what the device keeps for itself."""
        kept = self.batch * max(stage.kept_bytes for stage in self.stages)
        return (self.parameters * BYTES_OF_PARAMETER + kept + self.data_bytes) / 1e9
