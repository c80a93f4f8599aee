"""Tables, Pareto fronts, plots and pages made from studies."""
