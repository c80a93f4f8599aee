"""Which channel a lane computes in which step."""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.folding import LayerFolding


@dataclass(frozen=True)
class Schedule:
    """Order of a layer's channels in time: position i is lane i mod lanes in step i // lanes."""

    lanes: int
    order: tuple[int, ...]

    @classmethod
    def of(cls, channels: int, folding: LayerFolding) -> Schedule:
        """Return the schedule of a layer with this many channels."""
        return cls(folding.lanes, tuple(folding.channel_order) or tuple(range(channels)))

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.order)

    @property
    def steps(self) -> int:
        """Beats a pixel."""
        return self.channels // self.lanes

    def channel(self, lane: int, step: int) -> int:
        """Return the channel that a lane carries in a step."""
        return self.order[step * self.lanes + lane]

    def lane_channels(self, lane: int) -> tuple[int, ...]:
        """Return the channels of one lane, in order of the steps."""
        return self.order[lane :: self.lanes]

    def place(self, channel: int) -> tuple[int, int]:
        """Return (lane, step) of a channel."""
        position = self.order.index(channel)
        return position % self.lanes, position // self.lanes
