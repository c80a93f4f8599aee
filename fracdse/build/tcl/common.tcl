# What the steps share; each of them reads this file first.
source tcl/settings.tcl

# Run one of the project's runs to its end. Where it fails, the end of its own log says why, and is printed.
proc run_to_end {run args} {
    global jobs
    reset_run $run
    launch_runs $run -jobs $jobs {*}$args
    wait_on_run $run
    if {[get_property PROGRESS [get_runs $run]] eq "100%"} {
        return
    }
    set log project/system.runs/$run/runme.log
    if {[file exists $log]} {
        set file [open $log]
        puts [join [lrange [split [string trim [read $file]] "\n"] end-14 end] "\n"]
        close $file
    }
    error "$run failed: see $log"
}

# Say that a step is done: for which plan, and with which Vivado.
proc finish_step {step} {
    set file [open plan.sha256]
    set digest [string trim [read $file]]
    close $file
    file mkdir steps
    set file [open steps/$step.part w]
    puts $file "$digest Vivado [version -short]"
    close $file
    file rename -force steps/$step.part steps/$step.done
}
