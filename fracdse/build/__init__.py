"""Build plans and tool runs: Verilator, Yosys and Vivado."""
