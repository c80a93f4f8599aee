"""Fused pointwise passes in C, compiled once where there is a compiler; torch operations do the same without one."""

from fracdse.network.native.kernels import Kernels, kernels_for

__all__ = ["Kernels", "kernels_for"]
