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
    needed: list[dict[int, set[int]]] = [{} for _ in range(producer_lanes)]
    for position, channel in enumerate(consumer):
        step, lane = place[channel % len(producer)]
        needed[lane].setdefault(position // lanes, set()).add(step)
    groups: list[dict[int, int]] = []
    sizes: list[int] = []
    for bank in needed:
        rows = {row: sorted(steps) for row, steps in bank.items()}
        for copy in range(max(map(len, rows.values()))):
            _join(groups, sizes, {row: steps[copy] for row, steps in rows.items() if copy < len(steps)})
    return tuple(sizes)


def _join(groups: list[dict[int, int]], sizes: list[int], addresses: dict[int, int]) -> None:
    """Put a bank into the first memory whose addresses, by the reader's step, agree with its own, or into a new one."""
    for index, known in enumerate(groups):
        if all(known.get(row, address) == address for row, address in addresses.items()):
            known.update(addresses)
            sizes[index] += 1
            return
    groups.append(dict(addresses))
    sizes.append(1)
