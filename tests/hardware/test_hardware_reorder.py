import random

import pytest

from fracdse.accelerator.reorder import plan_reorder
from fracdse.accelerator.schedule import Schedule
from fracdse.hardware.options import divisors
from fracdse.hardware.reorder import fifo_banks


@pytest.mark.parametrize("seed", range(60))
def test_the_model_plans_the_fifo_as_the_generator_does(seed: int) -> None:
    chance = random.Random(seed)
    channels = chance.choice([4, 6, 8, 12, 16])
    expansion = chance.choice([1, 2])
    producer, consumer = list(range(channels)), list(range(channels * expansion))
    if chance.random() < 0.5:
        chance.shuffle(producer)
        chance.shuffle(consumer)
    producer_lanes = chance.choice([n for n in range(1, channels + 1) if channels % n == 0])
    lanes = chance.choice([n for n in range(1, len(consumer) + 1) if len(consumer) % n == 0])
    plan = plan_reorder(Schedule(producer_lanes, tuple(producer)), Schedule(lanes, tuple(consumer)))
    banks = fifo_banks(tuple(producer), producer_lanes, tuple(consumer), lanes)
    assert banks == tuple(len(group) for group in plan.memories)


def test_natural_orders_need_no_plan() -> None:
    for channels, expansion in [(1, 1), (6, 2), (12, 1), (16, 2)]:
        orders = tuple(range(channels)), tuple(range(channels * expansion))
        for producer_lanes in divisors(channels):
            for lanes in divisors(channels * expansion):
                plan = plan_reorder(Schedule(producer_lanes, orders[0]), Schedule(lanes, orders[1]))
                expected = tuple(len(group) for group in plan.memories)
                assert fifo_banks(orders[0], producer_lanes, orders[1], lanes) == expected
