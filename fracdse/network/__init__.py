"""The float view: PyTorch modules that are trained."""

from fracdse.network.export import export_parameters
from fracdse.network.folder import load_network, save_network
from fracdse.network.layer import Precision
from fracdse.network.network import FractionalNetwork, build_network
from fracdse.network.released import released_network

__all__ = [
    "FractionalNetwork",
    "Precision",
    "build_network",
    "export_parameters",
    "load_network",
    "released_network",
    "save_network",
]
