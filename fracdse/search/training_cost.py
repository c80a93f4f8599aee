"""How long a training takes, relative to others, before anything is trained.

Measured seconds would tell it as well, but they change with what else the machine does, and a search that depended on
them could not be repeated from its seed.
"""

from __future__ import annotations

from fracdse.design import Design
from fracdse.topology import GatedConvSpec, StemSpec, topology

# Multiply-adds of one step that take as long as the fixed part of a layer, forwards and backwards. Fitted, together
# with the equal weight of layers and SI branches, to the 81 trainings of depth 8 in benchmarks/tables/digits.csv.
_PRODUCTS_A_LAYER = 2.4e7


def training_cost(design: Design, batch_size: int) -> float:
    """Return the cost of a training step; the unit is a layer of no size.

    Raises:
        ConfigError: The network cannot be built.
    """
    layers, products = 0, 0
    for spec in topology(design):
        if isinstance(spec, StemSpec):
            layers += 1
            products += spec.out_height * spec.out_width * spec.out_channels * spec.in_channels * spec.kernel**2
        elif isinstance(spec, GatedConvSpec):
            pixels = spec.out_height * spec.out_width
            layers += 1
            products += 2 * pixels * spec.out_channels * spec.fan_in
            if spec.si is not None:
                layers += 1
                products += pixels * spec.si.width * (spec.in_channels + spec.out_channels + spec.kernel**2)
    return layers + products * batch_size / _PRODUCTS_A_LAYER
