"""What runs on the board or speaks to it: bundles, driver, remote and simulated boards."""
