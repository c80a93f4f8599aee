"""A whole network as a PyTorch module, built from the topology of its design."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from fracdse.design import Design
from fracdse.network.layer import GatedLayer, GateObserver, Precision, Stem
from fracdse.topology import ClassifierSpec, GatedConvSpec, StemSpec, topology


class FractionalNetwork(nn.Module):
    """A fractional binary network: uint8 images (N, colours, H, W) to logits (N, classes)."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        layers: list[GatedLayer] = []
        for spec in topology(design):
            if isinstance(spec, StemSpec):
                self.stem = Stem(spec, design.network.power_of_two)
            elif isinstance(spec, GatedConvSpec):
                layers.append(GatedLayer(spec))
            elif isinstance(spec, ClassifierSpec):
                self.classifier = nn.Linear(spec.features, spec.classes)
        self.layers = nn.ModuleList(layers)

    @property
    def precision(self) -> Precision:
        """The precision that the network computes with; see `GatedLayer`."""
        return self.stem.precision

    @precision.setter
    def precision(self, precision: Precision) -> None:
        self.stem.precision = precision
        for layer in self.gated_layers():
            layer.precision = precision

    @property
    def released_arithmetic(self) -> bool:
        """Whether evaluation rounds as FracBNN's released code does; see `released_arithmetic`."""
        return self.gated_layers()[0].released_arithmetic

    @released_arithmetic.setter
    def released_arithmetic(self, on: bool) -> None:
        for layer in self.gated_layers():
            layer.released_arithmetic = on

    def gated_layers(self) -> tuple[GatedLayer, ...]:
        """Return the gated convolutions in order of the topology."""
        return tuple(layer for layer in self.layers if isinstance(layer, GatedLayer))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        return self.forward_with_blocks(images)[0]

    def forward_with_blocks(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits and the output of every block (two gated convolutions), each (N, C, H, W)."""
        x = self.stem(images)
        blocks: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index % 2 == 1:
                blocks.append(x)
        return self.classifier(x.mean((2, 3))), blocks

    @contextmanager
    def observed_gates(self, observer: GateObserver) -> Iterator[None]:
        """Call `observer` with the layer's name and gates (N, C, H, W) at every gated convolution inside the block."""
        for layer in self.gated_layers():
            layer.gate_observer = observer
        try:
            yield
        finally:
            for layer in self.gated_layers():
                layer.gate_observer = None


def build_network(design: Design, *, binary: bool = True, precision: Precision | None = None) -> FractionalNetwork:
    """Build the untrained network of a design, with weights from torch's random state.

    Args:
        design: What to build.
        binary: False builds the float twin; a shorthand for precision="float".
        precision: "binary", "real_weights" or "float"; see `GatedLayer`. It can be changed later: the parameters are
            the same.

    Raises:
        ConfigError: The design cannot be built.
    """
    network = FractionalNetwork(design)
    network.precision = precision or ("binary" if binary else "float")
    return network


def start_thresholds(network: FractionalNetwork, value: float) -> None:
    """Set every gate threshold, in units of the convolution's real output."""
    with torch.no_grad():
        for layer in network.gated_layers():
            layer.threshold.fill_(value)
