"""The Vivado commands and options that the scripts in fracdse/build/tcl use, with the document that describes each.

`flags` stand alone, `values` are followed by a value, `positional` is the least and the largest number of the rest.
All commands are in UG835 (Vivado Tcl command reference) under their own name; `see` adds where their use here is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Command:
    positional: tuple[int, int]
    flags: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    see: str = ""
    returns: str = field(default="")


COMMANDS = {
    # Projects and files
    "create_project": Command((0, 2), ("-force", "-in_memory"), ("-part", "-ip"), "UG895, 'Creating a project'"),
    "open_project": Command((1, 1), ("-read_only",), ("-part",)),
    "close_project": Command((0, 0), ("-delete",)),
    "current_project": Command((0, 1), ("-quiet",)),
    "add_files": Command((0, 1), ("-norecurse", "-force"), ("-fileset",)),
    "get_files": Command((0, 1), ("-quiet", "-all"), ("-of_objects", "-filter")),
    "get_filesets": Command((0, 1), ("-quiet",)),
    "update_compile_order": Command((0, 0), ("-force_gui",), ("-fileset",)),
    "set_property": Command((2, 3), ("-quiet",), ("-dict",)),
    "get_property": Command((2, 2), ("-min", "-max", "-quiet")),
    # Block designs
    "get_ipdefs": Command((0, 1), ("-quiet", "-all"), ("-filter",)),
    "get_board_parts": Command((0, 1), ("-quiet", "-latest_file_version"), ("-filter",)),
    "create_bd_design": Command((1, 1), (), ("-dir",), "UG994, 'Creating a block design'"),
    "create_bd_cell": Command((1, 1), (), ("-type", "-vlnv", "-reference"), "UG994, 'Referencing RTL modules'"),
    "apply_bd_automation": Command((1, 1), (), ("-rule", "-config"), "UG994, 'Using the designer assistance'"),
    "get_bd_intf_pins": Command((1, 1), ("-quiet",), ("-of_objects",)),
    "get_bd_pins": Command((1, 1), ("-quiet",), ("-of_objects",)),
    "get_bd_addr_spaces": Command((1, 1), ("-quiet",), ("-of_objects",)),
    "get_bd_addr_segs": Command((0, 1), ("-quiet",), ("-of_objects",)),
    "connect_bd_intf_net": Command((2, 2), (), ("-intf_net",)),
    "connect_bd_net": Command((2, 99), (), ("-net",)),
    "assign_bd_address": Command(
        (0, 1), ("-force",), ("-offset", "-range", "-target_address_space"), "UG994, 'Creating a memory map'"
    ),
    "exclude_bd_addr_seg": Command((1, 1), ("-quiet",), ("-target_address_space",), "UG994, 'Sparse connectivity'"),
    "validate_bd_design": Command((0, 1), ("-force",)),
    "save_bd_design": Command((0, 1)),
    "generate_target": Command((2, 2), ("-force",), (), "UG994, 'Generating output products'"),
    "make_wrapper": Command((0, 0), ("-top", "-import", "-force"), ("-files",), "UG994, 'Creating an HDL wrapper'"),
    # Runs
    "reset_run": Command((1, 1), ("-prev_step",), ("-from_step",), "UG904; later versions add reset_runs"),
    "launch_runs": Command((1, 9), ("-force",), ("-to_step", "-jobs", "-dir"), "UG904, 'Launching runs'"),
    "wait_on_run": Command((1, 1), ("-quiet",), ("-timeout",), "UG904; later versions add wait_on_runs"),
    "get_runs": Command((0, 1), ("-quiet",), ("-filter",)),
    "open_run": Command((1, 1), ("-quiet",), ("-name",)),
    "open_checkpoint": Command((1, 1), ("-quiet",), ("-part",)),
    "close_design": Command((0, 0), ("-quiet",)),
    # Results
    "version": Command((0, 0), ("-short", "-quiet")),
    "report_utilization": Command((0, 0), ("-hierarchical", "-append"), ("-file", "-cells"), "UG906"),
    "report_timing_summary": Command((0, 0), ("-no_detailed_paths",), ("-file", "-max_paths"), "UG906"),
    "report_power": Command((0, 0), ("-no_propagation",), ("-file", "-rpx"), "UG907, 'Report power'"),
    "get_cells": Command((0, 1), ("-quiet", "-hierarchical"), ("-filter",)),
    "get_timing_paths": Command((0, 0), ("-setup", "-hold"), ("-max_paths", "-nworst")),
    "write_checkpoint": Command((1, 1), ("-force",), ("-cell",)),
    "write_bitstream": Command((1, 1), ("-force", "-bin_file"), ("-cell",), "UG908, 'Generating the bitstream'"),
}  # fmt: skip

# Interfaces and pins of the IP cores, from their product guides.
INTERFACES = {
    "axi_dma": {"S_AXI_LITE", "M_AXI_MM2S", "M_AXI_S2MM", "M_AXIS_MM2S", "S_AXIS_S2MM"},  # PG021
    "smartconnect": {"S00_AXI", "S01_AXI", "M00_AXI", "M01_AXI"},  # PG247
    "zynq_ultra_ps_e": {"M_AXI_HPM0_FPD", "S_AXI_HP0_FPD"},  # PG201
    "processing_system7": {"M_AXI_GP1", "S_AXI_HP0"},  # PG082
    "proc_sys_reset": set(),  # PG164
}
PINS = {
    "axi_dma": {"s_axi_lite_aclk", "m_axi_mm2s_aclk", "m_axi_s2mm_aclk", "axi_resetn"},
    "smartconnect": {"aclk", "aresetn"},
    "zynq_ultra_ps_e": {"pl_clk0", "pl_resetn0", "maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"},
    "processing_system7": {"FCLK_CLK0", "FCLK_RESET0_N", "M_AXI_GP1_ACLK", "S_AXI_HP0_ACLK"},
    "proc_sys_reset": {"slowest_sync_clk", "ext_reset_in", "peripheral_aresetn", "peripheral_reset"},
}


def fault(name: str, arguments: list[str]) -> str:
    """Return what is wrong with a call, or an empty string."""
    if name not in COMMANDS:
        return f"unknown command {name}"
    command = COMMANDS[name]
    rest = []
    remaining = list(arguments)
    while remaining:
        word = remaining.pop(0)
        if word in command.values:
            if not remaining:
                return f"{name} {word} lacks its value"
            remaining.pop(0)
        elif word.startswith("-") and not word[1:2].isdigit():
            if word not in command.flags:
                return f"{name} has no option {word}"
        else:
            rest.append(word)
    low, high = command.positional
    low = 0 if "-of_objects" in arguments else low
    low = 1 if name == "set_property" and "-dict" in arguments else low
    return "" if low <= len(rest) <= high else f"{name} takes {low} to {high} operands, not {len(rest)}: {rest}"
