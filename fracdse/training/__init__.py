"""Data, training loops, distillation and proxies."""
