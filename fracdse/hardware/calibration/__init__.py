"""Fitting the model's coefficients to builds, and checking its error on builds that the fit never saw."""
