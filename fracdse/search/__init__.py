"""Studies, trials, samplers and workers."""
