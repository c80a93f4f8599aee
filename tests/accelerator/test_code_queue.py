from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conv_bench import case
from stream_bench import exchange

from fracdse.accelerator.code_queue import CodeQueue
from fracdse.folding import queued_codes, queued_pixels
from fracdse.topology import SIBranchSpec


@pytest.mark.parametrize(("arriving", "group"), [(1, 4), (2, 8), (4, 4), (8, 8)])
@pytest.mark.parametrize(("gaps", "stalls"), [(0.0, 0.0), (0.0, 0.8), (0.8, 0.0), (0.4, 0.4)])
def test_codes_are_put_together_in_order_and_wait(arriving: int, group: int, gaps: float, stalls: float) -> None:
    codes = np.random.default_rng(0).integers(0, 4, (40, 8))
    unit = CodeQueue(channels=8, arriving=arriving, group=group, pixels=3)
    beats = codes.reshape(-1, arriving).tolist()
    got, _ = exchange(unit, {"source": beats}, {"sink": codes.size // group}, gaps=gaps, stalls=stalls)
    assert got["sink"] == codes.reshape(-1, group).tolist()


@pytest.mark.parametrize(("kernel", "stride", "si"), [(3, 1, False), (3, 2, False), (1, 1, True), (1, 1, False)])
@pytest.mark.parametrize("slices", [1, 6])
@pytest.mark.parametrize("height", [4, 5])
def test_pixels_are_queued_in_front_of_strided_layers_of_si_branches_and_of_sliced_layers_of_few_rows(
    kernel: int, stride: int, si: bool, slices: int, height: int
) -> None:
    spec = case((8, 8), (height, 6), 1, kernel=kernel, stride=stride).spec
    spec = replace(spec, si=SIBranchSpec(2, "depthwise", 8) if si else None)
    counted = queued_pixels(spec, slices)
    assert counted == (6 if stride > 1 else 28 if si else int(slices > 1 and height == 4))
    assert (counted > 0) == (stride > 1 or si or (slices > 1 and height == 4))


def test_a_queue_hands_on_what_a_slice_takes_and_otherwise_what_arrives() -> None:
    assert queued_codes(16, 6, 1, 8) == 8
    assert queued_codes(16, 6, 1, 0) == 1
    assert queued_codes(16, 6, 16, 8) == 16
    assert queued_codes(16, 1, 16, 8) == 16
