# Step 3: place and route. Run in the plan's folder: vivado -mode batch -source tcl/implementation.tcl
source tcl/common.tcl
open_project project/system.xpr
run_to_end impl_1 -to_step route_design
open_run impl_1
report_utilization -file reports/utilization_placed.rpt
report_utilization -cells [get_cells system_i/$accelerator_instance] -file reports/accelerator_placed.rpt
report_timing_summary -file reports/timing_routed.rpt
report_power -file reports/power_routed.rpt
write_checkpoint -force routed.dcp
close_project
finish_step implementation
