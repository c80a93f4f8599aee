import numpy as np
from random_programs import random_folding, random_program

from fracdse.accelerator.dealing import deal_channels
from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.folding import Folding
from fracdse.hardware.totals import network_totals
from fracdse.program.executor import Executor
from fracdse.program.gate_counts import largest_lane_count

DESIGN = Design(
    ImageFormat(8, 8, 1, 4),
    NetworkChoices(depth=8, width=8, thermometer_resolution=64),
    AcceleratorChoices(weight_memory="bram"),
)
IMAGES = np.random.default_rng(1).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8)


def natural(lanes: dict[int, int]) -> Folding:
    folding = random_folding(DESIGN, lanes, memory="bram")
    return Folding.from_dict(
        {
            name: [{**layer, "channel_order": ()} for layer in value] if name == "convs" else value
            for name, value in folding.to_dict().items()
        }
    )


def test_channels_are_dealt_so_that_the_lanes_wait_less_for_each_other() -> None:
    program, folding = random_program(DESIGN, 2), natural({8: 2, 16: 4, 32: 8})
    before = Executor(program).run(IMAGES).gates
    dealt, after = deal_channels(folding, before, program, IMAGES)
    assert any(layer.channel_order for layer in dealt.convs)
    assert network_totals(DESIGN, dealt, after).cycles <= network_totals(DESIGN, folding, before).cycles
    for layer, result, counted in zip(dealt.convs, Executor(program).layers(IMAGES), after.layers, strict=True):
        gates = result.gate.reshape(len(IMAGES), -1, result.gate.shape[-1])[8:].reshape(-1, result.gate.shape[-1])
        if layer.channel_order:
            measured = largest_lane_count(gates, layer.lanes, layer.channel_order)
            assert counted.largest_lane_count[layer.lanes] == measured < largest_lane_count(gates, layer.lanes)


def test_one_lane_keeps_its_order() -> None:
    program, folding = random_program(DESIGN, 2), natural({8: 1, 16: 1, 32: 1})
    before = Executor(program).run(IMAGES).gates
    assert deal_channels(folding, before, program, IMAGES) == (folding, before)
