"""Change images at random, whole batches at a time, on the device that holds them.

An augmentation turns independent uniform numbers, `uniforms` of them an image, into what it does to that image. The
numbers are drawn beforehand, so one seed gives one run, whatever the device.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from fracdse.design import ImageFormat
from fracdse.training.recipe import Augmentation

_SMALLEST_TO_MOVE = 16
_SMALLEST_TO_RESIZE = 128
_SMALLEST_AREA = 0.08
_LOG_RATIO = 0.2876820724517809  # of 4:3
_LIGHTING = 0.1
# Deviations and axes of ImageNet's colours, in shares of full brightness: "lighting" moves a whole image along them
# (Krizhevsky, Sutskever, Hinton 2012).
_COLOUR_DEVIATIONS = (0.2175, 0.0188, 0.0045)
_COLOUR_AXES = (
    (-0.5675, 0.7192, 0.4009),
    (-0.5808, -0.0045, -0.8140),
    (-0.5836, -0.6948, 0.4203),
)


class Augmenter(Protocol):
    """Make the images of a batch."""

    uniforms: int

    def prepare(self, images: Tensor) -> Tensor:
        """Return all images (N, H, W, colours) as `augment` wants them."""

    def augment(self, prepared: Tensor, chosen: Tensor, uniform: Tensor) -> Tensor:
        """Return the images `chosen` (B,) as uint8 (B, H, W, colours), changed by `uniform` (B, uniforms) in [0, 1)."""


class Unchanged:
    """Leave images as they are."""

    uniforms = 0

    def prepare(self, images: Tensor) -> Tensor:
        """Return them."""
        return images

    def augment(self, prepared: Tensor, chosen: Tensor, uniform: Tensor) -> Tensor:
        """Return the chosen ones."""
        return prepared[chosen]


class Crop:
    """Move an image by up to an eighth of each side, with zeros at the edges, and mirror every second one if asked to.

    For 32×32 images this is FracBNN's augmentation: a crop of 32 out of an image padded by 4, and a flip.
    """

    uniforms = 3

    def __init__(self, image: ImageFormat, flips: bool) -> None:
        self._height, self._width, self._flips = image.height, image.width, flips
        self._margins = max(image.height // 8, 1), max(image.width // 8, 1)

    def prepare(self, images: Tensor) -> Tensor:
        """Pad them."""
        down, across = self._margins
        return pad(images, (0, 0, across, across, down, down))

    def augment(self, prepared: Tensor, chosen: Tensor, uniform: Tensor) -> Tensor:
        """Cut out one window of every padded image."""
        # No constant tensors: copying one to a GPU cannot be recorded.
        offsets = torch.stack([uniform[:, i] * (2 * margin + 1) for i, margin in enumerate(self._margins)], 1).long()
        rows = torch.arange(self._height, device=chosen.device) + offsets[:, :1]
        columns = torch.arange(self._width, device=chosen.device).expand(len(chosen), -1)
        if self._flips:
            columns = torch.where(uniform[:, 2:] < 0.5, self._width - 1 - columns, columns)
        columns = columns + offsets[:, 1:]
        return prepared[chosen[:, None, None], rows[:, :, None], columns[:, None, :]]


class ResizedCrop:
    """FracBNN's augmentation for ImageNet: a random part of the image, resized to the whole; a flip; lighting of 0.1.

    The part has 8 to 100 % of the area and sides of 3:4 to 4:3, both as far as the image allows.
    """

    uniforms = 8

    def __init__(self, image: ImageFormat) -> None:
        self._colour_moves: Tensor | None = None
        if image.colours == 3:
            deviations, axes = torch.tensor(_COLOUR_DEVIATIONS), torch.tensor(_COLOUR_AXES)
            self._colour_moves = 255 * _LIGHTING * deviations[:, None] * axes.t()

    def prepare(self, images: Tensor) -> Tensor:
        """Return them."""
        if self._colour_moves is not None:
            self._colour_moves = self._colour_moves.to(images.device)
        return images

    def augment(self, prepared: Tensor, chosen: Tensor, uniform: Tensor) -> Tensor:
        """Resample with bilinear interpolation, then add the lighting."""
        area = _SMALLEST_AREA + uniform[:, 0] * (1 - _SMALLEST_AREA)
        ratio = torch.exp((2 * uniform[:, 1] - 1) * _LOG_RATIO)
        height, width = ((area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1))
        flip = torch.where(uniform[:, 4] < 0.5, -1.0, 1.0)
        nothing = torch.zeros_like(area)
        # Coordinates run from −1 to 1, so a part of half the size is moved by up to half.
        across = torch.stack((width * flip, nothing, (2 * uniform[:, 2] - 1) * (1 - width)), 1)
        down = torch.stack((nothing, height, (2 * uniform[:, 3] - 1) * (1 - height)), 1)
        images = prepared[chosen].permute(0, 3, 1, 2).float()
        grid = affine_grid(torch.stack((across, down), 1).float(), list(images.shape), align_corners=False)
        parts = grid_sample(images, grid, padding_mode="border", align_corners=False)
        if self._colour_moves is not None:
            normal = torch.erfinv((2 * uniform[:, 5:] - 1).clamp(-0.999999, 0.999999).float()) * 2**0.5
            parts = parts + (normal @ self._colour_moves)[:, :, None, None]
        return parts.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)


def augmenter(kind: Augmentation, image: ImageFormat) -> Augmenter:
    """Return the augmentation of a name; `auto` chooses what suits most images of a format.

    Tiny images lose too much when they are moved, grey ones (digits) when they are flipped; large colour images get
    ImageNet's.
    """
    if kind == "auto":
        smallest = min(image.height, image.width)
        if smallest < _SMALLEST_TO_MOVE:
            kind = "none"
        elif image.colours == 1:
            kind = "crop"
        else:
            kind = "resized crop" if smallest >= _SMALLEST_TO_RESIZE else "flip and crop"
    if kind == "none":
        return Unchanged()
    if kind == "resized crop":
        return ResizedCrop(image)
    return Crop(image, flips=kind == "flip and crop")
