"""Where each value of the shortcut lies in the residual FIFO, and who reads it when.

The FIFO is written by the producer's lanes and read by the consumer's, in the consumer's order. Each producer lane is a
bank; a bank is duplicated as often as two consumer lanes need different words of it in the same step. Banks that are
always read at the same address share a memory. Pure planning: no hardware is built here.
"""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.accelerator.schedule import Schedule


@dataclass(frozen=True)
class Bank:
    """One copy of one producer lane; `addresses[j]` is the producer's step that it reads in the consumer's step j."""

    lane: int
    addresses: tuple[int, ...]


@dataclass(frozen=True)
class ReorderPlan:
    """Memories as groups of banks with the same addresses, and per consumer lane the bank that it takes in each step.

    `sources[lane][step]` is (memory, place in the memory).
    """

    memories: tuple[tuple[Bank, ...], ...]
    sources: tuple[tuple[tuple[int, int], ...], ...]


def plan_reorder(producer: Schedule, consumer: Schedule) -> ReorderPlan:
    """Plan the FIFO between two schedules; the consumer's channel c is the producer's c mod its number of channels."""
    places = [
        [producer.place(consumer.channel(lane, step) % producer.channels) for lane in range(consumer.lanes)]
        for step in range(consumer.steps)
    ]
    copies = [_copies(bank, places) for bank in range(producer.lanes)]
    groups: list[tuple[list[int | None], list[tuple[int, int]]]] = []
    for bank in range(producer.lanes):
        for copy, addresses in enumerate(copies[bank]):
            _join(groups, addresses, (bank, copy))
    memories = tuple(
        tuple(Bank(bank, tuple(address or 0 for address in addresses)) for bank, _ in members)
        for addresses, members in groups
    )
    at = {member: (memory, place) for memory, (_, members) in enumerate(groups) for place, member in enumerate(members)}
    sources = tuple(
        tuple(at[(row[lane][0], copies[row[lane][0]].index_of(step, row[lane][1]))] for step, row in enumerate(places))
        for lane in range(consumer.lanes)
    )
    return ReorderPlan(memories, sources)


class _Copies(list[list[int | None]]):
    """Address sequences of the copies of one producer lane; None where a copy is not read."""

    def index_of(self, step: int, address: int) -> int:
        """Return the copy that reads this address in this step."""
        return next(copy for copy, addresses in enumerate(self) if addresses[step] == address)


def _copies(lane: int, places: list[list[tuple[int, int]]]) -> _Copies:
    needed = [sorted({address for bank, address in row if bank == lane}) for row in places]
    count = max(len(addresses) for addresses in needed)
    return _Copies([[row[copy] if copy < len(row) else None for row in needed] for copy in range(count)])


def _join(
    groups: list[tuple[list[int | None], list[tuple[int, int]]]], addresses: list[int | None], member: tuple[int, int]
) -> None:
    """Put a bank into the first memory whose addresses agree with its own, or into a new one."""
    for known, members in groups:
        if all(a is None or b is None or a == b for a, b in zip(known, addresses, strict=True)):
            known[:] = [a if a is not None else b for a, b in zip(known, addresses, strict=True)]
            members.append(member)
            return
    groups.append((list(addresses), [member]))
