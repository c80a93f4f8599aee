"""What a window hands to the lanes: columns of pixels, with the row and column positions that matter at the borders."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.lib import data

from fracdse.topology import GatedConvSpec


@dataclass(frozen=True)
class WindowGeometry:
    """Size of the image and of the window over it.

    `columns` is how many pixel columns come in one beat: a window of stride 2 takes two at a time. `border_bits` counts
    the flags (top, left, then bottom, right) that can be set at all: none where the kernel is 1; a window of stride 2
    over an even image never passes the lower or right edge.
    """

    channels: int
    height: int
    width: int
    kernel: int
    stride: int

    @classmethod
    def of(cls, spec: GatedConvSpec) -> WindowGeometry:
        """Return the geometry of a gated convolution's window."""
        return cls(spec.in_channels, spec.in_height, spec.in_width, spec.kernel, spec.stride)

    @property
    def columns(self) -> int:
        """Pixel columns in one beat."""
        return 2 if self.kernel == 3 and self.stride == 2 else 1

    @property
    def column_bits(self) -> int:
        """Bits of one plane of one beat: columns, then rows, then channels, the channel running fastest."""
        return self.columns * self.kernel * self.channels

    @property
    def border_bits(self) -> int:
        """Number of border flags: 0, 2 or 4."""
        if self.kernel == 1:
            return 0
        return 4 if self.stride == 1 else 2

    @property
    def taps(self) -> int:
        """Products of one output element."""
        return self.kernel * self.kernel * self.channels

    @property
    def beats(self) -> int:
        """Column beats of one frame: one more than the outputs in each row where the stride is 1 and the kernel 3."""
        extra = 1 if self.kernel == 3 and self.stride == 1 else 0
        return (self.height // self.stride) * (self.width // self.stride + extra)

    @property
    def column_layout(self) -> data.StructLayout:
        """Payload of the window's output stream.

        `msb` and `lsb` are the two planes with zeros outside the image; `compute` is set where the window is complete;
        `row_start` and `row_end` mark the first and last beat of an output row.
        """
        return data.StructLayout(
            {
                "msb": self.column_bits,
                "lsb": self.column_bits,
                "compute": 1,
                "row_start": 1,
                "row_end": 1,
                "border": self.border_bits,
            }
        )
