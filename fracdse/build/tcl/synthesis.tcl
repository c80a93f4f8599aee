# Step 2: synthesis. Run in the plan's folder: vivado -mode batch -source tcl/synthesis.tcl
source tcl/settings.tcl
open_project project/system.xpr
reset_run synth_1
launch_runs synth_1 -jobs $jobs
wait_on_run synth_1
if {[get_property PROGRESS [get_runs synth_1]] ne "100%"} {
    error "synthesis failed: see project/system.runs/synth_1/runme.log"
}
open_run synth_1
report_utilization -file reports/utilization_synth.rpt
report_timing_summary -file reports/timing_synth.rpt
close_project
