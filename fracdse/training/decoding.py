"""Decoding of untrusted images into one array, with a bound on what they may take."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fracdse.errors import DataError

LARGEST_SIDE_PIXELS = 1024
LARGEST_TOTAL_BYTES = 8 << 30
# Grey values that Pillow cuts off at 255 where it is asked for bytes.
_DEEP_MODES = ("I", "F")
_FORMATS = ("JPEG", "PNG", "BMP", "PPM", "GIF", "TIFF", "WEBP")


def decode_all(sources: Iterable[tuple[str, bytes]], count: int) -> NDArray[np.uint8]:
    """Decode `count` images of one size into (count, H, W, colours) uint8; grey stays grey where all are grey.

    Args:
        sources: (name, file content) pairs; names are for messages.
        count: How many there are.

    Raises:
        DataError: An image is damaged, too large, or of another size than the first.
    """
    images: NDArray[np.uint8] | None = None
    first = ""
    for position, (name, content) in enumerate(sources):
        pixels = decode(name, content)
        if images is None:
            first = name
            images = np.empty((count, *pixels.shape), dtype=np.uint8)
            if images.nbytes > LARGEST_TOTAL_BYTES:
                raise DataError(f"{count} images of {pixels.shape} take {images.nbytes >> 30} GiB; at most 8 are read")
        if pixels.shape[:2] != images.shape[1:3]:
            raise DataError(
                f"images of mixed sizes: {first} has {_size(images.shape[1:])}, {name} has {_size(pixels.shape)}",
                hint="Scale all images to one size first.",
            )
        if pixels.shape[2] > images.shape[3]:
            images = np.repeat(images, 3, axis=3)
        images[position] = pixels
    if images is None:
        raise DataError("no image to decode")
    return images


def decode(name: str, content: bytes) -> NDArray[np.uint8]:
    """Decode one image file to (H, W, 1 or 3) uint8.

    Raises:
        DataError: The file is not an image that fracdse reads, is damaged, larger than 1024 pixels a side, or
            has more than 8 bits a grey value.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(content), formats=_FORMATS)
            if max(image.size) > LARGEST_SIDE_PIXELS:
                raise DataError(f"{name}: {image.size[0]}×{image.size[1]} pixels; at most {LARGEST_SIDE_PIXELS} a side")
            if image.mode.startswith(_DEEP_MODES):
                raise DataError(
                    f"{name}: its grey values have more than 8 bits (mode {image.mode}); allowed: 8",
                    hint="Scale all images to 8 bits first.",
                )
            pixels = np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB"), dtype=np.uint8)
    except DataError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise DataError(f"{name}: not a readable image: {error}") from error
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]}×{shape[0]}"
