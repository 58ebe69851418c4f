"""The leak check: correlation against closed forms, planted copies, and its messages."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage, stats

from benchmark.data.images import decode
from benchmark.errors import DataError, UsageError
from benchmark.generation.quality import leaks, matching
from benchmark.generation.quality.bands import geometry, pictures
from benchmark.generation.quality.leaks import (
    Match,
    Threshold,
    calibrate,
    find_leaks,
    near_duplicates,
)
from benchmark.generation.quality.matching import Index, nearest
from tests.perf.leak_test import (
    CHANGES,
    PLANTED,
    Case,
    changed,
    digits_case,
    leak_test,
)

FOLDER = os.environ.get("SYNAUG_BENCH_TEST_DATA")
SURE = Threshold(0.9, 0.001, 20, 0)


def scenes(seed: int, n: int, side: int = 32) -> np.ndarray:
    """Random smooth colour pictures with detail at several sizes."""
    rng = np.random.default_rng(seed)
    layers = [
        ndimage.gaussian_filter(rng.normal(size=(n, side, side, 3)), (0, s, s, 0)) * s
        for s in (1.0, 2.0, 4.0)
    ]
    return (128 + 90 * sum(layers)).clip(0, 255).astype(np.uint8)


def test_correlation_is_pearsons_at_every_shift() -> None:
    images, index = scenes(0, 3), Index(scenes(0, 3))
    bands, window = pictures(images, index.sizes), index.sizes.window
    found = index.correlate(bands[:1], 1.0, np.array([[0, 2]]))
    assert found.shape == (1, 2, 9, 9)
    template = bands[0, 4 : 4 + window, 4 : 4 + window].ravel()
    for reference, (down, right) in [(0, (4, 4)), (0, (1, 7)), (2, (8, 0))]:
        part = bands[reference, down : down + window, right : right + window].ravel()
        expected = np.corrcoef(template, part)[0, 1]
        assert found[0, [0, 2].index(reference), down, right] == pytest.approx(expected, abs=1e-4)


def test_large_images_are_shrunk_by_area() -> None:
    large = scenes(1, 2, 64)
    blocks = large.reshape(2, 32, 2, 32, 2, 3).mean((2, 4))
    sizes = geometry(64)
    assert sizes.side == 32
    np.testing.assert_allclose(pictures(large, sizes), pictures(blocks, sizes), atol=1e-3)


def test_shrinking_by_a_fraction_keeps_the_mean() -> None:
    flat = np.full((1, 45, 45, 3), 77, np.uint8)
    np.testing.assert_allclose(pictures(flat, geometry(45)), 0, atol=1e-3)


@pytest.mark.parametrize("side", [8, 9, 15, 28, 32, 33, 64, 224])
def test_windows_fit_into_pictures_of_any_size(side: int) -> None:
    sizes = geometry(side)
    assert sizes.window % sizes.cell == 0
    assert max(sizes.offsets) + sizes.window <= sizes.side
    images = scenes(2, 3, side)
    found = nearest(images[:, :, ::-1], Index(images))
    assert found.reference.tolist() == [0, 1, 2] and found.mirrored.all()
    assert found.score.min() > 0.999


@pytest.mark.parametrize("kind", CHANGES)
def test_every_kind_of_copy_is_found_among_unrelated_images(kind: str) -> None:
    test, train, others = scenes(3, 60), scenes(4, 60), scenes(5, 40)
    copies = changed(test[:20], kind, np.random.default_rng(0))
    found = near_duplicates(np.concatenate([others, copies]), test, train)
    right = [match for match in found if match.reference == match.candidate - 40]
    # turning the hue of pictures without edges in common channels changes what they show in grey
    assert len(right) >= (8 if kind == "rehued" else 20)
    assert [match for match in found if match.candidate < 40] == []


def test_a_match_says_what_was_done() -> None:
    test = scenes(6, 30)
    moved = np.roll(test[7:8, :, ::-1], (2, -1), axis=(1, 2))
    (match,) = find_leaks(moved, test, SURE)
    assert (match.reference, match.threshold) == (7, 0.9)
    assert match.transform == "mirrored, shifted (-2, -1)"
    (same,) = find_leaks(test[3:4], test, SURE)
    assert same.transform == "in place" and same.score == pytest.approx(1, abs=1e-4)


def test_brightness_and_contrast_do_not_change_the_score() -> None:
    test = scenes(7, 20)
    faded = (test[:5] * 0.4 + 60).round().astype(np.uint8)
    assert nearest(faded, Index(test)).score.min() > 0.998


def test_blank_images_are_like_nothing() -> None:
    blank = np.full((1, 32, 32, 3), 200, np.uint8)
    assert nearest(blank, Index(scenes(8, 10))).score[0] < 0.01
    assert nearest(scenes(8, 1), Index(blank)).score[0] < 0.01


def test_own_row_is_left_out() -> None:
    images = scenes(9, 6)
    images[5] = images[0]
    found = nearest(images, Index(images), own=np.arange(6))
    assert found.reference[5] == 0 and found.reference[0] == 5
    assert (found.reference != np.arange(6)).all()


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    images, index = scenes(10, 30), Index(scenes(11, 40))
    whole = nearest(images, index)
    monkeypatch.setattr(matching, "CHUNK", 7)
    parts = nearest(images, index)
    assert whole.reference.tolist() == parts.reference.tolist()
    np.testing.assert_allclose(whole.score, parts.score, atol=1e-5)


def test_threshold_is_the_quantile_of_a_gumbel() -> None:
    heights = stats.gumbel_r(0.6, 0.13).rvs(20_000, random_state=0)
    value = leaks._gumbel_quantile(np.tanh(heights).astype(np.float32), 0.001)
    assert np.arctanh(value) == pytest.approx(stats.gumbel_r(0.6, 0.13).ppf(0.999), abs=0.03)


def test_threshold_withstands_genuine_copies() -> None:
    scores = np.tanh(stats.gumbel_r(0.6, 0.13).rvs(2000, random_state=1)).astype(np.float32)
    clean = leaks._gumbel_quantile(scores, 0.001)
    scores[:40] = 0.999
    assert leaks._gumbel_quantile(scores, 0.001) == pytest.approx(clean, abs=0.02)
    assert np.quantile(scores, 0.999) == pytest.approx(0.999)


def test_calibration_says_how_many_rows_reach_it() -> None:
    train, test = scenes(12, 80), scenes(13, 60)
    train[::20] = test[:4]
    found = calibrate(train, test)
    assert (found.rows, found.flagged, found.rate) == (80, 4, 0.001)
    assert calibrate(train, test, rate=0.01).value < found.value < 1


def test_no_candidates_no_matches() -> None:
    assert find_leaks(scenes(14, 0), scenes(14, 3), SURE) == []


def test_matches_are_plain_values() -> None:
    match = Match(candidate=1, reference=2, score=0.95, threshold=0.9)
    assert match.transform == "in place"
    test = scenes(15, 3)
    (found,) = find_leaks(test[:1], test, SURE)
    assert [type(value) for value in vars(found).values()] == [int, int, float, float, str]


def test_messages() -> None:
    with pytest.raises(UsageError, match=r"rate in \(0, 0.1\), but got 0.5"):
        calibrate(scenes(16, 30), scenes(16, 3), rate=0.5)
    with pytest.raises(DataError, match="at least 20 training images to calibrate on, but got 5"):
        calibrate(scenes(16, 5), scenes(16, 3))
    with pytest.raises(DataError, match=r"with 32 pixels a side, but got uint8 \(2, 16, 16, 3\)"):
        find_leaks(scenes(16, 2, 16), scenes(16, 3), SURE)
    with pytest.raises(DataError, match="h >= 8 pixels a side, but got uint8"):
        Index(scenes(16, 2, 7))
    with pytest.raises(DataError, match="but got float32"):
        Index(scenes(16, 2).astype(np.float32))  # type: ignore[arg-type]


def test_digits() -> None:
    outcome = leak_test(digits_case(100))
    assert outcome.alarms == ()
    assert outcome.found >= 40
    assert all(outcome.kinds[kind] == PLANTED for kind in ("shifted", "mirrored", "grey"))


@pytest.mark.skipif(not FOLDER, reason="SYNAUG_BENCH_TEST_DATA is not set")
def test_photographs() -> None:
    case = Case("CIFAR-100", photographs("test", 4), photographs("train", 2), other_photographs())
    outcome = leak_test(case)
    assert outcome.found >= 47
    assert len(outcome.alarms) <= 4


def other_photographs() -> np.ndarray:
    return photographs("train", 4)[np.arange(400) % 4 >= 2]


def photographs(part: str, per_class: int) -> np.ndarray:
    """The first images of each class, in order of file name."""
    with zipfile.ZipFile(Path(str(FOLDER)) / "cifar100.zip") as archive:
        names = sorted(
            n for n in archive.namelist() if n.startswith(f"{part}/") and n.endswith(".png")
        )
        step = len(names) // 100
        chosen = [names[row] for row in range(len(names)) if row % step < per_class]
        return np.stack([decode(archive.read(name), name, 32, "RGB") for name in chosen])
