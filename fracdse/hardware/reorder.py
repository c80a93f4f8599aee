"""The memories of a residual FIFO between two orders of channels; the same plan as `fracdse.accelerator.reorder`."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=100_000)
def fifo_banks(
    producer: tuple[int, ...], producer_lanes: int, consumer: tuple[int, ...], lanes: int
) -> tuple[int, ...]:
    """Return how many banks, one producer lane wide each, every memory of the FIFO has.

    Position i of an order is lane i mod lanes in step i // lanes. A producer lane is stored as often as two consumer
    lanes need different words of it in one step; banks read at the same addresses share a memory.

    Args:
        producer: Channels in the order in which they are written.
        producer_lanes: Lanes that write.
        consumer: Channels in the order in which they are read; channel c is the producer's c mod its number.
        lanes: Lanes that read.
    """
    natural = producer == tuple(range(len(producer))) and consumer == tuple(range(len(consumer)))
    reading = min(lanes, len(producer))
    if natural and len(producer) % reading == 0 and (reading % producer_lanes == 0 or producer_lanes % reading == 0):
        # Every bank is read at one address a step, or at as many as there are memories: the same for all banks.
        return (producer_lanes,) * max(1, reading // producer_lanes)
    return _planned_banks(producer, producer_lanes, consumer, lanes)


def _planned_banks(
    producer: tuple[int, ...], producer_lanes: int, consumer: tuple[int, ...], lanes: int
) -> tuple[int, ...]:
    """Return the banks of orders of any kind, by the plan itself."""
    place = {channel: divmod(position, producer_lanes) for position, channel in enumerate(producer)}
    steps = [
        [place[channel % len(producer)] for channel in consumer[first : first + lanes]]
        for first in range(0, len(consumer), lanes)
    ]
    groups: list[list[int | None]] = []
    sizes: list[int] = []
    for bank in range(producer_lanes):
        needed = [sorted({step for step, lane in row if lane == bank}) for row in steps]
        for copy in range(max(map(len, needed))):
            addresses = [row[copy] if copy < len(row) else None for row in needed]
            _join(groups, sizes, addresses)
    return tuple(sizes)


def _join(groups: list[list[int | None]], sizes: list[int], addresses: list[int | None]) -> None:
    """Put a bank into the first memory whose addresses agree with its own, or into a new one."""
    for index, known in enumerate(groups):
        if all(a is None or b is None or a == b for a, b in zip(known, addresses, strict=True)):
            known[:] = [b if a is None else a for a, b in zip(known, addresses, strict=True)]
            sizes[index] += 1
            return
    groups.append(addresses)
    sizes.append(1)
