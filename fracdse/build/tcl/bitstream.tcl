# Step 4: bitstream and hardware handoff; only for a design that meets its timing.
# Run in the plan's folder: vivado -mode batch -source tcl/bitstream.tcl
source tcl/common.tcl
open_checkpoint routed.dcp
foreach delay {setup hold} {
    set slack [get_property SLACK [get_timing_paths -max_paths 1 -$delay]]
    if {$slack < 0} {
        error "timing is not met: worst $delay slack $slack ns"
    }
}
write_bitstream -force system.bit
close_design
# Vivado 2020.1 keeps generated files below .srcs, later versions below .gen.
set handoffs [glob -nocomplain project/system.gen/sources_1/bd/system/hw_handoff/system.hwh \
    project/system.srcs/sources_1/bd/system/hw_handoff/system.hwh]
if {[llength $handoffs] == 0} {
    error "the block design's hardware handoff, system.hwh, was not found"
}
file copy -force [lindex $handoffs 0] system.hwh
finish_step bitstream
