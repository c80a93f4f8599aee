# Step 1: the project with the accelerator's Verilog and the block design around it.
# Run in the plan's folder: vivado -mode batch -source tcl/project.tcl
source tcl/common.tcl

# The newest version of an IP core that this Vivado has.
proc newest_ip {vlnv} {
    set found [lsort -dictionary [get_ipdefs -quiet $vlnv:*]]
    if {[llength $found] == 0} {
        error "this Vivado has no IP core $vlnv"
    }
    return [lindex $found end]
}

create_project -force -part $part system project
set board_parts {}
foreach pattern $board_patterns {
    if {[llength $board_parts] == 0} {
        set board_parts [lsort -dictionary [get_board_parts -quiet $pattern]]
    }
}
if {[llength $board_parts] > 0} {
    set_property board_part [lindex $board_parts end] [current_project]
} else {
    puts "WARNING: no board files match '$board_patterns': the processing system keeps its defaults. Under PYNQ, which"
    puts "WARNING: has set it up at boot, only the clock and the AXI ports matter, and those are set here."
}
add_files -norecurse {rtl/accelerator.v rtl/accelerator_wrapper.v}
set_property top accelerator_wrapper [get_filesets sources_1]
update_compile_order -fileset sources_1

create_bd_design system
set ps [create_bd_cell -type ip -vlnv [newest_ip xilinx.com:ip:$ps_core] $ps_instance]
if {[llength $board_parts] > 0} {
    apply_bd_automation -rule xilinx.com:bd_rule:$ps_core -config {apply_board_preset "1"} $ps
}
set_property -dict $ps_properties $ps

set dma [create_bd_cell -type ip -vlnv [newest_ip xilinx.com:ip:axi_dma] $dma_instance]
set_property -dict $dma_properties $dma
set accelerator [create_bd_cell -type module -reference accelerator_wrapper $accelerator_instance]
set reset [create_bd_cell -type ip -vlnv [newest_ip xilinx.com:ip:proc_sys_reset] reset_0]
set registers [create_bd_cell -type ip -vlnv [newest_ip xilinx.com:ip:smartconnect] registers_0]
set_property -dict {CONFIG.NUM_SI {1} CONFIG.NUM_MI {2}} $registers
set memory [create_bd_cell -type ip -vlnv [newest_ip xilinx.com:ip:smartconnect] memory_0]
set_property -dict {CONFIG.NUM_SI {2} CONFIG.NUM_MI {1}} $memory

# Registers: processing system to DMA and accelerator.
connect_bd_intf_net [get_bd_intf_pins $ps_instance/$ps_master] [get_bd_intf_pins registers_0/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins registers_0/M00_AXI] [get_bd_intf_pins $dma_instance/S_AXI_LITE]
connect_bd_intf_net [get_bd_intf_pins registers_0/M01_AXI] [get_bd_intf_pins $accelerator_instance/s_axi]
# Memory: DMA to processing system.
connect_bd_intf_net [get_bd_intf_pins $dma_instance/M_AXI_MM2S] [get_bd_intf_pins memory_0/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins $dma_instance/M_AXI_S2MM] [get_bd_intf_pins memory_0/S01_AXI]
connect_bd_intf_net [get_bd_intf_pins memory_0/M00_AXI] [get_bd_intf_pins $ps_instance/$ps_slave]
# Streams: DMA to accelerator and back.
connect_bd_intf_net [get_bd_intf_pins $dma_instance/M_AXIS_MM2S] [get_bd_intf_pins $accelerator_instance/s_axis]
connect_bd_intf_net [get_bd_intf_pins $accelerator_instance/m_axis] [get_bd_intf_pins $dma_instance/S_AXIS_S2MM]

# One clock and its resets for everything in the fabric.
set clocked {
    reset_0/slowest_sync_clk registers_0/aclk memory_0/aclk
}
lappend clocked $dma_instance/s_axi_lite_aclk $dma_instance/m_axi_mm2s_aclk $dma_instance/m_axi_s2mm_aclk
lappend clocked $accelerator_instance/clk
foreach pin $ps_clock_inputs {
    lappend clocked $ps_instance/$pin
}
foreach pin $clocked {
    connect_bd_net [get_bd_pins $ps_instance/$ps_clock] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins $ps_instance/$ps_reset] [get_bd_pins reset_0/ext_reset_in]
foreach pin [list registers_0/aresetn memory_0/aresetn $dma_instance/axi_resetn] {
    connect_bd_net [get_bd_pins reset_0/peripheral_aresetn] [get_bd_pins $pin]
}
connect_bd_net [get_bd_pins reset_0/peripheral_reset] [get_bd_pins $accelerator_instance/reset]

# Addresses. The registers are where the driver expects them.
set space [get_bd_addr_spaces $ps_instance/Data]
assign_bd_address -offset $dma_address -range $register_range -target_address_space $space \
    [get_bd_addr_segs $dma_instance/S_AXI_LITE/Reg]
assign_bd_address -offset $accelerator_address -range $register_range -target_address_space $space \
    [get_bd_addr_segs -of_objects [get_bd_intf_pins $accelerator_instance/s_axi]]
# The DMA reaches the memory below 4 GiB, and nothing else of what is behind the port.
foreach channel {Data_MM2S Data_S2MM} {
    set space [get_bd_addr_spaces $dma_instance/$channel]
    assign_bd_address -target_address_space $space [get_bd_addr_segs $ps_instance/$ps_memory]
    foreach segment [get_bd_addr_segs -quiet $ps_instance/[file dirname $ps_memory]/*] {
        if {[file tail $segment] ne [file tail $ps_memory]} {
            exclude_bd_addr_seg -quiet -target_address_space $space $segment
        }
    }
}

validate_bd_design
save_bd_design
# The whole design is synthesised at once: one set of reports, and nothing is kept from another build.
set design_file [get_files system.bd]
set_property synth_checkpoint_mode None $design_file
generate_target all $design_file
add_files -norecurse [make_wrapper -files $design_file -top]
set_property top system_wrapper [get_filesets sources_1]
update_compile_order -fileset sources_1
close_project
finish_step project
