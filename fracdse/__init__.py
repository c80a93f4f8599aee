"""Design-space exploration and deployment of fractional binary neural networks on small FPGAs."""

__version__ = "0.1.0"
