# Step 2: synthesis. Run in the plan's folder: vivado -mode batch -source tcl/synthesis.tcl
source tcl/common.tcl
open_project project/system.xpr
run_to_end synth_1
open_run synth_1
report_utilization -file reports/utilization_synth.rpt
report_utilization -cells [get_cells system_i/$accelerator_instance] -file reports/accelerator_synth.rpt
report_timing_summary -file reports/timing_synth.rpt
close_project
finish_step synthesis
