import numpy as np
import pytest
import torch
from training_cases import blobs

from fracdse.design import ImageFormat
from fracdse.training.augmentation import Crop, ResizedCrop, Unchanged, augmenter
from fracdse.training.batches import Batches

LARGE = ImageFormat(160, 160, 3, 10)
WHOLE = [1 - 1e-9, 0.5, 0.5, 0.5, 0.9]  # all of the area, square, in the middle, not mirrored
NO_LIGHT = [0.5, 0.5, 0.5]


def gradients(size=32):
    """Images that grow brighter to the right (red), downwards (green), and not at all (blue)."""
    ramp = np.linspace(20, 220, size).astype(np.uint8)
    red, green = np.broadcast_to(ramp, (size, size)), np.broadcast_to(ramp[:, None], (size, size))
    return torch.from_numpy(np.stack((red, green, np.full((size, size), 100, np.uint8)), -1)[None])


def resized(*uniform, image=None):
    image = gradients() if image is None else image
    crop = ResizedCrop(ImageFormat(*image.shape[1:3], image.shape[3], 10))
    draws = torch.tensor([uniform], dtype=torch.float64)
    return crop.augment(crop.prepare(image), torch.zeros(1, dtype=torch.long), draws)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (ImageFormat(8, 8, 1, 10), Unchanged),
        (ImageFormat(28, 28, 1, 10), Crop),
        (ImageFormat(32, 32, 3, 10), Crop),
        (LARGE, ResizedCrop),
    ],
)
def test_auto_suits_the_format(image, kind):
    assert type(augmenter("auto", image)) is kind


def test_the_whole_image_resized_is_the_image():
    assert torch.equal(resized(*WHOLE, *NO_LIGHT), gradients())


def test_a_flip_mirrors():
    assert torch.equal(resized(*WHOLE[:4], 0.1, *NO_LIGHT), gradients().flip(2))


def test_a_corner_is_resized_to_the_whole():
    quarter = (0.25 - 0.08) / 0.92
    part = resized(quarter, 0.5, 0.0, 1 - 1e-9, 0.9, *NO_LIGHT)  # left and at the bottom
    assert part.shape == (1, 32, 32, 3)
    assert abs(int(part[0, 0, -1, 0]) - 120) <= 4  # the right edge is the middle of the image
    assert abs(int(part[0, 0, 0, 1]) - 120) <= 4  # and so is the upper edge
    assert int(part[0, -1, 0, 1]) == 220


@pytest.mark.parametrize("ratio", [0.0, 1 - 1e-9])
def test_sides_are_between_3_to_4_and_4_to_3(ratio):
    part = resized((0.3 - 0.08) / 0.92, ratio, 0.5, 0.5, 0.9, *NO_LIGHT)[0].double()
    across, down = (float(part[16, -1, 0] - part[16, 0, 0]), float(part[-1, 16, 1] - part[0, 16, 1]))
    assert across / down == pytest.approx(3 / 4 if ratio == 0.0 else 4 / 3, rel=0.05)


def test_lighting_moves_a_whole_image_along_the_colours():
    lit = resized(*WHOLE, 0.8413, 0.5, 0.5).double() - gradients().double()  # one deviation of the first axis
    moved = lit.mean((0, 1, 2))
    # 255 · 0.1 · 0.2175 · (−0.5675, −0.5808, −0.5836), to half a grey level
    assert torch.allclose(moved, torch.tensor([-3.15, -3.22, -3.24], dtype=torch.float64), atol=0.5)


def test_crops_move_by_an_eighth_of_each_side():
    image = torch.full((1, 16, 64, 3), 200, dtype=torch.uint8)
    crop = Crop(ImageFormat(16, 64, 3, 10), flips=False)
    ends = torch.tensor([[0.0, 0.0, 0.9], [1 - 1e-9, 1 - 1e-9, 0.9]], dtype=torch.float64)
    for moved, still in zip(crop.augment(crop.prepare(image), torch.zeros(2).long(), ends), (-1, 0), strict=True):
        assert int((moved[:, still, 0] == 0).sum()) == 2
        assert int((moved[still, :, 0] == 0).sum()) == 8


def test_batches_of_resized_crops_repeat():
    dataset = blobs(count=8, size=16, colours=3, classes=2)
    first, again = (
        [
            Batches(dataset, 4, "resized crop", 3).make(draw)[0]
            for draw in Batches(dataset, 4, "resized crop", 3).epoch(1)
        ]
        for _ in range(2)
    )
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert first[0].shape == (4, 3, 16, 16)
    assert first[0].dtype == torch.uint8
