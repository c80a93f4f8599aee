"""The layers of a design, found once for all designs that differ only in what does not change them."""

from __future__ import annotations

from functools import lru_cache

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.topology import LayerSpec, topology


def network_layers(design: Design) -> tuple[LayerSpec, ...]:
    """Return `topology(design)`, cached.

    Raises:
        ConfigError: The network cannot be built.
    """
    return _layers(design.image, design.network)


@lru_cache(maxsize=20_000)
def _layers(image: ImageFormat, network: NetworkChoices) -> tuple[LayerSpec, ...]:
    return topology(Design(image=image, network=network))
