"""FIFOs: a memory placed by `fracdse.memories`, two pointers and a level counter."""

from __future__ import annotations

from fracdse.hardware.terms import UnitTerms, bits_for
from fracdse.memories import bram18, lutram_luts, stream_memory


def fifo_terms(width: int, depth: int) -> UnitTerms:
    """Count a FIFO of `depth` words of `width` bits."""
    blocks = stream_memory(width, depth) == "bram"
    pointer = bits_for(depth - 1)
    return UnitTerms(
        "fifo",
        lut={"ram_luts": 0 if blocks else lutram_luts(width, depth), "pointer_bits": pointer, "one": 1},
        ff={"width_bits": width, "pointer_bits": pointer, "one": 1},
        bram18=bram18(width, depth) if blocks else 0,
    )
