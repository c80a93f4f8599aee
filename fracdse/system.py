"""The system around the accelerator on a Zynq device: one description for the Vivado script, driver and simulator.

PS  M_AXI_HPM0_FPD → interconnect → axi_dma_0 (registers), accelerator_0 (registers)
axi_dma_0  M_AXI_MM2S, M_AXI_S2MM → interconnect → PS S_AXI_HP0_FPD (memory)
axi_dma_0  M_AXIS_MM2S → accelerator_0 s_axis;  accelerator_0 m_axis → axi_dma_0 S_AXIS_S2MM
PS  pl_clk0 (IOPLL) clocks everything
"""

from __future__ import annotations

DMA_INSTANCE = "axi_dma_0"
ACCELERATOR_INSTANCE = "accelerator_0"
DMA_BASE_ADDRESS = 0xA000_0000
ACCELERATOR_BASE_ADDRESS = 0xA001_0000
REGISTER_RANGE_BYTES = 0x1_0000
STREAM_BITS = 32
# Width of AXI DMA's length register (its largest value, PG021): one transfer carries up to 2^26 − 1 bytes.
DMA_LENGTH_BITS = 26
# What PYNQ's images call the boards, by device; the first is the usual one.
BOARD_NAMES = {
    "ultra96v2": ("Ultra96", "Ultra96v2"),
    "kv260": ("KV260", "K26"),
    "zcu104": ("ZCU104",),
    "pynq-z2": ("Pynq-Z2",),
}
TOP_MODULE = "accelerator"
