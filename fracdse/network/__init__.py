"""The float view: PyTorch modules that are trained."""
