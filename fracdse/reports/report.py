"""What a report of a synthesis, implementation or HLS tool says, as one typed and frozen result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ReportKind = Literal[
    "util_synth", "util_placed", "timing", "power", "csynth_rpt", "csynth_xml", "export", "yosys"
]  # fmt: skip

POWER_FIELDS = (
    "total_on_chip_w",
    "dynamic_w",
    "static_w",
    "ps_w",
    "clocks_w",
    "logic_w",
    "signals_w",
    "bram_w",
    "uram_w",
    "dsp_w",
    "io_w",
    "ambient_c",
    "junction_c",
    "confidence",
)
"""Names of the fields of `Report` that only power reports fill."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Hold the figures of one report; a field is None only where the report's format does not carry the figure.

    `notes` says, for people, what a None stands for where the tool printed a word instead of a number.
    """

    kind: ReportKind
    name: str  # the file that was read, or what the caller called the text
    tool: str  # Vivado, Vivado HLS, Vitis HLS, Vivado (HLS export), ISE (HLS export), Yosys
    version: str | None = None  # as printed, without a leading 'v.'; export XML and plain Yosys text carry none
    part: str | None = None  # as printed: xczu3egsbva484-1, xczu3eg-sbva484-1-e, 7z020clg400-1, ...
    top: str | None = None  # design or function that the figures belong to
    design_state: str | None = None  # Synthesized, Fully Placed, Routed, post-synthesis, ...
    speed_grade: str | None = None  # timing reports print it apart from the part

    lut: int | None = None
    lut_logic: int | None = None
    lut_memory: int | None = None
    lut_distributed_ram: int | None = None
    lut_shift_register: int | None = None
    ff: int | None = None
    bram36: float | None = None  # Block RAM tiles (36 Kbit), halves possible; Vivado's unit
    bram18: int | None = None  # 18-Kbit blocks; the unit of HLS reports
    ramb36: int | None = None  # RAMB36 sites
    ramb18: int | None = None  # RAMB18 sites
    uram: int | None = None
    dsp: int | None = None
    primitives: tuple[tuple[str, int], ...] = ()  # Yosys: cell type and count

    clock_ns: float | None = None  # the period that was asked for
    clock_name: str | None = None
    clock_uncertainty_ns: float | None = None
    clock_estimated_ns: float | None = None  # HLS's own estimate
    clock_achieved_ns: float | None = None  # after Vivado, in export reports
    wns_ns: float | None = None
    tns_ns: float | None = None
    whs_ns: float | None = None
    failing_endpoints: int | None = None
    timing_met: bool | None = None
    latency_cycles_min: int | None = None
    latency_cycles_max: int | None = None
    interval_cycles_min: int | None = None
    interval_cycles_max: int | None = None

    total_on_chip_w: float | None = None
    dynamic_w: float | None = None
    static_w: float | None = None
    ps_w: float | None = None  # dynamic power of the processing system
    clocks_w: float | None = None
    logic_w: float | None = None
    signals_w: float | None = None
    bram_w: float | None = None
    uram_w: float | None = None
    dsp_w: float | None = None
    io_w: float | None = None
    ambient_c: float | None = None
    junction_c: float | None = None
    confidence: str | None = None  # Low, Medium or High, the tool's own word

    notes: tuple[str, ...] = ()
