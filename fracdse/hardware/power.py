"""Power: processing system, static, and a term a resource and MHz; always an interval, and of low confidence."""

from __future__ import annotations

from fracdse.figures import Figure

# Watts: PL static and PS, then watts per MHz of a thousand LUTs, a thousand flip-flops, a RAMB18 and a DSP.
_STATIC_W = 2.5
_PER_MHZ = {"lut": 9e-5, "ff": 2e-5, "bram18": 1.2e-5, "dsp": 1.0e-5}
_SPREAD = 0.4


def power_figure(die: str, lut: float, ff: float, bram18: float, dsp: float, clock_mhz: float) -> Figure:
    """Return the power in watts of the whole chip."""
    dynamic = clock_mhz * (
        _PER_MHZ["lut"] * lut / 1000 + _PER_MHZ["ff"] * ff / 1000 + _PER_MHZ["bram18"] * bram18 + _PER_MHZ["dsp"] * dsp
    )
    value = _STATIC_W + dynamic
    return Figure(value, value * (1 - _SPREAD), value * (1 + _SPREAD))
