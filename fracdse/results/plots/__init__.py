"""Figures of a study. In each file a pure function computes the data of one figure and another draws it."""
