"""Training rows: which a stage uses, what a batch holds, what components may see."""

import numpy as np
import pytest
import torch

from benchmark.component import ORIGINS, Rows
from benchmark.config import AugmentationConfig
from benchmark.data.batches import Part, TrainSet, train_set
from benchmark.errors import UsageError
from benchmark.tiny import MEAN, STD, random_images, tiny_rows, tiny_task

PLAIN = AugmentationConfig(pad=0, flip=0)


def rows(views: tuple[str, ...] = ("weak",)) -> TrainSet:
    """Counts (6, 3, 1) of real rows and two synthetic rows of each class."""
    return tiny_rows(tiny_task((6, 3, 1), added=2), views)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_real_and_added_rows_keep_labels_and_origins() -> None:
    found = rows()
    assert len(found) == 16
    assert found.labels.tolist() == [0] * 6 + [1] * 3 + [2] + [0, 0, 1, 1, 2, 2]
    assert [ORIGINS[origin] for origin in found.origins] == ["real"] * 10 + ["synthetic"] * 6


@pytest.mark.parametrize(("origin", "counts"), [("all", [8, 5, 3]), ("real", [6, 3, 1]),
                                                ("added", [2, 2, 2])])  # fmt: skip
def test_a_stage_may_use_rows_of_one_origin(origin: str, counts: list[int]) -> None:
    chosen = rows().select(Rows(origin), 0, "stage")  # type: ignore[arg-type]
    assert torch.bincount(chosen.labels).tolist() == counts


def test_min_keeps_as_many_rows_of_each_class_as_the_smallest_has() -> None:
    chosen = rows().select(Rows("all", "min"), 0, "stage")
    assert torch.bincount(chosen.labels).tolist() == [3, 3, 3]
    assert len(set(chosen.index.tolist())) == 9


def test_a_number_keeps_that_many_rows_of_each_class() -> None:
    assert torch.bincount(rows().select(Rows("all", 2), 0, "s").labels).tolist() == [2, 2, 2]


def test_kept_rows_depend_on_the_seed_and_the_stage_only() -> None:
    def kept(seed: int, stage: str) -> list[int]:
        return rows().select(Rows("all", "min"), seed, stage).index.tolist()

    assert kept(0, "one") == kept(0, "one")
    assert len({tuple(kept(seed, "one")) for seed in range(5)}) > 1
    assert len({tuple(kept(0, stage)) for stage in "abcde"}) > 1


def test_too_few_rows_of_a_class_are_refused() -> None:
    with pytest.raises(UsageError, match="keeps 4 rows of each class, but class 2 has 3"):
        rows().select(Rows("all", 4), 0, "stage")


@pytest.mark.parametrize("per_class", [None, "min"])
def test_a_stage_without_rows_is_refused(per_class: str | None) -> None:
    bare = tiny_rows(tiny_task((3, 1)))
    with pytest.raises(UsageError, match="'late' has no training rows of origin added"):
        bare.select(Rows("added", per_class), 0, "late")  # type: ignore[arg-type]


def test_a_batch_carries_images_targets_origins_and_positions() -> None:
    found = rows().select(Rows("added"), 0, "stage")
    batch = found.batch(torch.tensor([4, 0]), generator())
    assert batch.images.shape == (2, 3, 8, 8)
    assert batch.labels.tolist() == [2, 0]
    assert batch.targets[0][1].tolist() == [1, 1]
    assert [ORIGINS[origin] for origin in batch.origins] == ["synthetic"] * 2
    assert batch.index.tolist() == [4, 0]


def test_a_subset_reads_its_own_images() -> None:
    images = random_images(4, 0)
    whole = train_set([Part("real", images, np.arange(4))], MEAN, STD, PLAIN, ("plain",),
                      torch.device("cpu"))  # fmt: skip
    got = whole.subset(torch.tensor([3, 1])).batch(torch.tensor([0]), generator()).images
    expected = (torch.from_numpy(images[3]).permute(2, 0, 1).float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(got[0], expected)


def test_further_views_are_other_augmentations_of_the_same_rows() -> None:
    batch = rows(("weak", "weak", "plain")).batch(torch.arange(16), generator())
    assert [view.shape for view in batch.views] == [batch.images.shape] * 2
    assert not torch.equal(batch.images, batch.views[0])
    plain = rows(("plain",)).batch(torch.arange(16), generator()).images
    assert torch.equal(batch.views[1], plain)


def test_an_unknown_view_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"Unknown view 'weka'.*weak"):
        rows(("weka",))


def test_components_see_every_row_once_in_order_without_augmentation() -> None:
    found = rows()
    batches = list(found.batches(5))
    assert [len(batch.images) for batch in batches] == [5, 5, 5, 1]
    assert torch.cat([batch.index for batch in batches]).tolist() == list(range(16))
    plain = rows(("plain",)).batch(torch.arange(16), generator()).images
    assert torch.equal(torch.cat([batch.images for batch in batches]), plain)


def test_components_see_augmented_rows_if_they_bring_a_generator() -> None:
    found = rows()
    one, two = (next(iter(found.batches(16, generator(1)))).images for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, next(iter(found.batches(16))).images)


def test_what_components_read_is_metered_across_stages() -> None:
    found = rows()
    list(found.batches())
    list(found.select(Rows("real"), 0, "stage").batches())
    assert found.meter.rows_read == 16 + 10


def test_training_batches_are_not_metered_as_reads() -> None:
    found = rows()
    found.batch(torch.arange(4), generator())
    assert found.meter.rows_read == 0
    assert found.meter.input_seconds > 0
