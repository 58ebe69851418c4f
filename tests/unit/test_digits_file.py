"""The digits, read without importing scikit-learn."""

import numpy as np

from benchmark.data.sets.digits import read_digits


def test_they_are_those_of_the_library() -> None:
    from sklearn.datasets import load_digits

    images, labels = read_digits()
    expected = load_digits()
    assert (labels == expected.target).all() and labels.dtype == np.int64
    grey = np.round(expected.images * 255 / 16).astype(np.uint8)
    assert images.shape == (1797, 8, 8, 3) and (images == grey[..., None]).all()
