"""From a design to a verified bundle: training in full, lowering, hardware, simulation, synthesis, build."""
