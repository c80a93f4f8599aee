"""Registers and adders packed into the DSP slices of UltraScale devices, which Yosys' own flow leaves outside.

Yosys packs the registers of operands, product and sum, and the adder behind a product, into the slice of the 7 series
(DSP48E1) alone. The DSP48E2 of UltraScale has all of these as well (UG579, chapter 2) and a wider multiplier, 27 by
18 bits. So products become DSP48E1 cells with operands of that width, are packed, and are counted as the slices that
they are; nothing reads the cells' inner parameters.
"""

from __future__ import annotations

SLICE_FILE = "dsp_slice.v"
_OWN_PACKING = ("xc7",)
"""Families for which `synth_xilinx` packs by itself."""

SLICE = """\
module \\$__MUL27X18 (input [26:0] A, input [17:0] B, output [44:0] Y);
  parameter A_SIGNED = 0;
  parameter B_SIGNED = 0;
  parameter A_WIDTH = 0;
  parameter B_WIDTH = 0;
  parameter Y_WIDTH = 0;
  wire [47:0] P_48;
  DSP48E1 #(
    .ACASCREG(0), .ADREG(0), .ALUMODEREG(0), .AREG(0), .BCASCREG(0), .BREG(0), .CARRYINREG(0), .CARRYINSELREG(0),
    .CREG(0), .DREG(0), .INMODEREG(0), .MREG(0), .OPMODEREG(0), .PREG(0), .A_INPUT("DIRECT"), .B_INPUT("DIRECT"),
    .USE_MULT("MULTIPLY"), .USE_SIMD("ONE48"), .USE_DPORT("FALSE")
  ) _TECHMAP_REPLACE_ (
    .A({{3{A[26]}}, A}), .B(B), .C(48'b0), .D(25'b0), .P(P_48), .INMODE(5'b0), .ALUMODE(4'b0), .OPMODE(7'b0000101),
    .CARRYINSEL(3'b0), .CARRYIN(1'b0), .ACIN(30'b0), .BCIN(18'b0), .PCIN(48'b0)
  );
  assign Y = P_48;
endmodule
"""
"""How a product becomes a slice: the text of `SLICE_FILE`, which the script reads."""

_PACK = f"""\
synth_xilinx {{options}} -run prepare:map_dsp
memory_dff
alumacc -macc-only
maccmap -unmap
opt_clean
techmap -map +/mul2dsp.v -map {SLICE_FILE} -D DSP_A_MAXWIDTH=27 -D DSP_B_MAXWIDTH=18 -D DSP_A_MAXWIDTH_PARTIAL=18 \
-D DSP_A_MINWIDTH=2 -D DSP_B_MINWIDTH=2 -D DSP_Y_MINWIDTH=9 -D DSP_SIGNEDONLY=1 -D DSP_NAME=$__MUL27X18
select a:mul2dsp
setattr -unset mul2dsp
opt_expr -fine
wreduce
select -clear
xilinx_dsp -family xc7
chtype -set $mul t:$__soft_mul
synth_xilinx {{options}} -run coarse:"""


def synthesis_passes(family: str) -> str:
    """Return the commands from the flattened design to the mapped netlist, DSP slices packed."""
    options = f"-family {family} -noiopad -noclkbuf"
    if family in _OWN_PACKING:
        return f"synth_xilinx {options} -run prepare:"
    return _PACK.format(options=options)
