"""Which reference image a picture shows again, whatever happened to it on the way.

A matrix product of coarse versions makes a shortlist; normalised cross-correlation of the reduced
pictures, over shifts, mirror images and scales, decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from benchmark.generation.quality.bands import Floats, check_images, geometry, pictures

SHORTLIST = 10
CHUNK = 256
# a window whose contrast is below half a grey level shows nothing
_FLAT = 0.5

Rows = NDArray[np.int64]


def _standardised(values: Floats) -> Floats:
    """Rows (n, d) of zero mean and unit length; rows without contrast become nearly zero."""
    rows = values.reshape(len(values), -1)
    rows = rows - rows.mean(1, keepdims=True)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(length, _FLAT * rows.shape[1] ** 0.5), dtype=np.float32)


def _coarse(windows: Floats, cell: int) -> Floats:
    n, side, _ = windows.shape
    cells = windows.reshape(n, side // cell, cell, side // cell, cell).mean((2, 4))
    return _standardised(cells)


def _centre(images: Floats, window: int) -> Floats:
    first = (images.shape[1] - window) // 2
    return images[:, first : first + window, first : first + window]


def _zoomed(images: Floats, zoom: float) -> Floats:
    return images if zoom == 1 else np.asarray(ndimage.zoom(images, (1, zoom, zoom), order=1))


def _spreads(images: Floats, window: int) -> Floats:
    """Length of the centred pixels of every window: float32 (n, shifts, shifts)."""
    square = images.astype(np.float64)
    total, squares = _box_sums(square, window), _box_sums(square**2, window)
    variance = np.maximum(squares - total**2 / window**2, (_FLAT * window) ** 2)
    return np.sqrt(variance).astype(np.float32)


def _box_sums(values: NDArray[np.float64], window: int) -> NDArray[np.float64]:
    sums = np.pad(values.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    tall = sums[:, window:] - sums[:, :-window]
    return np.asarray(tall[:, :, window:] - tall[:, :, :-window])


class Index:
    """Reference images made ready for ``nearest``; about 7 kB an image.

    Args:
        images: uint8 (n, h, h, 3), n of at least 1.
        shifted: whether the shortlist, too, looks for shifts; without, it is made several times
            faster and misses copies that were moved by more than two pixels.

    Raises:
        DataError: the images are not square, or too small to be told apart.
    """

    def __init__(self, images: NDArray[np.uint8], *, shifted: bool = True) -> None:
        check_images(images, "reference images")
        self.shape = images.shape[1:]
        self.sizes = geometry(images.shape[1])
        starts = range(0, len(images), CHUNK)
        parts = [pictures(images[start : start + CHUNK], self.sizes) for start in starts]
        bands = np.concatenate(parts)
        self._keys = [self._key(bands, *place) for place in self._places(shifted)]
        self._spectra = fft.rfft2(bands)
        self._spreads = _spreads(bands, self.sizes.window)

    def __len__(self) -> int:
        return len(self._spectra)

    @property
    def variants(self) -> list[tuple[bool, float]]:
        """What a candidate is tried as: (mirrored, zoom)."""
        return [(mirrored, zoom) for mirrored in (False, True) for zoom in self.sizes.zooms]

    def _places(self, shifted: bool) -> Iterator[tuple[int, int]]:
        middle = ((self.sizes.side - self.sizes.window) // 2,)
        offsets = self.sizes.offsets if shifted else middle
        yield from ((top, left) for top in offsets for left in offsets)

    def _key(self, bands: Floats, top: int, left: int) -> Floats:
        window = self.sizes.window
        return _coarse(bands[:, top : top + window, left : left + window], self.sizes.cell)

    def shortlist(self, bands: Floats, own: Rows | None, limit: int) -> Rows:
        """The references (c, limit) whose coarse versions fit best, in no order.

        Args:
            bands: float32 (c, side, side).
            own: int64 (c,), a reference for each picture that is left out; None for none.
            limit: at most the number of references (less one with ``own``).
        """
        query = _coarse(_centre(bands, self.sizes.window), self.sizes.cell)
        score = query @ self._keys[0].T
        for key in self._keys[1:]:
            np.maximum(score, query @ key.T, out=score)
        if own is not None:
            score[np.arange(len(score)), own] = -np.inf
        return np.argpartition(-score, limit - 1, axis=1)[:, :limit]

    def correlate(self, bands: Floats, zoom: float, rows: Rows) -> Floats:
        """Normalised cross-correlations in [-1, 1] at every shift: (c, limit, shifts, shifts)."""
        side, window = self.sizes.side, self.sizes.window
        template = _standardised(_centre(_zoomed(bands, zoom), window))
        spectrum = np.conj(fft.rfft2(template.reshape(-1, window, window), s=(side, side)))
        whole = fft.irfft2(spectrum[:, None] * self._spectra[rows], s=(side, side))
        shifts = side - window + 1
        return np.asarray(whole[..., :shifts, :shifts] / self._spreads[rows])


@dataclass(frozen=True, eq=False)
class Nearest:
    """The reference that fits each candidate best.

    Attributes:
        reference: int64 (n,), its row.
        score: float32 (n,), correlation in [-1, 1].
        mirrored: bool (n,), whether the mirror image of the candidate fits.
        zoom: float32 (n,), the scale of the candidate that fits.
        shift: int64 (n, 2), pixels down and right of the reduced picture, relative to the centre.
    """

    reference: Rows
    score: Floats
    mirrored: NDArray[np.bool_]
    zoom: Floats
    shift: Rows

    def transform(self, row: int) -> str:
        """How a candidate differs from its reference, e.g. "mirrored, shifted (2, -1)"."""
        down, right = (int(value) for value in self.shift[row])
        parts = ["mirrored"] if self.mirrored[row] else []
        parts += [f"shifted ({down}, {right})"] if down or right else []
        parts += [f"scaled {self.zoom[row]:.2f}"] if self.zoom[row] != 1 else []
        return ", ".join(parts) or "in place"


def nearest(
    candidates: NDArray[np.uint8],
    index: Index,
    *,
    own: Rows | None = None,
    shortlist: int = SHORTLIST,
) -> Nearest:
    """The reference that fits each candidate best.

    Args:
        candidates: uint8 (n, h, h, 3), of the references' size.
        index: the references; at least two where ``own`` is given.
        own: int64 (n,), a reference for each candidate that does not count: itself.
        shortlist: references a candidate is compared with at full resolution.

    Raises:
        DataError: the candidates have another size.
    """
    check_images(candidates, "candidate images", index.shape)
    limit = min(shortlist, len(index) - (own is not None))
    parts = []
    for start in range(0, len(candidates), CHUNK):
        rows = slice(start, start + CHUNK)
        bands = pictures(candidates[rows], index.sizes)
        parts.append(_search(bands, index, None if own is None else own[rows], limit))
    return Nearest(*(np.concatenate(values) for values in zip(*parts, strict=True)))


Found = tuple[Rows, Floats, NDArray[np.bool_], Floats, Rows]


def _search(bands: Floats, index: Index, own: Rows | None, limit: int) -> Found:
    """The fields of ``Nearest`` for one chunk of pictures."""
    listed, scores = [], []
    for mirrored in (False, True):
        seen = bands[:, :, ::-1] if mirrored else bands
        rows = index.shortlist(seen, own, limit)
        listed += [rows] * len(index.sizes.zooms)
        scores += [index.correlate(seen, zoom, rows) for zoom in index.sizes.zooms]
    return _winners(np.stack(scores, 1), np.stack(listed, 1), index)


def _winners(scores: Floats, listed: Rows, index: Index) -> Found:
    """The best of (c, variants, limit, shifts, shifts), with ``listed`` (c, variants, limit)."""
    flat, every = scores.reshape(len(scores), -1), np.arange(len(scores))
    best = flat.argmax(1)
    variant, place, down, right = np.unravel_index(best, scores.shape[1:])
    mirrored, zoom = (np.array(values) for values in zip(*index.variants, strict=True))
    shift = np.stack([down, right], 1) - (scores.shape[-1] - 1) // 2
    score = flat[every, best].clip(-1, 1)
    return (
        listed[every, variant, place],
        score,
        mirrored[variant],
        zoom[variant].astype(np.float32),
        shift.astype(np.int64),
    )
