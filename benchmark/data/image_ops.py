"""Image operations on whole batches, each image with parameters of its own.

Images are uint8 (n, 3, h, w) in any memory format and stay on their device; a parameter is a
float tensor (n,) there. Results are new tensors. Rounding follows torchvision's operations on
uint8, so that one image gives what torchvision gives.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

# pixels to either side that a blur looks at: four standard deviations of the widest
REACH = 8


def change(images: Tensor, rows: Tensor, op: Callable[..., Tensor], *parameters: Tensor) -> None:
    """Put ``op`` of some images in their place.

    Args:
        images: changed in place.
        rows: int64 (m,), on the CPU.
        op: from uint8 (m, 3, h, w) and the parameters to images of that shape.
        parameters: one value a row, on the CPU.
    """
    if len(rows):
        rows = rows.to(images.device)
        images[rows] = op(images[rows], *(each.to(images.device) for each in parameters))


def mix(images: Tensor, others: Tensor | float, share: Tensor) -> Tensor:
    """``share`` of ``images`` and the rest of ``others``, cut off at 0 and 255.

    Shares above 1 move away from ``others``; with ``others`` a broadcastable float tensor.
    """
    share = share[:, None, None, None]
    return (images * share + others * (1 - share)).clamp_(0, 255).to(torch.uint8)


def luma(images: Tensor) -> Tensor:
    """Grey values as float (n, 1, h, w), rounded down."""
    weights = torch.tensor([0.2989, 0.587, 0.114], device=images.device)
    return (images * weights[:, None, None]).sum(1, keepdim=True).floor()


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """From black (0) over the image itself (1) to brighter ones."""
    return mix(images, 0.0, factor)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """From the image's mean grey (0) over the image itself (1) to more contrast."""
    return mix(images, luma(images).mean((1, 2, 3), keepdim=True), factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """From grey (0) over the image itself (1) to stronger colours."""
    return mix(images, luma(images), factor)


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """From smoothed (0) over the image itself (1) to sharpened; the border stays as it is."""
    if min(images.shape[2:]) < 3:
        return images
    kernel = torch.full((3, 1, 3, 3), 1 / 13, device=images.device)
    kernel[:, :, 1, 1] = 5 / 13
    values = images.float()
    away = torch.conv2d(values, kernel, groups=3).round_() - values[:, :, 1:-1, 1:-1]
    values[:, :, 1:-1, 1:-1] += away * (1 - factor)[:, None, None, None]
    return values.clamp_(0, 255).to(torch.uint8)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Hue turned by a share of the circle, in [-0.5, 0.5]."""
    scaled = images.float() / 255
    value, spread = scaled.amax(1), scaled.amax(1) - scaled.amin(1)
    red, green, blue = scaled.unbind(1)
    width = spread.clamp(min=1e-12)
    sixths = torch.where(
        value == red,
        (green - blue) / width,
        torch.where(value == green, 2 + (blue - red) / width, 4 + (red - green) / width),
    )
    # channel = value - spread * max(0, min(k, 4 - k, 1)) with k shifted by 5, 3 and 1 sixths
    shifts = torch.tensor([5.0, 3.0, 1.0], device=images.device)[:, None, None]
    k = (sixths[:, None] + 6 * turn[:, None, None, None] + shifts).remainder(6)
    turned = value[:, None] - spread[:, None] * torch.minimum(k, 4 - k).clamp(0, 1)
    return (turned * 255.999).to(torch.uint8)


def grey(images: Tensor) -> Tensor:
    """Three channels of the same grey values."""
    return luma(images).to(torch.uint8).expand_as(images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """The ``bits`` highest bits of each value, 0 to 8."""
    step = (2 ** (8 - bits)).to(torch.int32)[:, None, None, None]
    return (images - images % step).to(torch.uint8)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Values at or above ``threshold`` (0 to 255) inverted."""
    return torch.where(images >= threshold[:, None, None, None], 255 - images, images)


def autocontrast(images: Tensor) -> Tensor:
    """Each channel stretched to 0 to 255."""
    from torchvision.transforms.v2.functional import autocontrast as stretch

    stretched: Tensor = stretch(images)
    return stretched


def equalize(images: Tensor) -> Tensor:
    """Each channel with a flat histogram."""
    from torchvision.transforms.v2.functional import equalize as flatten

    flat: Tensor = flatten(images)
    return flat


def warp(images: Tensor, inverse: Tensor, fill: int) -> Tensor:
    """Nearest pixels at affinely mapped places.

    Args:
        images: uint8 (n, 3, h, w).
        inverse: float (n, 2, 3), from places in the result to places in the image, both (x, y) in
            pixels from the image's centre.
        fill: value of what lies outside the image.
    """
    height, width = images.shape[2:]
    y = torch.arange(height, device=images.device) + 0.5 - height / 2
    x = torch.arange(width, device=images.device) + 0.5 - width / 2
    a, b, c, d, e, f = (part[:, None, None] for part in inverse.flatten(1).unbind(1))
    column = (a * x + b * y[:, None] + c + width / 2).floor().long()
    row = (d * x + e * y[:, None] + f + height / 2).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    first = torch.arange(len(images), device=images.device)[:, None, None] * height
    place = (first + row.clamp(0, height - 1)) * width + column.clamp(0, width - 1)
    pixels = images.permute(0, 2, 3, 1).reshape(-1, 3)[place]
    return torch.where(inside[..., None], pixels, fill).to(torch.uint8).permute(0, 3, 1, 2)


def rotate(images: Tensor, degrees: Tensor, fill: int) -> Tensor:
    """Turned counter-clockwise about the centre."""
    sine, cosine = torch.sin(degrees * math.pi / 180), torch.cos(degrees * math.pi / 180)
    zero = torch.zeros_like(sine)
    rows = (cosine, -sine, zero, sine, cosine, zero)
    return warp(images, torch.stack(rows, 1).unflatten(1, (2, 3)), fill)


def shear(images: Tensor, along_x: Tensor, along_y: Tensor, fill: int) -> Tensor:
    """Sheared about the upper left corner: a row moves by ``along_x`` for each pixel below it."""
    height, width = images.shape[2:]
    one = torch.ones_like(along_x)
    rows = (one, along_x, along_x * height / 2, along_y, one, along_y * width / 2)
    return warp(images, torch.stack(rows, 1).unflatten(1, (2, 3)), fill)


def translate(images: Tensor, right: Tensor, down: Tensor, fill: int) -> Tensor:
    """Moved by whole pixels, cut off towards zero."""
    one, zero = torch.ones_like(right), torch.zeros_like(right)
    rows = (one, zero, -right.trunc(), zero, one, -down.trunc())
    return warp(images, torch.stack(rows, 1).unflatten(1, (2, 3)), fill)


def blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with a standard deviation in (0, 2] pixels; border pixels are repeated."""
    rows, columns = (_blur_weights(sigma, size) for size in images.shape[2:])
    return _rounded(rows[:, None] @ images.float() @ columns.transpose(1, 2)[:, None])


def _blur_weights(sigma: Tensor, size: int) -> Tensor:
    """How much each pixel of a side (last axis) adds to each one of the result, (n, size, size)."""
    to = torch.arange(size, device=sigma.device)
    at = torch.arange(-REACH, size + REACH, device=sigma.device)
    weights = torch.exp(-((to[:, None] - at) ** 2) / (2 * sigma[:, None, None] ** 2))
    weights = weights / weights.sum(2, keepdim=True)
    inner = weights[..., REACH:-REACH].clone()
    inner[..., 0] += weights[..., :REACH].sum(2)
    inner[..., -1] += weights[..., -REACH:].sum(2)
    return inner


def crop_resized(images: Tensor, boxes: Tensor) -> Tensor:
    """Boxes of the images, enlarged to the images' size by bilinear interpolation.

    Args:
        images: uint8 (n, 3, h, w).
        boxes: int64 (n, 4): top, left, height and width, inside the image.
    """
    top, left, tall, wide = boxes.unbind(1)
    height, width = images.shape[2:]
    y, x = _places(top, tall, height), _places(left, wide, width)
    grid = [x[:, None].expand(-1, height, -1), y[:, :, None].expand(-1, -1, width)]
    return _rounded(
        functional.grid_sample(
            images.float(), torch.stack(grid, 3), padding_mode="border", align_corners=False
        )
    )


def _places(first: Tensor, length: Tensor, size: int) -> Tensor:
    """Where in a side, as [-1, 1], the pixels of an enlarged part of it are read: (n, size)."""
    at = (torch.arange(size, device=first.device) + 0.5) * (length[:, None] / size) - 0.5
    # what lies beyond the box is its border, whatever the image has there
    at = first[:, None] + torch.minimum(at.clamp(min=0), length[:, None] - 1.0)
    return (2 * at + 1) / size - 1


def _rounded(images: Tensor) -> Tensor:
    whole = images.round().clamp_(0, 255).to(torch.uint8)
    return whole.contiguous(memory_format=torch.channels_last)


def cut_out(images: Tensor, top: Tensor, left: Tensor, side: int) -> Tensor:
    """One square hole of zeros in each image, cut off at the borders.

    DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout"
    (2017): zero after normalisation is the mean colour.

    Args:
        images: float (n, 3, h, w), changed in place.
        top: int64 (n,), the row of the hole's centre.
        left: int64 (n,), its column.
        side: length of a side; an odd one counts as the even one below.
    """
    height, width = images.shape[2:]
    y = torch.arange(height, device=images.device) - top[:, None]
    x = torch.arange(width, device=images.device) - left[:, None]
    rows, columns = ((at >= -(side // 2)) & (at < side // 2) for at in (y, x))
    return images.masked_fill_((rows[:, :, None] & columns[:, None])[:, None], 0)
