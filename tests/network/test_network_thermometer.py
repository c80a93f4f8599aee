import torch
from hypothesis import given
from hypothesis import strategies as st

from fracdse.network.thermometer import Thermometer, thermometer_table


@given(st.integers(1, 255))
def test_levels_follow_the_definition(resolution):
    table = thermometer_table(resolution)
    levels = round(255 / resolution)
    assert table.shape == (256, levels)
    for pixel in (0, 1, 100, 254, 255):
        count = min(max(round(pixel / resolution), 0), levels)
        assert table[pixel].tolist() == [1.0 if i < count else -1.0 for i in range(levels)]


def test_halves_are_rounded_to_even():
    table = thermometer_table(8)
    assert [int((table[pixel] > 0).sum()) for pixel in (4, 12, 20, 255)] == [0, 2, 2, 32]


def test_channels_are_ordered_by_colour_then_level():
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    encoded = Thermometer(64)(images, torch.float32).view(3, 4)
    assert (encoded > 0).sum(1).tolist() == [0, 2, 4]
    assert encoded[1].tolist() == [1, 1, -1, -1]
